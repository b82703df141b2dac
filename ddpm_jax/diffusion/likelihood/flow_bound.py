"""The likelihood of pixels by the probability flow: its density, dequantised.

    -log P(pixels) <= E[-log 1/K sum_k p(z_0^k) w^k],     z_0^k, log w^k ~ a dequantisation

for K independent draws: at K = 1 the variational bound of the dequantisation, and falling
towards -log P with K (Burda et al. 2016, arXiv:1509.00519). The sum is divided by K.

With an exact divergence the right side is, up to the solver's error, a bound in expectation
for every K. With Hutchinson's it is one for K = 1, where the unbiased estimate of log p(z_0)
enters linearly. For K > 1 it enters through an exponential; the K draws then share their
probes, so that their common error stays outside and only that of their differences counts.
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
    """The terms of -log P of each example.

    Attributes:
      prior: -log N(z_1; 0, I).
      divergence: minus the integral of the divergence over the flow.
      dequantization: minus the log weight: log q(z_0 | pixels) - log p(pixels | z_0).
      importance: difference that the mean over K draws inside the logarithm makes, at most 0.
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
    """Estimates -log P(pixels) by the probability flow, in nats.

    Draws are computed one after the other, with the memory of one batch.

    Args:
      diffusion: the model.
      pixel_decoder: the model's pixel decoder.
      pixels: pixel values, [batch, height, width, channels].
      keys: one for each example; draw r folds in r, then 1 for its probes, or 0 and k for
        its k-th latent.
      num_steps: number T of latents, or `times.CONTINUOUS`.
      dequantization: distribution of z_0.
      divergence: method for the divergence of the flow.
      solve: settings of the ODE's solver.
      num_importance: number K of latents inside the logarithm.
      num_draws: number of independent repetitions. It does not change the expectation;
        from 2 on, the error over draws is known.

    Raises:
      ValueError: num_importance or num_draws is below 1.
    """
    for name, value in (
        ("num_importance", num_importance),
        ("num_draws", num_draws),
    ):
        if value < 1:
            raise ValueError(f"{name} = {value}: write 1 or more.")

    def one(number: Array) -> tuple[Terms, Array, Array]:
        draw_keys = fold_in(keys, number // num_importance)
        start = dequantization(
            diffusion,
            pixel_decoder,
            pixels,
            fold_in(fold_in(draw_keys, 0), number % num_importance),
            num_steps,
        )
        flow = probability_flow.forward(
            diffusion, start.z_0, fold_in(draw_keys, 1), divergence, solve
        )
        nats = Terms(
            -flow.log_prior,
            -flow.divergence,
            -start.log_weight,
            jnp.zeros_like(start.log_weight),
        )
        evaluations = probability_flow.num_evaluations(flow.num_steps, solve)
        return nats, evaluations + start.num_evaluations, flow.converged

    nats, evaluations, converged = lax.map(one, jnp.arange(num_draws * num_importance))
    # [draws, importance, batch].
    nats = jax.tree.map(lambda a: a.reshape(num_draws, num_importance, -1), nats)
    total = -_log_mean_exp(-nats.total)
    means = jax.tree.map(lambda a: jnp.mean(a, axis=1), nats)
    if num_importance > 1:
        means = means._replace(importance=total - means.total)

    statistics = jax.tree.map(mean_and_variance, means)
    return Estimate(
        terms=Terms(*(mean for mean, _ in statistics)),
        draw_variance=Terms(*(variance for _, variance in statistics)),
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
