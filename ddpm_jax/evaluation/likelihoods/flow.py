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
    def figure(self) -> str:
        """The quantity that is estimated, and the method, in words for a report."""
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
            f"{self.dequantization} dequantisation, {weighted}, {self.divergence}"
            f" divergence, solved to rtol {self.rtol:g} and atol {self.atol:g}; {how}"
        )


def flow(options: FlowOptions, setting: Setting) -> LikelihoodEstimator:
    """`flow_bound.by_flow`; config.eval.num_draws is not for it."""

    def estimate(
        diffusion: Diffusion, pixel_decoder: PixelDecoder, batch: Batch
    ) -> Estimate:
        return flow_bound.by_flow(
            *(diffusion, pixel_decoder, batch.pixels, batch.keys, setting.num_steps),
            dequantization=DEQUANTIZATIONS[options.dequantization],
            divergence=options.found_by,
            solve=options.solve,
            num_importance=options.num_importance,
            num_draws=options.num_draws,
        )

    return LikelihoodEstimator(
        estimate=estimate,
        figure=f"upper bound on -log2 P({setting.outcome}) / dims of the probability flow:"
        f" {options.figure}",
        num_draws=options.num_draws,
        stream=Stream.EVAL_FLOW,
    )


# x_hat is not clipped: the flow would bend where it is, its divergence jump, and no tolerance
# be kept.
CHOICE = Choice(
    FlowOptions, flow, frozenset({"likelihood", "between_latents", "clips_nothing"})
)
