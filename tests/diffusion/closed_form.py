"""Models whose answers are known, and the textbook's formulas for them in numpy.

Pixels are independent. Either each is N(m, s^2), so that all latents are Gaussian and
the best denoiser is linear, or each takes one of V values with known probabilities, and
the best denoiser is the posterior mean over them.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
import scipy.stats

from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.process.discretized_gaussian import DiscretizedGaussian
from ddpm_jax.diffusion.process.pixel_decoder import PixelDecoder
from ddpm_jax.diffusion.process.predictions import PREDICTIONS

SHAPE = (2, 2, 1)
MEAN = np.array([0.3, -0.2, 0.0, 0.7]).reshape(SHAPE)
STD = np.array([0.5, 0.1, 1.0, 0.02]).reshape(SHAPE)
DEVIATES = np.sqrt(3.0) * np.array([-1.0, 0.0, 1.0])
DEVIATE_WEIGHTS = np.array([1.0, 4.0, 1.0]) / 6.0  # Exact for polynomials to degree 5.

FRACTIONS = {
    "posterior": np.zeros(()),
    "forward": np.ones(()),
    "learned": np.array([0.1, 0.9, 0.5, -0.2]).reshape(SHAPE),
}


def betas(num_steps: int) -> np.ndarray:
    """A schedule of any length that ends near pure noise."""
    if num_steps == 2:
        return np.array([0.05, 0.9])
    first, last = {10: (0.01, 0.6), 1000: (1e-4, 0.02)}.get(num_steps, (1e-3, 0.3))
    return np.linspace(first, last, num_steps)


@dataclasses.dataclass(frozen=True)
class Chain:
    """The textbook's chain: alpha_bar of each latent, float64."""

    alpha_bar: np.ndarray

    @classmethod
    def of(cls, num_steps: int) -> "Chain":
        return cls(np.cumprod(1.0 - betas(num_steps)))

    @property
    def num_steps(self) -> int:
        return self.alpha_bar.size

    def visiting(self, grid: np.ndarray) -> "Chain":
        return Chain(self.alpha_bar[grid])

    def log_snr(self, t: jax.Array) -> jax.Array:
        table = np.log(self.alpha_bar) - np.log1p(-self.alpha_bar)
        return jnp.interp(t, np.linspace(0.0, 1.0, self.num_steps), table)

    def beta(self, k: int) -> float:
        return 1.0 - self.alpha_bar[k] / (self.alpha_bar[k - 1] if k else 1.0)

    def posterior_variance(self, k: int) -> float:
        """Of q(z_{k-1} | z_k, x)."""
        a = self.alpha_bar
        return (1.0 - a[k - 1]) / (1.0 - a[k]) * self.beta(k)

    def reverse_variance(self, k: int, fraction: np.ndarray) -> np.ndarray:
        """Of p(z_{k-1} | z_k); for k = 0 of the decoder."""
        posterior = np.log(self.posterior_variance(max(k, 1)))
        return np.exp((1.0 - fraction) * posterior + fraction * np.log(self.beta(k)))

    def posterior_coefficients(self, k: int) -> tuple[float, float]:
        """Of x and z_k in the mean of q(z_{k-1} | z_k, x)."""
        a, beta = self.alpha_bar, self.beta(k)
        of_x = np.sqrt(a[k - 1]) * beta / (1.0 - a[k])
        return of_x, np.sqrt(1.0 - beta) * (1.0 - a[k - 1]) / (1.0 - a[k])


def noise(keys: jax.Array, number: int, shape: tuple, dtype) -> jax.Array:
    """Draw `number` of each key, as `chain.sample` states it."""

    def draw(key):
        return jax.random.normal(jax.random.fold_in(key, number), shape, dtype)

    return jax.vmap(draw)(keys)


def visited(spacing: Callable, num_steps: int, num_visited: int) -> np.ndarray:
    """The latents, increasing, that a grid of `TIME_GRIDS` visits of a whole chain."""
    t = np.asarray(spacing(lambda t: 9.0 - 18.0 * t, num_steps, num_visited))
    return np.rint(t * (num_steps - 1)).astype(int)[::-1]


