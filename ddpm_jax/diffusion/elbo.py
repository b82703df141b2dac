"""The bound on the likelihood, in its three terms, estimated for each example.

    prior              KL(q(z_1 | x) || N(0, I))
    diffusion          sum_{k=1}^{T-1} E KL(q(z_{k-1} | z_k, x) || p(z_{k-1} | z_k)), or at
                       T = infinity E_t[-1/2 dl/dt |eps - eps_hat|^2]
    reconstruction     E[-log p(x | z_0)]

Their sum is at least -log p(x). All are in nats an example. The prior has a closed
form; the other two are means over noise, estimated by `full` from every transition or
by `stratified` from a few times.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from ddpm_jax.diffusion import terms
from ddpm_jax.diffusion.gaussian import fold_in, normal
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.pixels import Codec, Pixels
from ddpm_jax.diffusion.times import CONTINUOUS, uniform


class Terms(NamedTuple):
    """One number an example for each term of the bound."""

    prior: Float[Array, " batch"]
    diffusion: Float[Array, " batch"]
    reconstruction: Float[Array, " batch"]

    @property
    def total(self) -> Float[Array, " batch"]:
        return self.prior + self.diffusion + self.reconstruction


class Estimate(NamedTuple):
    """The bound of each example, and how far chance in the noise may have moved it.

    The standard error of a mean over n examples is sqrt(sum(draw_variance.total)) / n
    over draws, and std(terms.total) / sqrt(n) over draws and examples together.

    Attributes:
      terms: mean over draws, in nats.
      draw_variance: unbiased estimate of the variance of each of `terms` over draws, in
        nats squared. Terms are drawn independently, so that theirs add up.
    """

    terms: Terms
    draw_variance: Terms


def curve(
    diffusion: Diffusion,
    codec: Codec,
    pixels: Pixels,
    keys: Key[Array, " batch"],
    num_steps: int,
    num_draws: int = 1,
) -> tuple[Float[Array, "num_steps batch"], Float[Array, "num_steps batch"]]:
    """Every term of the bound but the prior, nats: row 0 the decoder, row k KL k.

    Takes T num_draws evaluations of the network an example, one after the other: memory
    is that of one batch.

    Args:
      diffusion: the model.
      codec: what made x of pixels.
      pixels: integers, [batch, height, width, channels].
      keys: one an example; draw j of time k folds in k, then j.
      num_steps: T, the number of latents.
      num_draws: of noise, for each example and time.

    Returns:
      Mean over draws, and the variance over draws of that mean: nan for one draw.

    Raises:
      ValueError: num_draws is below 1, or num_steps below 2.
    """
    if num_draws < 1:
        raise ValueError(f"config.eval.num_draws = {num_draws}: write 1 or more.")
    if num_steps == CONTINUOUS:
        raise ValueError(
            "config.eval.estimator = 'full' sums over the T transitions of a chain, and in"
            " continuous time there are none: write 'stratified'."
        )
    x = codec.encode(pixels)

    def at(k: Array) -> tuple[Array, Array]:
        index = jnp.full(x.shape[0], k)

        def one(draw: Array) -> Array:
            eps = normal(fold_in(fold_in(keys, k), draw), x.shape[1:], x.dtype)
            return terms.term_at(diffusion, codec, pixels, index, eps, num_steps)

        return _mean_and_variance(lax.map(one, jnp.arange(num_draws)))

    return lax.map(at, jnp.arange(num_steps))


def full(
    diffusion: Diffusion,
    codec: Codec,
    pixels: Pixels,
    keys: Key[Array, " batch"],
    num_steps: int,
    num_draws: int = 1,
) -> Estimate:
    """The bound from every transition: `curve`, summed. Same arguments and errors.

    With one draw the draw variance is nan: write 2 to know it.
    """
    mean, variance = curve(diffusion, codec, pixels, keys, num_steps, num_draws)
    kl = terms.prior(diffusion, codec.encode(pixels))
    return Estimate(
        Terms(kl, jnp.sum(mean[1:], axis=0), mean[0]),
        Terms(jnp.zeros_like(kl), jnp.sum(variance[1:], axis=0), variance[0]),
    )


def full_evaluations(num_steps: int, num_draws: int) -> int:
    """Evaluations of the network an example that `full` and `curve` take."""
    return num_steps * num_draws


def stratified(
    diffusion: Diffusion,
    codec: Codec,
    pixels: Pixels,
    keys: Key[Array, " batch"],
    num_steps: int,
    num_draws: int = 16,
) -> Estimate:
    """The bound from a few times an example, unbiased for its expectation.

    Time is cut into num_draws / 4 strata of equal measure, with borders that may fall
    inside a transition. A stratum gets two independent pairs of times, each with noise of
    its own, and the times of a pair mirror each other in the stratum: what a straight line
    through it would miss, a pair does not. The difference of two pairs tells the variance
    without bias. The decoder is one time; it gets a quarter as many draws, at least 2.

    Args:
      diffusion: the model.
      codec: what made x of pixels.
      pixels: integers, [batch, height, width, channels].
      keys: one an example; each draw folds in its number.
      num_steps: T, the number of latents, or `times.CONTINUOUS`.
      num_draws: of times, for each example. 2 are two independent times.

    Raises:
      ValueError: num_draws is neither 2 nor a multiple of 4, or num_steps is 1.
    """
    if num_draws < 2 or (num_draws % 4 and num_draws != 2):
        raise ValueError(
            f"config.eval.num_draws = {num_draws}: the stratified estimate draws in pairs"
            " of pairs, write 2 or a multiple of 4."
        )
    num_mirrored = 1 if num_draws == 2 else 2
    num_strata, num_transitions = num_draws // (2 * num_mirrored), num_steps - 1
    x = codec.encode(pixels)

    def time_and_noise(number: Array) -> tuple[Array, Array]:
        is_mirror = number % num_mirrored
        key_time, _ = _split(fold_in(keys, number - is_mirror))
        _, key_eps = _split(fold_in(keys, number))
        v = uniform(key_time)
        v = jnp.where(is_mirror, 1.0 - v, v)
        u = (number // (2 * num_mirrored) + v) / num_strata
        return u, normal(key_eps, x.shape[1:], x.dtype)

    def latent(u: Array) -> Array:
        # u * N is uniform over transitions whether or not a stratum's border cuts one.
        k = 1 + jnp.floor(u * num_transitions).astype(jnp.int32)
        return jnp.clip(k, 1, num_transitions)

    def by_the_network(number: Array) -> Array:
        u, eps = time_and_noise(number)
        index = jnp.where(number < num_draws, latent(u), 0)
        nats = terms.term_at(diffusion, codec, pixels, index, eps, num_steps)
        return jnp.where(number < num_draws, num_transitions * nats, nats)

    def of_times(number: Array) -> Array:
        u, eps = time_and_noise(number)
        return terms.timed(diffusion, x, eps, latent(u), u, num_steps)

    def of_decoder(number: Array) -> Array:
        _, eps = time_and_noise(number)
        return terms.reconstruction(diffusion, codec, pixels, eps, num_steps)

    numbers = jnp.arange(num_draws + _decoder_draws(num_draws))
    if codec.mean_from == "x_hat":
        draws = lax.map(by_the_network, numbers)
        in_time, decoded = draws[:num_draws], draws[num_draws:]
    else:
        in_time = lax.map(of_times, numbers[:num_draws])
        decoded = lax.map(of_decoder, numbers[num_draws:])

    pairs = jnp.mean(in_time.reshape(num_strata, 2, num_mirrored, -1), axis=2)
    mean, variance = _mean_and_variance(jnp.swapaxes(pairs / num_strata, 0, 1))
    decoder_mean, decoder_variance = _mean_and_variance(decoded)
    kl = terms.prior(diffusion, x)
    return Estimate(
        Terms(kl, jnp.sum(mean, axis=0), decoder_mean),
        Terms(jnp.zeros_like(kl), jnp.sum(variance, axis=0), decoder_variance),
    )


def stratified_evaluations(num_draws: int, codec: Codec) -> int:
    """Evaluations of the network an example that `stratified` takes, in all."""
    if codec.mean_from == "x_hat":
        return num_draws + _decoder_draws(num_draws)
    return num_draws


def _decoder_draws(num_draws: int) -> int:
    return max(2, num_draws // 4)


def _split(keys: Array) -> tuple[Array, Array]:
    first, second = jnp.unstack(jax.vmap(jax.random.split)(keys), axis=1)
    return first, second


def _mean_and_variance(draws: Array) -> tuple[Array, Array]:
    """Mean over the first axis, and the unbiased estimate of that mean's variance."""
    mean = jnp.mean(draws, axis=0)
    if draws.shape[0] == 1:
        return mean, jnp.full_like(mean, jnp.nan)
    return mean, jnp.var(draws, axis=0, ddof=1) / draws.shape[0]
