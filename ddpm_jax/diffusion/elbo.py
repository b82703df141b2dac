"""The bound on the likelihood of a chain of T latents, in its three terms.

    prior              KL(q(z_1 | x) || N(0, I))
    diffusion          sum_{k=1}^{T-1} E KL(q(z_{k-1} | z_k, x) || p(z_{k-1} | z_k))
    reconstruction     E[-log p(x | z_0)]

Their sum is at least -log p(x). All are in nats an example. The prior has a closed
form; the other two are means over noise, estimated by `full` from every transition or
by `stratified` from a few of them.
"""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key

from ddpm_jax.diffusion import gaussian
from ddpm_jax.diffusion.gaussian import Images
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.pixels import Codec, Pixels
from ddpm_jax.diffusion.times import grid_time, uniform


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


def bits_per_dim(nats: Float[Array, "*shape"], num_dims: int) -> Float[Array, "*shape"]:
    """From nats an example of num_dims dimensions to bits a dimension."""
    return nats / (num_dims * math.log(2.0))


def prior(diffusion: Diffusion, x: Images) -> Float[Array, " batch"]:
    """KL(q(z_1|x) || N(0, I)), nats."""
    return gaussian.prior_kl(x, diffusion.log_snr(jnp.ones((), x.dtype)))


def transition(
    diffusion: Diffusion,
    x: Images,
    eps: Images,
    index: Int[Array, " batch"],
    num_steps: int,
) -> Float[Array, " batch"]:
    """KL of the transition from z_k to z_{k-1} at the one z_k that eps gives, nats.

    Args:
      diffusion: the model.
      x: data.
      eps: noise that leads from x to z_k, shaped like x.
      index: k of each example, 1..num_steps-1.
      num_steps: T, the number of latents.
    """
    log_snr_s = diffusion.log_snr(grid_time(index - 1, num_steps))
    t = grid_time(index, num_steps)
    log_snr_t = diffusion.log_snr(t)
    prediction = diffusion.denoise(gaussian.diffuse(x, eps, log_snr_t), t)
    return gaussian.transition_kl(x, eps, prediction, log_snr_s, log_snr_t)


def reconstruction(
    diffusion: Diffusion, codec: Codec, pixels: Pixels, eps: Images, num_steps: int
) -> Float[Array, " batch"]:
    """-log p(pixels | z_0) at the one z_0 that eps gives, nats.

    The decoder's mean is x_hat(z_0); its scale follows the reverse variance, as if the
    data were one latent further (Nichol & Dhariwal 2021, arXiv:2102.09672): sigma_0 for
    the forward variance; for the posterior's, which would be 0 there, that of the
    transition z_1 -> z_0; between the two in the logarithm when it is learned.
    """
    x = codec.encode(pixels, eps.dtype)
    t = jnp.zeros(x.shape[:1], x.dtype)
    z_0 = gaussian.diffuse(x, eps, diffusion.log_snr(t))
    prediction = diffusion.denoise(z_0, t)
    log_std = decoder_log_std(diffusion, prediction.variance_fraction, num_steps)
    return -codec.log_prob(pixels, prediction.x, log_std)


def decoder_log_std(
    diffusion: Diffusion, fraction: Float[Array, "*shape"], num_steps: int
) -> Float[Array, "*shape"]:
    """Log of the decoder's scale, from the prediction's variance_fraction at z_0."""
    l_0, l_1 = diffusion.log_snr(grid_time(jnp.arange(2), num_steps))
    log_c = jnp.log(gaussian.noise_removed(l_0, l_1))
    # The posterior's variance is sigma_0^2 c.
    return 0.5 * (jax.nn.log_sigmoid(-l_0) + (1.0 - fraction) * log_c)


def evaluated(
    diffusion: Diffusion, x: Images, t: Float[Array, " batch"], eps: Images
) -> Diffusion:
    """The model with its answer at the z_t that x and eps give, whatever it is asked.

    Several functions of the model at one z_t then share one evaluation of the network.
    """
    prediction = diffusion.denoise(gaussian.diffuse(x, eps, diffusion.log_snr(t)), t)
    return dataclasses.replace(diffusion, denoise=lambda z_t, t: prediction)


