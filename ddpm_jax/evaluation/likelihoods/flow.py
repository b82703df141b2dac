"""The likelihood of the probability flow, an ODE that has the reverse process's marginals."""

import dataclasses

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.core.randomness import Stream
from ddpm_jax.diffusion.likelihood import flow_bound
from ddpm_jax.diffusion.likelihood.dequantization import DEQUANTIZATIONS
from ddpm_jax.diffusion.likelihood.divergence import DivergenceOptions
from ddpm_jax.diffusion.likelihood.estimate import Estimate
from ddpm_jax.diffusion.likelihood.probability_flow import SolverOptions
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process.pixel_decoder import PixelDecoder
from ddpm_jax.evaluation.likelihoods.estimator import (
    Batch,
    LikelihoodEstimator,
    Setting,
)


@dataclasses.dataclass(frozen=True)
class FlowOptions(SolverOptions, DivergenceOptions):
    """Options of the flow's likelihood; its solver and its divergence have theirs."""

    dequantization: str = option(
        "truncated_normal", "From pixels to z_0.", one_of=DEQUANTIZATIONS
    )
    num_importance: int = option(
        1, "Latents an image inside the logarithm.", at_least=1
    )
    num_draws: int = option(
        1, "Repetitions of all that; from 2 on, their error is known.", at_least=1
    )

    @property
    def is_exact(self) -> bool:
        """Whether the density is the data's own, and no bound by noise that is added."""
        return DEQUANTIZATIONS[self.dequantization].has("needs_real_numbers")

    @property
    def method(self) -> str:
        """The method, in words for a report."""
        solved = f"{self.divergence} divergence, solved to rtol {self.rtol:g} and atol"
        if self.is_exact:
            return f"at z_0 = alpha_0 x, {solved} {self.atol:g}"
        many, exact = self.num_importance > 1, self.found_by.is_exact
        weighted = (
            f"importance-weighted over {self.num_importance} latents"
            if many
            else "one latent"
        )
        how = (
            "the error of Hutchinson's estimate stands inside a logarithm, so that it is"
            " neither unbiased nor strictly a bound"
            if many and not exact
            else "estimated without bias but for the solver's error"
        )
        return (
            f"{self.dequantization} dequantisation, {weighted}, {solved} {self.atol:g};"
            f" {how}"
        )


def flow(options: FlowOptions, setting: Setting) -> LikelihoodEstimator:
    """`flow_bound.by_flow`; config.eval.num_draws is not for it.

    Raises:
      ValueError: the dequantisation is not for such data.
    """
    choice = DEQUANTIZATIONS[options.dequantization]
    if choice.has("needs_bins" if setting.is_continuous else "needs_real_numbers"):
        raise ValueError(_of_other_data(options.dequantization, setting.is_continuous))
    dequantization = choice.default()

    def estimate(
        diffusion: Diffusion, pixel_decoder: PixelDecoder, batch: Batch
    ) -> Estimate:
        return flow_bound.by_flow(
            *(diffusion, pixel_decoder, batch.pixels, batch.keys, setting.num_steps),
            dequantization=dequantization,
            divergence=options.found_by,
            solve=options.solve,
            num_importance=options.num_importance,
            num_draws=options.num_draws,
        )

    return LikelihoodEstimator(
        estimate=estimate,
        figure=f"{'' if options.is_exact else 'upper bound on '}{setting.figure} of the"
        f" probability flow: {options.method}",
        num_draws=options.num_draws,
        stream=Stream.EVAL_FLOW,
    )


def _of_other_data(dequantization: str, is_continuous: bool) -> str:
    """The error of a dequantisation that is not for such data."""
    wrong = "needs_bins" if is_continuous else "needs_real_numbers"
    fits = [name for name, choice in DEQUANTIZATIONS.items() if not choice.has(wrong)]
    why = (
        "spreads a pixel value over its bin, and these data are real numbers"
        if is_continuous
        else "is of real numbers, and these data are pixel values"
    )
    return f"dequantization = {dequantization!r} {why}: write one of {fits}."


# x_hat is not clipped: the flow would bend where it is, its divergence jump, and no tolerance
# be kept.
CHOICE = Choice(
    FlowOptions, flow, frozenset({"likelihood", "between_latents", "clips_nothing"})
)
