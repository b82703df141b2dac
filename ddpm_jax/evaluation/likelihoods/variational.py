"""The variational bound of the reverse process: from a few times an image, or from all."""

from ddpm_jax.core.choice import Choice, Options
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.core.randomness import Stream, stream_key
from ddpm_jax.diffusion.likelihood import elbo, strata
from ddpm_jax.diffusion.likelihood.estimate import Estimate
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process.pixel_decoder import PixelDecoder
from ddpm_jax.evaluation.likelihoods.estimator import (
    Batch,
    Estimating,
    LikelihoodEstimator,
    Pilot,
    Setting,
)


def stratified(_: Options, setting: Setting) -> LikelihoodEstimator:
    """`elbo.stratified`, with times that cover all images of the split evenly.

    Raises:
      ConfigError: num_draws is neither 2 nor a multiple of 4.
    """
    try:
        num_strata = elbo.num_strata(setting.num_draws)
    except ValueError as error:
        raise ConfigError(f"config.eval.{error}") from error
    # Four borders for each stratum to choose from.
    num_pilot_draws = 4 * strata.PER_BIN * num_strata
    pilot = Pilot(
        _stratified_by(setting, num_pilot_draws),
        lambda pixel_decoder: elbo.num_evaluations(num_pilot_draws, pixel_decoder),
        lambda t, per_time: strata.edges(t, per_time, num_strata),
    )
    return LikelihoodEstimator(
        estimate=_stratified_by(setting, setting.num_draws),
        figure=_figure(setting),
        num_draws=setting.num_draws,
        stream=Stream.EVAL,
        pilot=pilot if setting.num_pilot_examples else None,
    )


def _stratified_by(setting: Setting, num_draws: int) -> Estimating:
    key = stream_key(setting.seed, Stream.EVAL_TIMES)

    def estimate(
        diffusion: Diffusion, pixel_decoder: PixelDecoder, batch: Batch
    ) -> Estimate:
        return elbo.stratified(
            *(diffusion, pixel_decoder, batch.pixels, batch.keys),
            *(setting.num_steps, num_draws),
            spread=elbo.Spread(batch.numbers, key),
            edges=batch.edges,
        )

    return estimate


def full(_: Options, setting: Setting) -> LikelihoodEstimator:
    """`elbo.full`: every transition of a chain."""

    def estimate(
        diffusion: Diffusion, pixel_decoder: PixelDecoder, batch: Batch
    ) -> Estimate:
        return elbo.full(
            *(diffusion, pixel_decoder, batch.pixels, batch.keys),
            *(setting.num_steps, setting.num_draws),
        )

    return LikelihoodEstimator(
        estimate=estimate,
        figure=_figure(setting),
        num_draws=setting.num_draws,
        stream=Stream.EVAL_FULL,
    )


def _figure(setting: Setting) -> str:
    return (
        f"upper bound on {setting.figure} of the reverse process:"
        " variational, estimated without bias"
    )


STRATIFIED = Choice(
    Options, stratified, frozenset({"likelihood", "takes_pilot", "is_the_bound"})
)
FULL = Choice(Options, full, frozenset({"likelihood", "needs_a_chain", "is_the_bound"}))