def term_at(
    diffusion: Diffusion,
    codec: Codec,
    pixels: Pixels,
    index: Int[Array, " batch"],
    eps: Images,
    num_steps: int,
) -> Float[Array, " batch"]:
    """`reconstruction` where index is 0 and `transition` elsewhere, nats.

    One evaluation of the network, whatever the indices. Its sum over 0..T-1 and `prior`
    make the bound.
    """
    x = codec.encode(pixels, eps.dtype)
    answer = evaluated(diffusion, x, grid_time(index, num_steps), eps)
    kl = transition(answer, x, eps, jnp.maximum(index, 1), num_steps)

    # The decoder is not made for x_hat(z_k), k > 0, which may be any number: its
    # derivative there could be NaN, and 0 * NaN would reach the gradient.
    def decodable(z_t: Array, t: Array) -> Prediction:
        prediction = answer.denoise(z_t, t)
        first = (index == 0)[:, None, None, None]
        return prediction._replace(x=jnp.where(first, prediction.x, x))

    decoder = dataclasses.replace(answer, denoise=decodable)
    log_loss = reconstruction(decoder, codec, pixels, eps, num_steps)
    return jnp.where(index == 0, log_loss, kl)


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
        raise ValueError(f"eval.num_draws = {num_draws}: write 1 or more.")
    shape = codec.encode(pixels).shape

    def at(k: Array) -> tuple[Array, Array]:
        index = jnp.full(shape[0], k)

        def one(draw: Array) -> Array:
            eps = _normal_like(_fold_in(_fold_in(keys, k), draw), codec.encode(pixels))
            return term_at(diffusion, codec, pixels, index, eps, num_steps)

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
    kl = prior(diffusion, codec.encode(pixels))
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
    """The bound from a few transitions an example, unbiased for `full`'s expectation.

    The T-1 transitions are cut into num_draws / 2 strata of equal measure, with borders
    that may fall inside a transition, and each stratum gets two independent draws of
    transition and noise: their difference tells the variance without bias. The decoder
    is one time; it gets a quarter as many draws, at least 2.

    Args:
      diffusion: the model.
      codec: what made x of pixels.
      pixels: integers, [batch, height, width, channels].
      keys: one an example; each draw folds in its number.
      num_steps: T, the number of latents.
      num_draws: of transitions, for each example.

    Raises:
      ValueError: num_draws is odd or below 2, or num_steps is below 2.
    """
    if num_draws < 2 or num_draws % 2:
        raise ValueError(
            f"eval.num_draws = {num_draws}: the stratified estimate draws in pairs, "
            f"write an even number from 2 on."
        )
    num_strata, num_transitions = num_draws // 2, num_steps - 1

    def one(number: Array) -> Array:
        x = codec.encode(pixels)
        key_time, key_eps = jnp.unstack(
            jax.vmap(jax.random.split)(_fold_in(keys, number)), axis=1
        )
        u = (number // 2 + uniform(key_time)) / num_strata
        # u * N is uniform over transitions whether or not a stratum's border cuts one.
        k = 1 + jnp.floor(u * num_transitions).astype(jnp.int32)
        index = jnp.where(number < num_draws, jnp.clip(k, 1, num_transitions), 0)
        eps = _normal_like(key_eps, x)
        return term_at(diffusion, codec, pixels, index, eps, num_steps)

    draws = lax.map(one, jnp.arange(stratified_evaluations(num_draws)))
    in_stratum = draws[:num_draws].reshape(num_strata, 2, -1)
    mean, variance = _mean_and_variance(jnp.swapaxes(in_stratum, 0, 1))
    decoder_mean, decoder_variance = _mean_and_variance(draws[num_draws:])
    kl = prior(diffusion, codec.encode(pixels))
    scale = num_transitions / num_strata
    return Estimate(
        Terms(kl, scale * jnp.sum(mean, axis=0), decoder_mean),
        Terms(
            jnp.zeros_like(kl), scale**2 * jnp.sum(variance, axis=0), decoder_variance
        ),
    )


def stratified_evaluations(num_draws: int) -> int:
    """Evaluations of the network an example that `stratified` takes, in all."""
    return num_draws + max(2, num_draws // 4)


def _fold_in(keys: Array, number: Array) -> Array:
    return jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, number)


def _normal_like(keys: Array, x: Array) -> Array:
    return jax.vmap(lambda key: jax.random.normal(key, x.shape[1:], x.dtype))(keys)


def _mean_and_variance(draws: Array) -> tuple[Array, Array]:
    """Mean over the first axis, and the unbiased estimate of that mean's variance."""
    mean = jnp.mean(draws, axis=0)
    if draws.shape[0] == 1:
        return mean, jnp.full_like(mean, jnp.nan)
    return mean, jnp.var(draws, axis=0, ddof=1) / draws.shape[0]