def times_of(grid: np.ndarray, num_steps: int) -> jax.Array:
    """Latents as times, from 1 down: what a sampler takes."""
    return jnp.asarray(grid[::-1] / (num_steps - 1))


def variance_of_latent(alpha_bar: float) -> np.ndarray:
    return alpha_bar * STD**2 + (1.0 - alpha_bar)


def variance_of_x(alpha_bar: float) -> np.ndarray:
    """Var(x | z), whatever z is."""
    return STD**2 * (1.0 - alpha_bar) / variance_of_latent(alpha_bar)


def best_x(z: np.ndarray, alpha_bar: float) -> np.ndarray:
    """E[x | z]."""
    gain = np.sqrt(alpha_bar) * STD**2 / variance_of_latent(alpha_bar)
    return MEAN + gain * (z - np.sqrt(alpha_bar) * MEAN)


def transition_kl(
    chain: Chain, k: int, x: np.ndarray, eps: np.ndarray, fraction: np.ndarray
) -> np.ndarray:
    """KL of two Gaussians by their means and variances, a pixel."""
    a = chain.alpha_bar[k]
    z = np.sqrt(a) * x + np.sqrt(1.0 - a) * eps
    of_x, _ = chain.posterior_coefficients(k)
    difference = of_x * (x - best_x(z, a))
    return gaussian_kl(difference**2, chain, k, fraction)


def mean_transition_kl(chain: Chain, k: int, fraction: np.ndarray) -> np.ndarray:
    """The same, averaged over data and noise."""
    of_x, _ = chain.posterior_coefficients(k)
    return gaussian_kl(of_x**2 * variance_of_x(chain.alpha_bar[k]), chain, k, fraction)


def gaussian_kl(
    squared_difference: np.ndarray, chain: Chain, k: int, fraction: np.ndarray
) -> np.ndarray:
    q, p = chain.posterior_variance(k), chain.reverse_variance(k, fraction)
    return 0.5 * (np.log(p / q) + (q + squared_difference) / p - 1.0)


def reconstruction(
    chain: Chain, squared_error: np.ndarray, fraction: np.ndarray
) -> np.ndarray:
    """-log density of the decoder, a pixel."""
    variance = chain.reverse_variance(0, fraction)
    return 0.5 * (np.log(2.0 * np.pi * variance) + squared_error / variance)


def mean_prior_kl(chain: Chain) -> np.ndarray:
    a = chain.alpha_bar[-1]
    return 0.5 * (a * (MEAN**2 + STD**2) + (1.0 - a) - 1.0 - np.log(1.0 - a))


def entropy() -> float:
    """Of N(m, s^2), all pixels, nats."""
    return float(np.sum(0.5 * np.log(2.0 * np.pi * np.e * STD**2)))


class OneWayCodec(PixelDecoder):
    """A pixel_decoder for tests, which never decode."""

    num_values = 3
    bin_width = 1.0
    mean_from = "x_hat"
    description = "one way"

    def decode(self, x):
        raise NotImplementedError


class DensityCodec(OneWayCodec):
    """N(m, s^2) data at the points that `DEVIATES` give, with a Gaussian density."""

    def encode(self, pixels, dtype=None):
        dtype = jnp.result_type(float) if dtype is None else dtype
        x = MEAN[None] + STD[None] * jnp.asarray(DEVIATES)[pixels]
        return x.astype(dtype)

    def log_prob(self, pixels, mean, log_std):
        deviate = (self.encode(pixels, mean.dtype) - mean) * jnp.exp(-log_std)
        nats = -0.5 * (jnp.square(deviate) + np.log(2.0 * np.pi)) - log_std
        return jnp.sum(nats, axis=(1, 2, 3))


