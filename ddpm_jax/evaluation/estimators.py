"""What an evaluation estimates: from config.eval to -log p an example, and what that is."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Float, Int, Key
from ml_collections import ConfigDict as Config

from ddpm_jax.core.errors import ConfigError, choose, errors_are_the_users
from ddpm_jax.core.randomness import Stream, stream_key
from ddpm_jax.diffusion.conditioning import thresholds
from ddpm_jax.diffusion.likelihood import (
    dequantization,
    elbo,
    flow_bound,
    probability_flow,
    strata,
)
from ddpm_jax.diffusion.likelihood.divergence import Divergence, Exact, Hutchinson
from ddpm_jax.diffusion.likelihood.estimate import Estimate
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process.pixel_decoder import Pixels
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.nets.inception import network

Keys = Key[Array, " batch"]
Numbers = Int[Array, " batch"]
# Of the strata of time; None: evenly, and for estimators that have none.
Edges = Float[Array, " strata_and_one"] | None
# (model, pixels, key and number of each example, edges) -> estimate.
Estimator = Callable[[Diffusion, Pixels, Keys, Numbers, Edges], Estimate]

# By config.eval.ode.divergence, from that group.
DIVERGENCES: dict[str, Callable[[Config], Divergence]] = {
    "exact": lambda options: Exact(options.chunk),
    "hutchinson": lambda options: Hutchinson(
        options.probe, options.num_probes, options.antithetic
    ),
}


# What a config may list beside: of samples, with how many of them each needs at least; and of
# a classifier.
QUALITY = {
    "fid": 2,
    "kid": 2,
    "inception_score": 1,
    "precision_recall": 4,
    "density_coverage": 6,
}
# What config.eval.quality has in the field of each extractor's name.
EXTRACTORS = {
    "inception": "the file pt_inception-2015-12-05-6726825d.pth",
    "classifier": "the workdir of a run of a config such as configs/digits_classifier.py",
}
ACCURACY = "accuracy"


def listed(config: Config) -> list[str]:
    """What config.eval.estimators lists, in its order."""
    return [name.strip() for name in config.eval.estimators.split(",")]


def names(config: Config) -> list[str]:
    """Those of them that estimate a likelihood."""
    return [name for name in listed(config) if name in ESTIMATORS]


def quality_names(config: Config) -> list[str]:
    """Those of them that judge samples."""
    return [name for name in listed(config) if name in QUALITY]


@errors_are_the_users()
def check(config: Config) -> None:
    """Fails on options that no estimator can work with."""
    own, field = (
        listed(config),
        f"config.eval.estimators = {config.eval.estimators!r}",
    )
    sorts = config.model.name == "classifier"
    continuous = config.schedule.num_steps == CONTINUOUS
    num_pilot = config.eval.pilot_examples
    known = (ACCURACY,) if sorts else (*ESTIMATORS, *QUALITY)
    for name in own:
        choose(dict.fromkeys(known), name, "eval.estimators")
    wrong = {
        f"{field} names one twice: write each once.": len(set(own)) < len(own),
        f"{field}: 'full' sums over the transitions of a chain; in continuous time"
        " (config.schedule.num_steps = 0) write 'stratified'.": continuous
        and "full" in own,
        f"{field}: 'ode' needs a model between the latents of a chain too, which"
        " config.prediction = 'mean', the mean of the latent before, does not give; leave"
        " it out, or write config.schedule.num_steps = 0.": not continuous
        and config.prediction == "mean"
        and "ode" in own,
        f"config.eval.pilot_examples = {num_pilot} is of use to the estimator 'stratified'"
        " alone: write 0.": num_pilot > 0 and "stratified" not in own,
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(message)
    for name in quality_names(config):
        if config.eval.quality.num_samples < QUALITY[name]:
            raise ConfigError(
                f"config.eval.quality.num_samples = {config.eval.quality.num_samples} is too"
                f" few for {name!r}: write {QUALITY[name]} or more."
            )
    if quality_names(config):
        check_extractor(config)
    try:
        _solve(config)
        DIVERGENCES[config.eval.ode.divergence](config.eval.ode)
    except ValueError as error:
        raise ConfigError(f"config.eval.ode.{error}") from error
    if "stratified" in own:
        elbo.num_strata(config.eval.num_draws)


def check_extractor(config: Config) -> None:
    """Fails where an extractor of features has no weights."""
    c = config.eval.quality
    choose(EXTRACTORS, c.extractor, "eval.quality.extractor")
    if not c[c.extractor]:
        raise ConfigError(
            f"config.eval.quality.extractor = {c.extractor!r} needs config.eval.quality."
            f"{c.extractor}, {EXTRACTORS[c.extractor]}."
        )
    choose(network.PREPARATIONS, c.preparation, "eval.quality.preparation")


def make(config: Config, model: Denoiser, name: str) -> Estimator:
    """One of `names`, with the options that config.eval has for it."""
    return _clipped(config, name, ESTIMATORS[name](config, model))


def is_clipped(config: Config, name: str) -> bool:
    """Whether x_hat is cut to the range of the data.

    A flow would bend where it is, its divergence jump, and no tolerance be kept.
    """
    return bool(config.eval.clip) and name != "ode"


def pilot(config: Config, model: Denoiser) -> Estimator:
    """What tells where along time the draws of "stratified" are worth most."""
    estimator = _stratified_by(config, model, pilot_draws(config))
    return _clipped(config, "stratified", estimator)


def pilot_draws(config: Config) -> int:
    """Draws an example of the pilot pass: four borders for each stratum to choose from."""
    return 4 * strata.PER_BIN * elbo.num_strata(config.eval.num_draws)


def pilot_evaluations(config: Config, model: Denoiser) -> int:
    """Of the network, an example of the pilot pass."""
    return elbo.num_evaluations(pilot_draws(config), model.pixel_decoder)


def _clipped(config: Config, name: str, estimator: Estimator) -> Estimator:
    if not is_clipped(config, name):
        return estimator

    def estimate(diffusion: Diffusion, *args: Any) -> Estimate:
        return estimator(thresholds.clipped(diffusion), *args)

    return estimate


def _stratified(config: Config, model: Denoiser) -> Estimator:
    return _stratified_by(config, model, config.eval.num_draws)


def _stratified_by(config: Config, model: Denoiser, num_draws: int) -> Estimator:
    key = stream_key(config.seed, Stream.EVAL_TIMES)

    def estimate(
        diffusion: Diffusion, pixels: Pixels, keys: Keys, number: Numbers, edges: Edges
    ) -> Estimate:
        return elbo.stratified(
            *(diffusion, model.pixel_decoder, pixels, keys, model.num_steps, num_draws),
            spread=elbo.Spread(number, key),
            edges=edges,
        )

    return estimate


def _full(config: Config, model: Denoiser) -> Estimator:
    def estimate(
        diffusion: Diffusion, pixels: Pixels, keys: Keys, number: Numbers, edges: Edges
    ) -> Estimate:
        num_steps, num_draws = model.num_steps, config.eval.num_draws
        return elbo.full(
            diffusion, model.pixel_decoder, pixels, keys, num_steps, num_draws
        )

    return estimate


def _ode(config: Config, model: Denoiser) -> Estimator:
    options = config.eval.ode

    def estimate(
        diffusion: Diffusion, pixels: Pixels, keys: Keys, number: Numbers, edges: Edges
    ) -> Estimate:
        return flow_bound.by_flow(
            *(diffusion, model.pixel_decoder, pixels, keys, model.num_steps),
            dequantization=dequantization.DEQUANTIZATIONS[options.dequantization],
            divergence=DIVERGENCES[options.divergence](options),
            solve=_solve(config),
            num_importance=options.num_importance,
            num_draws=options.num_draws,
        )

    return estimate


def _solve(config: Config) -> probability_flow.Solve:
    options = config.eval.ode
    return probability_flow.Solve(
        options.solver, float(options.rtol), float(options.atol), options.max_steps
    )


# Each has noise of its own, so that the errors of two are independent.
STREAMS = {
    "stratified": Stream.EVAL,
    "full": Stream.EVAL_FULL,
    "ode": Stream.EVAL_FLOW,
}
ESTIMATORS: dict[str, Callable[[Config, Denoiser], Estimator]] = {
    "stratified": _stratified,
    "full": _full,
    "ode": _ode,
}
