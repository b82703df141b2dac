"""Guidance: a model extrapolated from another model's prediction through its own.

    guided = (1 - w) base + w target

of x_hat and of eps_hat alike, so that alpha x_hat + sigma eps_hat = z_t stays true; by
eps = -sigma score it is the same sum of scores. w = 0 is the base and w = 1 the target
model, both to the last bit; Ho & Salimans's w is one less than this one. Each function makes a
function from `Diffusion` to `Diffusion`, so it goes with every sampler and parameterisation.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.process import gaussian, predictions
from ddpm_jax.diffusion.process.gaussian import Images

Change = Callable[[Diffusion], Diffusion]
# The lowest and the highest log SNR at which guidance acts; None: everywhere.
Interval = tuple[float, float] | None
# z_t and t [batch] -> log p(y | z_t) for every class y, [batch, classes].
Classifier = Callable[[Array, Array], Array]
NO_CLASS = -1


def classifier_free(
    scale: float, interval: Interval = None, rescale: float = 0.0
) -> Change:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598).

    It applies to a model of pairs, bound to a batch twice as large: example 2i has the class of
    the guided model's example i, and 2i + 1 none. So the network is called once for both, and
    pairs, which lie side by side, stay on one device when the batch is split.

    Args:
      scale: w, 0 or more: 0 is the model without classes, 1 the one with them.
      interval: lowest and highest log SNR at which w is not 1 (Kynkaanniemi et al. 2024,
        arXiv:2404.07724).
      rescale: phi, from 0 to 1: how far x_hat is rescaled to the contrast of that of the
        model with classes.

    Raises:
      ValueError: an option is out of its range.
    """
    combined = _combination(scale, interval, rescale)

    def guide(pairs: Diffusion) -> Diffusion:
        def denoise(z_t: Array, t: Array) -> Prediction:
            both = pairs.denoise(jnp.repeat(z_t, 2, axis=0), jnp.repeat(t, 2))
            target, base = _every_second(both, 0), _every_second(both, 1)
            return combined(target, base, pairs.log_snr(t))

        def for_examples(numbers: Array) -> Diffusion:
            return guide(pairs.take(_pairs_of(numbers)))

        return Diffusion(
            pairs.log_snr, denoise, None if pairs.for_examples is None else for_examples
        )

    return guide


def autoguidance(
    weak: Diffusion, scale: float, interval: Interval = None, rescale: float = 0.0
) -> Change:
    """Guidance by a weaker version of the model (Karras et al. 2024, arXiv:2406.02507).

    Args:
      weak: the weak model, of the same schedule and batch as the guided one.
      scale: w, 0 or more: 0 is the weak model, 1 the good one.
      interval: as in `classifier_free`.
      rescale: as in `classifier_free`.

    Raises:
      ValueError: an option is out of its range.
    """
    combined = _combination(scale, interval, rescale)

    def pair(good: Diffusion, weak: Diffusion) -> Diffusion:
        def denoise(z_t: Array, t: Array) -> Prediction:
            target, base = good.denoise(z_t, t), weak.denoise(z_t, t)
            return combined(target, base, good.log_snr(t))

        def for_examples(numbers: Array) -> Diffusion:
            return pair(good.take(numbers), weak.take(numbers))

        same_for_all = good.for_examples is None and weak.for_examples is None
        return Diffusion(good.log_snr, denoise, None if same_for_all else for_examples)

    return lambda good: pair(good, weak)


def by_classifier(
    classifier: Classifier,
    labels: Int[Array, " batch"],
    scale: float,
    interval: Interval = None,
) -> Change:
    """Guidance by the gradient g of log p(y | z_t) in z_t.

        eps_hat - scale sigma g,        x_hat + scale sigma^2/alpha g

    (Dhariwal & Nichol 2021, arXiv:2105.05233, eq. 14). With the exact classifier, scale 1
    makes the model without classes the one of class y. The variance stays as it is.

    Args:
      classifier: a classifier of noisy images, which predicts each example by itself.
      labels: class y of each example; -1: no class, and no gradient.
      scale: 0 or more; 0 is the model itself.
      interval: lowest and highest log SNR at which the gradient acts.

    Raises:
      ValueError: an option is out of its range.
    """
    check(scale, interval)

    def guide(model: Diffusion, labels: Array) -> Diffusion:
        def denoise(z_t: Array, t: Array) -> Prediction:
            log_snr = model.log_snr(t)
            acts = _inside(log_snr, interval) & (labels != NO_CLASS)
            weight = jnp.where(acts, scale, 0.0).astype(z_t.dtype)
            weight = gaussian.per_example(weight)
            gradient = _gradient(classifier, labels, z_t, t)
            # Selected, not multiplied by 0: the gradient may be NaN where its weight is 0.
            step = jnp.where(weight > 0.0, weight * gradient, 0.0)
            prediction = model.denoise(z_t, t)
            alpha, sigma = gaussian.alpha_sigma(gaussian.per_example(log_snr))
            return prediction._replace(
                x=prediction.x + sigma * (sigma / alpha) * step,
                eps=prediction.eps - sigma * step,
            )

        def for_examples(numbers: Array) -> Diffusion:
            return guide(model.take(numbers), labels[numbers])

        return Diffusion(model.log_snr, denoise, for_examples)

    return lambda diffusion: guide(diffusion, labels)