@dataclasses.dataclass(frozen=True)
class CountingCodec(DiscretizedGaussian):
    """DDPM's pixels, which say how often they were encoded."""

    calls: list = dataclasses.field(default_factory=list, hash=False)

    def encode(self, pixels, dtype=jnp.float32):
        self.calls.append(1)
        return super().encode(pixels, dtype)


def _gaussian_values() -> dict[str, Callable]:
    """What a network of each kind must output; l_s, l_t are shaped like images."""

    def moments(log_snr):
        a = jax.nn.sigmoid(log_snr)
        return jnp.sqrt(a), jnp.sqrt(1.0 - a), a * STD[None] ** 2 + 1.0 - a

    def eps(z, l_s, l_t):
        alpha, sigma, variance = moments(l_t)
        return sigma * (z - alpha * MEAN[None]) / variance

    def x(z, l_s, l_t):
        alpha, _, variance = moments(l_t)
        return MEAN[None] + alpha * STD[None] ** 2 / variance * (z - alpha * MEAN[None])

    def v(z, l_s, l_t):
        alpha, sigma, variance = moments(l_t)
        gain = alpha * sigma * (1.0 - STD[None] ** 2) / variance
        return gain * (z - alpha * MEAN[None]) - sigma * MEAN[None]

    def score(z, l_s, l_t):
        alpha, _, variance = moments(l_t)
        return -(z - alpha * MEAN[None]) / variance

    def mean(z, l_s, l_t):
        alpha_s, _, variance_s = moments(l_s)
        alpha, _, variance = moments(l_t)
        gain = alpha / alpha_s * variance_s / variance
        return alpha_s * MEAN[None] + gain * (z - alpha * MEAN[None])

    return {"eps": eps, "x": x, "v": v, "score": score, "mean": mean}


GAUSSIAN_VALUES = _gaussian_values()


def images(values: jax.Array) -> jax.Array:
    return values[:, None, None, None]


def gaussian_data(chain: Chain, kind: str = "x", variance: str = "posterior"):
    """The best model of N(m, s^2) data, whose network predicts `kind`."""

    def denoise(z_t: jax.Array, t: jax.Array) -> Prediction:
        before = t - 1.0 / (chain.num_steps - 1)
        l_s = jnp.where(before > -1e-6, chain.log_snr(before), jnp.inf)
        l_t = chain.log_snr(t)
        value = GAUSSIAN_VALUES[kind](z_t, images(l_s), images(l_t))
        fraction = jnp.asarray(FRACTIONS[variance], z_t.dtype)
        if fraction.ndim:
            fraction = jnp.broadcast_to(fraction, z_t.shape)
        return Prediction(
            *PREDICTIONS[kind].default().estimates(value, z_t, l_s, l_t), fraction
        )

    return Diffusion(chain.log_snr, denoise)


