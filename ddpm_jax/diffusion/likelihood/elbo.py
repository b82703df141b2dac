"""Estimates of the bound on the likelihood of each example, in its three terms.

    prior              KL(q(z_1 | x) || N(0, I))
    diffusion          sum_{k=1}^{T-1} E KL(q(z_{k-1} | z_k, x) || p(z_{k-1} | z_k)), or at
                       T = infinity E_t[-1/2 dl/dt |eps - eps_hat|^2]
    reconstruction     E[-log p(x | z_0)]

Their sum is at least -log p(x). All are in nats. The prior has a closed
form; the other two are means over noise, estimated by `full` from every transition or
by `stratified` from a few times.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key

from ddpm_jax.diffusion.likelihood import terms
from ddpm_jax.diffusion.likelihood.estimate import (
    Estimate,
    Profile,
    halves_of,
    mean_and_variance,
)
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process.gaussian import Images, fold_in, normal
from ddpm_jax.diffusion.process.pixel_decoder import PixelDecoder, Pixels, needs_network
from ddpm_jax.diffusion.process.times import (
    CONTINUOUS,
    grid_time,
    low_discrepancy,
    uniform,
)


class Terms(NamedTuple):
    """The terms of the bound, one number for each example."""

    prior: Float[Array, " batch"]
    diffusion: Float[Array, " batch"]
    reconstruction: Float[Array, " batch"]

    @property
    def total(self) -> Float[Array, " batch"]:
        return self.prior + self.diffusion + self.reconstruction


class Spread(NamedTuple):
    """The inputs that spread times evenly over all examples of a data set together.

    Attributes:
      number: number of each example in the data set.
      key: one key for all examples.
    """

    number: Int[Array, " batch"]
    key: Key[Array, ""]


def curve(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    keys: Key[Array, " batch"],
    num_steps: int,
    num_draws: int = 1,
) -> tuple[Float[Array, "num_steps batch"], Float[Array, "num_steps batch"]]:
    """All terms of the bound but the prior, in nats: row 0 the decoder, row k KL number k.

    It takes T num_draws evaluations of the network for each example, one after the other with
    the memory of one batch.

    Args:
      diffusion: the model.
      pixel_decoder: the model's pixel decoder.
      pixels: pixel values, [batch, height, width, channels].
      keys: one for each example; draw j of time k folds in k, then j.
      num_steps: number T of latents.
      num_draws: draws of noise for each example and time.

    Returns:
      Mean over draws, and the variance over draws of that mean: nan for one draw.

    Raises:
      ValueError: num_draws is below 1, or num_steps below 2.
    """
    x = pixel_decoder.encode(pixels)
    draws = _draws_by_latent(
        diffusion, pixel_decoder, pixels, x, keys, num_steps, num_draws
    )
    return lax.map(lambda k: mean_and_variance(draws(k)), jnp.arange(num_steps))


def full(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    keys: Key[Array, " batch"],
    num_steps: int,
    num_draws: int = 1,
) -> Estimate:
    """Estimates the bound from every transition, the sum of `curve`, with its arguments.

    With one draw the draw variance is nan: write 2 to know it.
    """
    x = pixel_decoder.encode(pixels)
    draws = _draws_by_latent(
        diffusion, pixel_decoder, pixels, x, keys, num_steps, num_draws
    )

    def statistics(k: Array) -> tuple[Array, Array, Array]:
        latent_draws = draws(k)
        return (*mean_and_variance(latent_draws), halves_of(latent_draws))

    mean, variance, halves = lax.map(statistics, jnp.arange(num_steps))
    kl = terms.prior(diffusion.log_snr, x)
    term_variances = Terms(
        jnp.zeros_like(kl), jnp.sum(variance[1:], axis=0), variance[0]
    )
    k = jnp.arange(1, num_steps)
    log_snr, width = terms.span(diffusion.log_snr, k, num_steps)
    shape = (num_steps - 1, kl.size)
    return Estimate(
        terms=Terms(kl, jnp.sum(mean[1:], axis=0), mean[0]),
        draw_variance=term_variances,
        total_variance=term_variances.total,
        halves=jnp.sum(halves, axis=0) + kl[None],
        num_evaluations=jnp.full(kl.shape, float(num_steps * num_draws)),
        converged=jnp.ones(kl.shape, bool),
        profile=Profile(
            t=jnp.broadcast_to(grid_time(k, num_steps)[:, None], shape),
            log_snr=jnp.broadcast_to(log_snr[:, None], shape),
            per_log_snr=mean[1:] / width[:, None],
            per_time=mean[1:] * (num_steps - 1),
        ),
    )


def _draws_by_latent(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    x: Images,
    keys: Key[Array, " batch"],
    num_steps: int,
    num_draws: int,
) -> Callable[[Array], Array]:
    """The function k -> num_draws draws of the term of latent k, [num_draws, batch]."""
    if num_draws < 1:
        raise ValueError(f"num_draws = {num_draws}: write 1 or more.")
    if num_steps == CONTINUOUS:
        raise ValueError(
            f"num_steps = {num_steps}: this sums over the transitions of a chain, and in"
            " continuous time there are none; take `stratified`."
        )

    def draws_at(k: Array) -> Array:
        index = jnp.full(x.shape[0], k)
        t = grid_time(index, num_steps)
        at = terms.coordinates(diffusion.log_snr, t)

        def one(draw: Array) -> Array:
            eps = normal(fold_in(fold_in(keys, k), draw), x.shape[1:], x.dtype)
            denoised = terms.denoise(diffusion, x, eps, at, t)
            return terms.latent_term(
                diffusion.log_snr, pixel_decoder, pixels, denoised, index, num_steps
            )

        return lax.map(one, jnp.arange(num_draws))

    return draws_at


def stratified(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    keys: Key[Array, " batch"],
    num_steps: int,
    num_draws: int = 16,
    spread: Spread | None = None,
    edges: Float[Array, " strata_and_one"] | None = None,
) -> Estimate:
    """Estimates the bound without bias from a few times for each example.

    Time is cut into num_draws / 4 strata, with borders that may fall inside a transition. A
    stratum gets two independent pairs of times, each with noise of its own, and the times of
    a pair mirror each other in the stratum: a pair integrates a straight line exactly. The
    difference of two pairs estimates the variance without bias. The decoder is one time; it
    gets a quarter as many draws, at least 2.

    With `spread`, the position of a pair in its stratum is the example's point of a
    low-discrepancy sequence, shifted by one random number for all. Each example's times are as
    random as before, and what examples have in common is integrated over all of their times
    together. The draw variance does not include that gain.

    Args:
      diffusion: the model.
      pixel_decoder: the model's pixel decoder.
      pixels: pixel values, [batch, height, width, channels].
      keys: one for each example; each draw folds in its number.
      num_steps: number T of latents, or `times.CONTINUOUS`.
      num_draws: draws of times for each example. 2 are two independent times.
      spread: inputs to spread times over all examples; None: each draws its own.
      edges: edges of the strata, increasing from 0 to 1 (`strata.edges`); None: even.

    Raises:
      ValueError: num_draws is neither 2 nor a multiple of 4, or num_steps is 1.
    """
    num_mirrored, num_strata = _layout(num_draws)
    num_transitions = num_steps - 1
    x, log_snr = pixel_decoder.encode(pixels), diffusion.log_snr
    if edges is None:
        edges = jnp.linspace(0.0, 1.0, num_strata + 1)

    def time_and_noise(number: Array) -> tuple[Array, Array, Array]:
        is_mirror = number % num_mirrored
        key_time, _ = _split(fold_in(keys, number - is_mirror))
        _, key_eps = _split(fold_in(keys, number))
        pair = number // num_mirrored
        if spread is None:
            v = uniform(key_time)
        else:
            shift = jax.random.uniform(jax.random.fold_in(spread.key, pair))
            v = (low_discrepancy(spread.number)[pair % 2] + shift) % 1.0
        v = jnp.where(is_mirror, 1.0 - v, v)
        stratum = jnp.minimum(pair // 2, num_strata - 1)
        width = edges[stratum + 1] - edges[stratum]
        u = jnp.clip(edges[stratum] + v * width, 0.0, 1.0)
        return u, width, normal(key_eps, x.shape[1:], x.dtype)

    def latent(u: Array) -> Array:
        # u * N is uniform over transitions whether or not a stratum's border cuts one.
        k = 1 + jnp.floor(u * num_transitions).astype(jnp.int32)
        return jnp.clip(k, 1, num_transitions)

    def timed_or_decoded(number: Array) -> tuple[Array, Array, Array]:
        u, width, eps = time_and_noise(number)
        index = jnp.where(number < num_draws, latent(u), 0)
        t = grid_time(index, num_steps)
        at = terms.coordinates(log_snr, t)
        denoised = terms.denoise(diffusion, x, eps, at, t)
        nats = terms.latent_term(
            log_snr, pixel_decoder, pixels, denoised, index, num_steps
        )
        return u, width, jnp.where(number < num_draws, num_transitions * nats, nats)

    def timed_draw(number: Array) -> tuple[Array, Array, Array]:
        u, width, eps = time_and_noise(number)
        index = latent(u)
        t = u if num_steps == CONTINUOUS else grid_time(index, num_steps)
        at = terms.coordinates(log_snr, t)
        denoised = terms.denoise(diffusion, x, eps, at, t)
        return u, width, terms.timed(log_snr, denoised, index, num_steps)

    def decoder_draw(number: Array) -> Array:
        _, _, eps = time_and_noise(number)
        z_0 = terms.first_latent(log_snr, x, eps)
        return terms.reconstruction(
            log_snr, pixel_decoder, pixels, z_0, None, num_steps
        )

    numbers = jnp.arange(num_draws + _decoder_draws(num_draws))
    if needs_network(pixel_decoder):
        u, width, draws = lax.map(timed_or_decoded, numbers)
        u, width = u[:num_draws], width[:num_draws]
        in_time, decoded = draws[:num_draws], draws[num_draws:]
    else:
        u, width, in_time = lax.map(timed_draw, numbers[:num_draws])
        decoded = lax.map(decoder_draw, numbers[num_draws:])

    # A draw has the weight of its stratum's width.
    shares = (in_time * width[:, None]).reshape(num_strata, 2, num_mirrored, -1)
    pairs = jnp.mean(shares, axis=2)
    mean, variance = mean_and_variance(jnp.swapaxes(pairs, 0, 1))
    decoder_mean, decoder_variance = mean_and_variance(decoded)
    kl = terms.prior(log_snr, x)
    term_variances = Terms(
        jnp.zeros_like(kl), jnp.sum(variance, axis=0), decoder_variance
    )
    return Estimate(
        terms=Terms(kl, jnp.sum(mean, axis=0), decoder_mean),
        draw_variance=term_variances,
        total_variance=term_variances.total,
        halves=jnp.sum(pairs, axis=0) + halves_of(decoded) + kl[None],
        num_evaluations=jnp.full(
            kl.shape, float(num_evaluations(num_draws, pixel_decoder))
        ),
        converged=jnp.ones(kl.shape, bool),
        profile=_profile(diffusion, u, in_time, num_steps, latent),
    )


def _layout(num_draws: int) -> tuple[int, int]:
    """The number of times of a pair, and the number of strata."""
    if num_draws < 2 or (num_draws % 4 and num_draws != 2):
        raise ValueError(
            f"num_draws = {num_draws}: the stratified estimate draws in pairs of pairs,"
            " write 2 or a multiple of 4."
        )
    num_mirrored = 1 if num_draws == 2 else 2
    return num_mirrored, num_draws // (2 * num_mirrored)


def num_strata(num_draws: int) -> int:
    """The number of strata of `stratified` with so many draws."""
    return _layout(num_draws)[1]


def _profile(
    diffusion: Diffusion,
    u: Float[Array, "draws batch"],
    nats: Float[Array, "draws batch"],
    num_steps: int,
    latent: Callable[[Array], Array],
) -> Profile:
    if num_steps == CONTINUOUS:
        # A learned schedule has a network of its own: one draw at a time.
        log_snr, slope = lax.map(lambda t: terms.coordinates(diffusion.log_snr, t), u)
        return Profile(u, log_snr, nats / -slope, nats)
    log_snr, width = terms.span(diffusion.log_snr, latent(u), num_steps)
    return Profile(u, log_snr, nats / ((num_steps - 1) * width), nats)


def num_evaluations(num_draws: int, pixel_decoder: PixelDecoder) -> int:
    """The number of evaluations of the network that `stratified` takes for each example."""
    if needs_network(pixel_decoder):
        return num_draws + _decoder_draws(num_draws)
    return num_draws


def _decoder_draws(num_draws: int) -> int:
    """The number of the decoder's draws: a quarter, and even, for two halves."""
    return 2 * -(-num_draws // 8)


def _split(keys: Array) -> tuple[Array, Array]:
    first, second = jnp.unstack(jax.vmap(jax.random.split)(keys), axis=1)
    return first, second