def _gradient(classifier: Classifier, labels: Array, z_t: Images, t: Array) -> Images:
    """The gradient of each example's log p(y | z_t) in its z_t."""

    def total(z_t: Array) -> Array:
        log_probs = classifier(z_t, t)
        chosen = jnp.maximum(labels, 0)[:, None]
        return jnp.sum(jnp.take_along_axis(log_probs, chosen, axis=1))

    return jax.grad(total)(z_t)


def _combination(
    scale: float, interval: Interval, rescale: float
) -> Callable[[Prediction, Prediction, Array], Prediction]:
    """The function (target, base, log SNR [batch]) -> guided prediction."""
    _check_scale(scale)
    _check_interval(interval)
    if not 0.0 <= rescale <= 1.0:
        raise ValueError(f"rescale = {rescale}: write a number in [0, 1]; 0 is none.")

    def combined(target: Prediction, base: Prediction, log_snr: Array) -> Prediction:
        inside = _inside(log_snr, interval)
        weight = jnp.where(inside, scale, 1.0).astype(target.x.dtype)
        weight = gaussian.per_example(weight)
        guided = Prediction(
            x=_weighted(target.x, base.x, weight),
            eps=_weighted(target.eps, base.eps, weight),
            variance_fraction=_fraction(target, base, weight),
        )
        if rescale == 0.0:
            return guided
        x = _rescaled(guided.x, target.x, rescale)
        # Two deviations that are equal may be summed in different orders.
        return predictions.with_x(
            guided, jnp.where(weight == 1.0, guided.x, x), log_snr
        )

    return combined


def _weighted(target: Images, base: Images, weight: Array) -> Images:
    # As a sum, not base + w (target - base), which rounds at w = 1.
    return (1.0 - weight) * base + weight * target


def _fraction(target: Prediction, base: Prediction, weight: Array) -> Array:
    """The variance fraction: between the two models', or the fixed one that they share."""
    if target.variance_fraction.ndim == 0:
        return target.variance_fraction
    return _weighted(
        target.variance_fraction, base.variance_fraction, jnp.clip(weight, 0.0, 1.0)
    )


def _rescaled(x: Images, target: Images, rescale: float) -> Images:
    """x rescaled by 1 + phi (std(target)/std(x) - 1), with std over each image.

    (Lin et al. 2023, arXiv:2305.08891, eqs. 15 and 16.) They scale their
    network's prediction; x_hat carries the images' contrast, for every parameterisation.
    """
    std_x, std_target = (jnp.std(a, axis=(1, 2, 3), keepdims=True) for a in (x, target))
    # An image of one colour has no contrast to scale.
    ratio = jnp.where(std_x > 0.0, std_target / jnp.where(std_x > 0.0, std_x, 1.0), 1.0)
    return x * (1.0 + rescale * (ratio - 1.0))


def _every_second(pairs: Prediction, first: int) -> Prediction:
    return jax.tree.map(lambda a: a if a.ndim == 0 else a[first::2], pairs)


def _pairs_of(numbers: Int[Array, " some"]) -> Int[Array, " pairs"]:
    """The indices 2n and 2n + 1 of the pairs n."""
    return jnp.stack([2 * numbers, 2 * numbers + 1], axis=1).ravel()


def _inside(
    log_snr: Float[Array, " batch"], interval: Interval
) -> Bool[Array, " batch"]:
    if interval is None:
        return jnp.ones(log_snr.shape, bool)
    lowest, highest = interval
    return (lowest <= log_snr) & (log_snr <= highest)


def check(scale: float, interval: Interval) -> None:
    """Raises ValueError if an option of guidance is out of its range."""
    _check_scale(scale)
    _check_interval(interval)


def _check_scale(scale: float) -> None:
    if not 0.0 <= scale < math.inf:
        raise ValueError(f"scale = {scale}: write a finite number, 0 or more.")


def _check_interval(interval: Interval) -> None:
    if interval is not None and not interval[0] < interval[1]:
        raise ValueError(
            f"interval = {interval}: write (lowest, highest) log SNR, such as (-2.0, 3.0)."
        )