def discrete_data(
    log_snr: Callable[[jax.Array], jax.Array],
    probabilities: np.ndarray,
    fraction: float = 0.0,
    values: np.ndarray | None = None,
) -> Diffusion:
    """The best model of pixels that take V values, evenly spaced over [-1, 1] if not given."""
    if values is None:
        values = np.linspace(-1.0, 1.0, probabilities.size)
    values = values[None, None, None, None]
    log_p = np.log(probabilities)[None, None, None, None]

    def denoise(z_t: jax.Array, t: jax.Array) -> Prediction:
        l_t = images(log_snr(t))
        alpha, sigma = jnp.sqrt(jax.nn.sigmoid(l_t)), jnp.sqrt(jax.nn.sigmoid(-l_t))
        deviate = (z_t[..., None] - alpha[..., None] * values) / sigma[..., None]
        posterior = jax.nn.softmax(log_p - 0.5 * deviate**2, axis=-1)
        x = jnp.sum(posterior * values, axis=-1)
        return Prediction(x, (z_t - alpha * x) / sigma, jnp.asarray(fraction, x.dtype))

    return Diffusion(log_snr, denoise)


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Data in the plane, images of 1x2 pixels: J round Gaussians of different sizes."""

    means: np.ndarray  # [J, 2]
    stds: np.ndarray  # [J]
    weights: np.ndarray  # [J]
    shape = (1, 2, 1)

    def sample(self, rng: np.random.Generator, num: int) -> np.ndarray:
        which = rng.choice(self.weights.size, num, p=self.weights)
        noise = rng.standard_normal((num, 2))
        flat = self.means[which] + self.stds[which, None] * noise
        return flat.reshape(num, *self.shape)

    def log_density(self, z: np.ndarray, log_snr: float) -> np.ndarray:
        """Of the latent at this log SNR, by scipy."""
        alpha_sq = scipy.special.expit(log_snr)
        logs = [
            np.log(w)
            + scipy.stats.multivariate_normal.logpdf(
                z.reshape(-1, 2),
                np.sqrt(alpha_sq) * m,
                (alpha_sq * s**2 + 1.0 - alpha_sq) * np.eye(2),
            )
            for m, s, w in zip(self.means, self.stds, self.weights, strict=True)
        ]
        return scipy.special.logsumexp(logs, axis=0)

    def diffusion(self, log_snr: Callable) -> Diffusion:
        """The best model: E[x | z] is a mean over the Gaussians that z may come from."""

        def denoise(z_t: jax.Array, t: jax.Array) -> Prediction:
            l_t = log_snr(t)[:, None]
            alpha, sigma = (
                jnp.sqrt(jax.nn.sigmoid(l_t)),
                jnp.sqrt(jax.nn.sigmoid(-l_t)),
            )
            variance = alpha**2 * self.stds[None] ** 2 + sigma**2
            z = z_t.reshape(-1, 1, 2)
            away = z - alpha[..., None] * self.means[None]
            logits = np.log(self.weights)[None] - jnp.log(variance)
            logits -= 0.5 * jnp.sum(away**2, axis=-1) / variance
            share = jax.nn.softmax(logits, axis=-1)
            gain = (alpha * self.stds[None] ** 2 / variance)[..., None]
            x = jnp.sum(share[..., None] * (self.means[None] + gain * away), axis=1)
            x = x.reshape(z_t.shape)
            eps = (z_t - images(alpha[:, 0]) * x) / images(sigma[:, 0])
            return Prediction(x, eps, jnp.zeros((), z_t.dtype))

        return Diffusion(log_snr, denoise)


MIXTURE = Mixture(
    means=np.array([[-0.6, 0.3], [0.5, 0.5], [0.1, -0.7]]),
    stds=np.array([0.1, 0.2, 0.05]),
    weights=np.array([0.5, 0.3, 0.2]),
)


@dataclasses.dataclass(frozen=True)
class LabelledMixture:
    """A mixture of which each Gaussian belongs to a class, 0, 1, ..."""

    mixture: Mixture
    classes: np.ndarray  # [J], the class of each Gaussian.

    def of_class(self, label: int) -> Mixture:
        """The data of one class; of -1 all of them."""
        own = (self.classes == label) | (label == -1)
        m = self.mixture
        return Mixture(m.means[own], m.stds[own], m.weights[own] / m.weights[own].sum())

    def score(self, z: np.ndarray, log_snr: float, label: int) -> np.ndarray:
        """grad log p(z | label) of latents [num, 2], by numpy."""
        m = self.of_class(label)
        alpha_sq = 1.0 / (1.0 + np.exp(-log_snr))
        variance = alpha_sq * m.stds**2 + 1.0 / (1.0 + np.exp(log_snr))
        away = z[:, None] - np.sqrt(alpha_sq) * m.means
        logs = np.log(m.weights / variance) - 0.5 * np.sum(away**2, -1) / variance
        share = np.exp(logs - scipy.special.logsumexp(logs, axis=1, keepdims=True))
        return -np.sum((share / variance)[..., None] * away, axis=1)

    def _logits(self, z_t: jax.Array, log_snr: jax.Array) -> jax.Array:
        """log p(Gaussian, z_t) up to what is common to all, [batch, J]."""
        l_t = log_snr[:, None]
        alpha = jnp.sqrt(jax.nn.sigmoid(l_t))
        variance = alpha**2 * self.mixture.stds[None] ** 2 + jax.nn.sigmoid(-l_t)
        away = z_t.reshape(-1, 1, 2) - alpha[..., None] * self.mixture.means[None]
        logits = np.log(self.mixture.weights)[None] - jnp.log(variance)
        return logits - 0.5 * jnp.sum(away**2, axis=-1) / variance

    def classifier(self, log_snr: Callable) -> Callable:
        """The exact one: log p(class | z_t) of every class, [batch, classes]."""

        def log_probabilities(z_t: jax.Array, t: jax.Array) -> jax.Array:
            logits = self._logits(z_t, log_snr(t))
            of_each = [
                jax.nn.logsumexp(logits[:, self.classes == label], axis=1)
                for label in range(self.classes.max() + 1)
            ]
            return jax.nn.log_softmax(jnp.stack(of_each, axis=1), axis=1)

        return log_probabilities

    def diffusion(self, log_snr: Callable, labels: jax.Array) -> Diffusion:
        """The best model of a batch with these labels, -1 for none."""

        def denoise(z_t: jax.Array, t: jax.Array) -> Prediction:
            l_t = images(log_snr(t))
            alpha, sigma = jnp.sqrt(jax.nn.sigmoid(l_t)), jnp.sqrt(jax.nn.sigmoid(-l_t))
            own = (labels[:, None] == -1) | (labels[:, None] == self.classes[None])
            logits = jnp.where(own, self._logits(z_t, log_snr(t)), -jnp.inf)
            share = jax.nn.softmax(logits, axis=-1)[:, None, :, None]
            squares = self.mixture.stds[None, None, :, None] ** 2
            means = self.mixture.means.T[None, :, :, None]
            away = z_t.reshape(-1, 2, 1, 1) - alpha * means
            gain = alpha * squares / (alpha**2 * squares + sigma**2)
            x = jnp.sum(share * (means + gain * away), axis=2).reshape(z_t.shape)
            return Prediction(x, (z_t - alpha * x) / sigma, jnp.zeros((), z_t.dtype))

        return Diffusion(
            log_snr, denoise, lambda numbers: self.diffusion(log_snr, labels[numbers])
        )


LABELLED = LabelledMixture(
    Mixture(
        means=np.array([[-0.6, 0.3], [0.5, 0.5], [0.1, -0.7], [0.8, -0.4]]),
        stds=np.array([0.1, 0.2, 0.05, 0.3]),
        weights=np.array([0.4, 0.3, 0.1, 0.2]),
    ),
    classes=np.array([0, 1, 0, 2]),
)


def correlated_data(
    log_snr: Callable, mean: np.ndarray, covariance: np.ndarray
) -> Diffusion:
    """The best model of N(mean, covariance) images; `mean` has their shape."""
    values, vectors = np.linalg.eigh(covariance)

    def denoise(z_t: jax.Array, t: jax.Array) -> Prediction:
        l_t = log_snr(t)[:, None]
        alpha, sigma = jnp.sqrt(jax.nn.sigmoid(l_t)), jnp.sqrt(jax.nn.sigmoid(-l_t))
        away = z_t.reshape(z_t.shape[0], -1) - alpha * mean.reshape(1, -1)
        gain = alpha * values[None] / (alpha**2 * values[None] + sigma**2)
        with jax.default_matmul_precision("highest"):
            x = (mean.reshape(1, -1) + (gain * (away @ vectors)) @ vectors.T).reshape(
                z_t.shape
            )
        eps = (z_t - images(alpha[:, 0]) * x) / images(sigma[:, 0])
        return Prediction(x, eps, jnp.zeros((), z_t.dtype))

    return Diffusion(log_snr, denoise)


def answering(log_snr: Callable, **known) -> Diffusion:
    """A model that answers with the given arrays, whatever it is asked."""
    known = {"variance_fraction": jnp.zeros(())} | known
    return Diffusion(log_snr, lambda z_t, t: Prediction(**known))
