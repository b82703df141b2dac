"""The Gaussian processes: forward process q, its posterior, and the reverse process p.

    q(z_t | x)       = N(alpha_t x, sigma_t^2)
    q(z_t | z_s)     = N(alpha_{t|s} z_s, sigma_{t|s}^2)                    s < t
    q(z_s | z_t, x)  = N(alpha_s/alpha_t (z_t - sigma_t c eps), sigma_s^2 c)
    p(z_s | z_t)     = the same mean with eps_hat, any variance between
                       sigma_s^2 c (posterior) and sigma_{t|s}^2 (forward)

with c = 1 - SNR(t)/SNR(s) (Kingma et al. 2021, arXiv:2107.00630, appendix A). Every
function takes log SNR, so that none of these is computed as a difference of near-equals.
"""

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

from ddpm_jax.diffusion.model import Prediction

Images = Float[Array, "batch height width channels"]
# One log SNR for all images, or one for each.
LogSnrs = Float[Array, ""] | Float[Array, "batch 1 1 1"]


def per_example(values: Float[Array, " batch"]) -> Float[Array, "batch 1 1 1"]:
    """One number for each example, shaped to broadcast against images."""
    return values[:, None, None, None]


def sum_dims(values: Images) -> Float[Array, " batch"]:
    """The sum over all axes but the batch's: from nats of pixels to nats of examples."""
    return jnp.sum(values, axis=(1, 2, 3))


def fold_in(keys: Key[Array, " batch"], number: int | Array) -> Key[Array, " batch"]:
    """The keys with a number folded into each."""
    return jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, number)


def normal(
    keys: Key[Array, " batch"], shape: tuple[int, ...], dtype: DTypeLike = jnp.float32
) -> Float[Array, "batch ..."]:
    """Standard normal noise, one array of this shape from each key."""
    return jax.vmap(lambda key: jax.random.normal(key, shape, dtype))(keys)


def alpha_sigma(
    log_snr: Float[Array, "*shape"],
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Signal and noise scales (alpha, sigma) of the variance-preserving process."""
    # sigmoid(-x), not 1 - sigmoid(x): that is 0 in float32 at x = 17.
    return jnp.sqrt(jax.nn.sigmoid(log_snr)), jnp.sqrt(jax.nn.sigmoid(-log_snr))


def diffuse(x: Images, eps: Images, log_snr: Float[Array, " batch"]) -> Images:
    """z_t = alpha_t x + sigma_t eps: a draw of q(z_t | x) if eps is one of N(0, I)."""
    alpha, sigma = alpha_sigma(per_example(log_snr))
    return alpha * x + sigma * eps


def noise_removed(
    log_snr_s: Float[Array, "*shape"], log_snr_t: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """c = 1 - SNR(t)/SNR(s) in (0, 1]: the share of z_t's noise that is removed by s."""
    return -jnp.expm1(log_snr_t - log_snr_s)


def posterior_mean(
    x: Images,
    eps: Images,
    log_snr_s: LogSnrs,
    log_snr_t: LogSnrs,
    eta: float = 1.0,
) -> Images:
    """alpha_s x + sigma_s sqrt(1 - eta^2 c) eps: the mean of q(z_s | z_t, x) at eta = 1.

    It equals alpha_s/alpha_t (z_t - sigma_t c eps), whose first factor may be 1e4 on a long
    step to the end of a cosine schedule; here none is above 1. Other eta are DDIM's, whose
    variance is eta^2 times the posterior's (Song et al. 2021, arXiv:2010.02502, eq. 12).
    """
    alpha_s, sigma_s = alpha_sigma(log_snr_s)
    # 1 - eta^2 c, from 1 - c = SNR(t)/SNR(s).
    kept = (1.0 - eta**2) + eta**2 * jnp.exp(log_snr_t - log_snr_s)
    return alpha_s * x + sigma_s * jnp.sqrt(kept) * eps


def log_variance(
    fraction: Float[Array, "*#shape"],
    log_snr_s: Float[Array, "*#shape"],
    log_snr_t: Float[Array, "*#shape"],
) -> Float[Array, "*#shape"]:
    """Log variance of p(z_s | z_t), at `fraction` between posterior (0) and forward (1).

    The posterior's is sigma_s^2 c ("fixed small"), the forward's sigma_{t|s}^2 ("fixed
    large"); their ratio is sigma_s^2 / sigma_t^2.
    """
    log_c = jnp.log(noise_removed(log_snr_s, log_snr_t))
    posterior = jax.nn.log_sigmoid(-log_snr_s) + log_c
    return posterior + fraction * log_variance_range(log_snr_s, log_snr_t)


def log_variance_range(
    log_snr_s: Float[Array, "*shape"], log_snr_t: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """log(forward variance / posterior variance) = log(sigma_t^2 / sigma_s^2) >= 0."""
    return jax.nn.log_sigmoid(-log_snr_t) - jax.nn.log_sigmoid(-log_snr_s)


def transition_kl(
    x: Images,
    eps: Images,
    prediction: Prediction,
    log_snr_s: Float[Array, " batch"],
    log_snr_t: Float[Array, " batch"],
) -> Float[Array, " batch"]:
    """KL(q(z_s | z_t, x) || p(z_s | z_t)) of each example, in nats.

    With the posterior's variance this is 1/2 expm1(l_s - l_t) |eps - eps_hat|^2 (Kingma
    et al. 2021, eq. 14). A variance exp(r) times as large divides it by exp(r) and adds
    (r + expm1(-r)) / 2 a dimension: the full Gaussian KL.
    """
    l_s, l_t = per_example(log_snr_s), per_example(log_snr_t)
    r = prediction.variance_fraction * log_variance_range(l_s, l_t)
    # |eps - eps_hat|^2 = alpha_t^2 |v - v_hat|^2.
    weight = 0.5 * jnp.expm1(l_s - l_t) * jax.nn.sigmoid(l_t)
    mean_term = weight * jnp.exp(-r) * velocity_error(x, eps, prediction, log_snr_t)
    return sum_dims(mean_term + 0.5 * _variance_excess(r))


def _variance_excess(r: Array) -> Array:
    """r + expm1(-r) = r^2/2 - r^3/6 + ..., which float32's sum loses below r = 1e-4."""
    series = r**2 * (1 / 2 - r * (1 / 6 - r * (1 / 24 - r * (1 / 120 - r / 720))))
    return jnp.where(jnp.abs(r) < 0.1, series, r + jnp.expm1(-r))


def velocity_error(
    x: Images, eps: Images, prediction: Prediction, log_snr: Float[Array, " batch"]
) -> Images:
    """Squared error (v - v_hat)^2 of each dimension, with v = alpha eps - sigma x.

    It equals |eps - eps_hat|^2 / alpha^2 and |x - x_hat|^2 / sigma^2, and keeps its
    digits where one of those two is a difference of near-equals, so that all losses
    start here.
    """
    alpha, sigma = alpha_sigma(per_example(log_snr))
    error = alpha * (eps - prediction.eps) - sigma * (x - prediction.x)
    return jnp.square(error)


def prior_kl(x: Images, log_snr_1: Float[Array, ""]) -> Float[Array, " batch"]:
    """KL(q(z_1 | x) || N(0, I)) of each example, in nats."""
    alpha_sq = jax.nn.sigmoid(log_snr_1)
    # -log sigma^2 = softplus(log_snr), and sigma^2 - 1 = -alpha^2.
    return sum_dims(
        0.5 * (alpha_sq * (jnp.square(x) - 1.0) + jax.nn.softplus(log_snr_1))
    )
