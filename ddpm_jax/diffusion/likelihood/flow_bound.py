"""The likelihood of pixels by the probability flow: its density, dequantised.

    -log P(pixels) <= E[-log 1/K sum_k p(z_0^k) w^k],     z_0^k, log w^k ~ a dequantisation

for K independent draws: at K = 1 the variational bound of the dequantisation, and falling
towards -log P with K (Burda et al. 2016, arXiv:1509.00519). The sum is divided by K.

With an exact divergence the right side is, but for the solver's error, a bound in
expectation for every K. With
Hutchinson's it is so for K = 1, where log p(z_0) is estimated without bias and enters as it is.
For K > 1 the estimate enters through an exponential; the K draws then share their probes,
so that what is common to them stays outside it and only the error of their differences
counts.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.likelihood.dequantization import Dequantization
from ddpm_jax.diffusion.likelihood.divergence import Divergence
from ddpm_jax.diffusion.likelihood.estimate import (
    Estimate,
    halves_of,
    mean_and_variance,
)
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process.gaussian import fold_in
from ddpm_jax.diffusion.process.pixel_decoder import PixelDecoder, Pixels


class Terms(NamedTuple):
    """-log P of each example, by where it comes from.

    Attributes:
      prior: -log N(z_1; 0, I).
      divergence: less its integral over the flow.
      dequantization: less the log weight: log q(z_0 | pixels) - log p(pixels | z_0).
      importance: what the mean over K draws inside the logarithm takes off, at most 0.
    """

    prior: Float[Array, "*shape"]
    divergence: Float[Array, "*shape"]
    dequantization: Float[Array, "*shape"]
    importance: Float[Array, "*shape"]

    @property
    def total(self) -> Float[Array, "*shape"]:
        return self.prior + self.divergence + self.dequantization + self.importance


def by_flow(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    keys: Key[Array, " batch"],
    num_steps: int,
    *,
    dequantization: Dequantization,
    divergence: Divergence,
    solve: probability_flow.Solve,
    num_importance: int = 1,
    num_draws: int = 1,
) -> Estimate:
    """-log P(pixels) by the probability flow, nats.

    Memory is that of one batch: draws are taken one after the other.

    Args:
      diffusion: the model.
      pixel_decoder: what made x of pixels.
      pixels: integers, [batch, height, width, channels].
      keys: one an example; draw r folds in r, then 1 for its probes, or 0 and k for its
        k-th latent.
      num_steps: T, the number of latents, or `times.CONTINUOUS`.
      dequantization: where z_0 comes from.
      divergence: how that of the flow is found.
      solve: how the flow is followed.
      num_importance: K, latents inside the logarithm.
      num_draws: independent repetitions of all that. Their number does not change the
        expectation; from 2 on, the error over draws is known.

    Raises:
      ValueError: num_importance or num_draws is below 1.
    """
    for name, value in (
        ("num_importance", num_importance),
        ("num_draws", num_draws),
    ):
        if value < 1:
            raise ValueError(f"config.eval.ode.{name} = {value}: write 1 or more.")

    def one(number: Array) -> tuple[Terms, Array, Array]:
        of_draw = fold_in(keys, number // num_importance)
        start = dequantization(
            diffusion,
            pixel_decoder,
            pixels,
            fold_in(fold_in(of_draw, 0), number % num_importance),
            num_steps,
        )
        found = probability_flow.forward(
            diffusion, start.z_0, fold_in(of_draw, 1), divergence, solve
        )
        nats = Terms(
            -found.log_prior,
            -found.divergence,
            -start.log_weight,
            jnp.zeros_like(start.log_weight),
        )
        evaluations = probability_flow.num_evaluations(found.num_steps, solve)
        return nats, evaluations + start.num_evaluations, found.converged

    nats, evaluations, converged = lax.map(one, jnp.arange(num_draws * num_importance))
    # [draws, importance, batch].
    nats = jax.tree.map(lambda a: a.reshape(num_draws, num_importance, -1), nats)
    total = -_log_mean_exp(-nats.total)
    means = jax.tree.map(lambda a: jnp.mean(a, axis=1), nats)
    if num_importance > 1:
        means = means._replace(importance=total - means.total)

    found = jax.tree.map(mean_and_variance, means)
    return Estimate(
        terms=Terms(*(mean for mean, _ in found)),
        draw_variance=Terms(*(variance for _, variance in found)),
        total_variance=mean_and_variance(total)[1],
        halves=halves_of(total),
        num_evaluations=jnp.sum(evaluations, axis=0).astype(jnp.float32),
        converged=jnp.all(converged, axis=0),
        profile=None,
    )


def _log_mean_exp(
    values: Float[Array, "draws importance batch"],
) -> Float[Array, "draws batch"]:
    return jax.nn.logsumexp(values, axis=1) - jnp.log(values.shape[1])
