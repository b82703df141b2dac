"""Guidance of a mixture whose classes are known, so that each score is a formula."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from ddpm_jax.diffusion.conditioning import guidance
from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.process import schedules
from tests.diffusion import closed_form

DATA = closed_form.LABELLED
LINE = schedules.linear_log_snr(-15.0, 12.0).log_snr
LABELS = np.array([0, 1, 2, 1, 0])
LEVELS = (-15.0, -3.0, 0.0, 3.0, 12.0)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def time_of(log_snr):
    """t of LINE."""
    return (12.0 - np.asarray(log_snr)) / 27.0


def paired(labels) -> jax.Array:
    """Each label, then none."""
    return jnp.asarray(np.stack([labels, np.full_like(labels, -1)], axis=1).ravel())


def model(labels, log_snr=LINE) -> Diffusion:
    return DATA.diffusion(log_snr, jnp.asarray(labels))


def without_classes(num=LABELS.size) -> Diffusion:
    return model(np.full(num, -1))


def exact_classifier(labels, scale, **options):
    return guidance.by_classifier(
        DATA.classifier(LINE), jnp.asarray(labels), scale, **options
    )


def guided(way: str, scale: float, labels=LABELS) -> Diffusion:
    if way == "classifier_free":
        return guidance.classifier_free(scale)(model(paired(labels)))
    if way == "autoguidance":
        return guidance.autoguidance(model(labels), scale)(model(np.roll(labels, 1)))
    return exact_classifier(labels, scale)(without_classes(len(labels)))


def latents(log_snr: float, num: int = LABELS.size) -> np.ndarray:
    """Of the mixture, [num, 2]."""
    rng = np.random.default_rng(7)
    alpha_sq = 1.0 / (1.0 + np.exp(-log_snr))
    x = DATA.mixture.sample(rng, num).reshape(num, 2)
    return np.sqrt(alpha_sq) * x + np.sqrt(1 - alpha_sq) * rng.standard_normal(x.shape)


def ask(diffusion, z, log_snr) -> Prediction:
    t = jnp.broadcast_to(time_of(log_snr), z.shape[:1])
    z_t = jnp.asarray(z).reshape(-1, *DATA.mixture.shape)
    return jax.jit(diffusion.denoise)(z_t, t)


@functools.cache
def answers(way: str, scale: float) -> list[Prediction]:
    """At each of LEVELS, from one program."""
    diffusion = guided(way, scale)
    return [ask(diffusion, latents(level), level) for level in LEVELS]


def scores(z, log_snr, labels) -> np.ndarray:
    pairs = zip(z, labels, strict=True)
    return np.concatenate([DATA.score(one[None], log_snr, y) for one, y in pairs])


def wanted_score(way: str, scale: float, z: np.ndarray, log_snr: float) -> np.ndarray:
    of_class = scores(z, log_snr, LABELS)
    if way == "autoguidance":
        return (1 - scale) * of_class + scale * scores(z, log_snr, np.roll(LABELS, 1))
    return (1 - scale) * DATA.score(z, log_snr, -1) + scale * of_class


def test_the_mixtures_scores_are_slopes_of_its_density():
    """Of the yardstick itself: finite differences of scipy's density."""
    z, step = latents(0.5), 1e-5
    for label in (-1, 0, 2):
        own = DATA.of_class(label)
        slopes = [
            (own.log_density(z + d, 0.5) - own.log_density(z - d, 0.5)) / (2 * step)
            for d in step * np.eye(2)
        ]
        want = np.stack(slopes, axis=1)
        np.testing.assert_allclose(DATA.score(z, 0.5, label), want, atol=1e-7)


@pytest.mark.parametrize("scale", [0.5, 4.0])
@pytest.mark.parametrize("way", ["classifier_free", "autoguidance", "by_classifier"])
def test_guided_scores_are_the_weighted_ones(way, scale):
    for level, got in zip(LEVELS, answers(way, scale), strict=True):
        z = latents(level)
        score = wanted_score(way, scale, z, level)
        alpha_sq = 1.0 / (1.0 + np.exp(-level))
        eps = -np.sqrt(1.0 - alpha_sq) * score
        x = (z + (1.0 - alpha_sq) * score) / np.sqrt(alpha_sq)
        close = dict(rtol=1e-7, atol=1e-8 * (1.0 + scale))
        np.testing.assert_allclose(got.eps.reshape(z.shape), eps, **close)
        np.testing.assert_allclose(got.x.reshape(z.shape), x, **close)


def test_the_exact_classifier_at_scale_1_makes_the_model_of_the_class():
    for level, got in zip(LEVELS, answers("by_classifier", 1.0), strict=True):
        want = ask(model(LABELS), latents(level), level)
        np.testing.assert_allclose(got.x, want.x, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(got.eps, want.eps, rtol=1e-8, atol=1e-8)


def random_images(number: int, batch: int) -> jax.Array:
    key = jax.random.fold_in(jax.random.key(5), number)
    return jax.random.normal(key, (batch, 3, 2, 2), jnp.float32)


def known(batch: int, number: int = 0, fraction=None) -> tuple[Prediction, Diffusion]:
    """A float32 model that answers with these, whatever it is asked."""
    fraction = jnp.zeros((), jnp.float32) if fraction is None else fraction
    x, eps = random_images(number, batch), random_images(number + 1, batch)
    prediction = Prediction(x, eps, fraction)
    return prediction, Diffusion(LINE, lambda z_t, t: prediction)


def answer(diffusion: Diffusion, t) -> Prediction:
    t = jnp.asarray(t, jnp.float32)
    return jax.jit(diffusion.denoise)(jnp.zeros((t.size, 3, 2, 2), jnp.float32), t)


def assert_same(got: Prediction, want: Prediction) -> None:
    jax.tree.map(np.testing.assert_array_equal, got, want)


def every_second(prediction: Prediction, first: int) -> Prediction:
    return jax.tree.map(lambda a: a[first::2], prediction)


@pytest.mark.parametrize("rescale", [0.0, 0.7])
def test_scale_1_is_one_model_and_scale_0_the_other_to_the_last_bit(rescale):
    pairs, diffusion = known(8, fraction=random_images(2, 8))
    t = [0.0, 0.3, 0.8, 1.0]
    found = answer(guidance.classifier_free(1.0, rescale=rescale)(diffusion), t)
    assert_same(found, every_second(pairs, 0))
    found = answer(guidance.classifier_free(0.0)(diffusion), t)
    assert_same(found, every_second(pairs, 1))

    (good, strong), (bad, weak) = known(4), known(4, 10)
    assert_same(
        answer(guidance.autoguidance(weak, 1.0, None, rescale)(strong), t), good
    )
    assert_same(answer(guidance.autoguidance(weak, 0.0)(strong), t), bad)


def test_no_scale_and_no_class_leave_the_model_without_classifier():
    want, diffusion = known(4)

    def classifier(z_t, t):
        # Of a class that cannot be, the slope is not a number.
        return jnp.sqrt(jnp.sum(z_t, axis=(2, 3)))

    def found(labels, scale):
        change = guidance.by_classifier(classifier, jnp.asarray(labels), scale)
        return answer(change(diffusion), np.linspace(0.0, 1.0, 4))

    assert_same(found([-1, -1, -1, -1], 2.0), want)
    mixed = found([-1, 2, -1, 0], 2.0)
    changed = np.any(mixed.eps != want.eps, axis=(1, 2, 3))
    assert changed.tolist() == [False, True, False, True]
    finite = exact_classifier(LABELS, 0.0)(without_classes())
    plain = ask(without_classes(), latents(0.0), 0.0)
    assert_same(ask(finite, latents(0.0), 0.0), plain)


def test_the_variances_weights_stay_within_0_and_1():
    fraction = random_images(2, 4)
    _, diffusion = known(4, fraction=fraction)
    for scale, weight in ((0.25, 0.25), (3.0, 1.0)):
        got = answer(guidance.classifier_free(scale)(diffusion), [0.2, 0.9])
        want = weight * fraction[::2] + (1.0 - weight) * fraction[1::2]
        np.testing.assert_allclose(got.variance_fraction, want, rtol=1e-6, atol=1e-7)
    fixed = jnp.asarray(0.3, jnp.float32)
    got = answer(guidance.classifier_free(3.0)(known(4, 0, fixed)[1]), [0.2, 0.9])
    np.testing.assert_array_equal(got.variance_fraction, fixed)


INTERVAL = (-3.5, 3.5)


@pytest.mark.parametrize("way", ["classifier_free", "by_classifier"])
def test_outside_its_interval_guidance_does_nothing(way):
    levels, z = np.array(LEVELS), latents(0.0)
    if way == "classifier_free":
        limited = guidance.classifier_free(4.0, INTERVAL)(model(paired(LABELS)))
        plain = model(LABELS)
    else:
        limited = exact_classifier(LABELS, 4.0, interval=INTERVAL)(without_classes())
        plain = without_classes()
    got, none = ask(limited, z, levels), ask(plain, z, levels)
    everywhere = ask(guided(way, 4.0), z, levels)
    inside = np.array([False, True, True, True, False])
    np.testing.assert_allclose(got.x[inside], everywhere.x[inside], rtol=1e-12)
    np.testing.assert_allclose(got.eps[~inside], none.eps[~inside], rtol=1e-12)
    moved = np.any(got.x != none.x, axis=(1, 2, 3))
    assert moved.tolist() == inside.tolist()


@pytest.mark.parametrize("rescale", [0.3, 1.0])
def test_rescaling_brings_back_each_images_contrast(rescale):
    level, scale = 2.0, 3.0
    alpha, sigma = np.sqrt(1 / (1 + np.exp(-level))), np.sqrt(1 / (1 + np.exp(level)))
    wanted, diffusion = known(3)
    other, weak = known(3, 10)
    change = guidance.autoguidance(weak, scale, None, rescale)
    got = answer(change(diffusion), np.full(3, time_of(level)))
    for i in range(3):
        x = scale * np.float64(wanted.x[i]) + (1 - scale) * np.float64(other.x[i])
        eps = scale * np.float64(wanted.eps[i]) + (1 - scale) * np.float64(other.eps[i])
        right = np.std(np.float64(wanted.x[i])) / np.std(x) * x
        want = rescale * right + (1 - rescale) * x
        np.testing.assert_allclose(got.x[i], want, rtol=1e-5, atol=1e-6)
        z = alpha * x + sigma * eps
        again = alpha * np.float64(got.x[i]) + sigma * np.float64(got.eps[i])
        np.testing.assert_allclose(again, z, rtol=1e-5, atol=1e-5)


def test_an_image_of_one_colour_has_no_contrast_to_bring_back():
    flat = Prediction(*[jnp.ones((1, 3, 2, 2), jnp.float32)] * 2, jnp.zeros(()))
    same = Diffusion(LINE, lambda z_t, t: flat)
    got = answer(guidance.autoguidance(same, 3.0, rescale=1.0)(same), [0.5])
    assert_same(got, flat)


SHORT = schedules.linear_log_snr(-12.0, 5.0).log_snr


def end_points(way: str, scale: float, labels, z_1: np.ndarray) -> np.ndarray:
    """Where scipy's solver takes the guided field, each example alone."""

    def field(t, z, label):
        log_snr = 5.0 - 17.0 * t
        z = z[None]
        none, own = DATA.score(z, log_snr, -1), DATA.score(z, log_snr, label)
        score = (1 - scale) * none + scale * own
        return 0.5 * -17.0 / (1.0 + np.exp(log_snr)) * (z + score)[0]

    return np.stack(
        [
            scipy.integrate.solve_ivp(
                field, (1.0, 0.0), z, "DOP853", args=(y,), rtol=1e-9, atol=1e-9
            ).y[:, -1]
            for z, y in zip(z_1.reshape(-1, 2), labels, strict=True)
        ]
    )


@pytest.mark.parametrize("way", ["classifier_free", "by_classifier"])
def test_guided_flow_ends_where_scipys_does(way):
    """Each example goes alone, through `take`, with the label that is its own."""
    scale, labels = 2.5, np.array([2, 0, -1, 1])
    z_1 = np.random.default_rng(3).standard_normal((4, *DATA.mixture.shape))
    if way == "classifier_free":
        steered = guidance.classifier_free(scale)(model(paired(labels), SHORT))
    else:
        change = guidance.by_classifier(
            DATA.classifier(SHORT), jnp.asarray(labels), scale
        )
        steered = change(model(np.full(4, -1), SHORT))
    solve = probability_flow.Solve("dopri8", rtol=1e-8, atol=1e-8)
    found = jax.jit(probability_flow.backward, static_argnums=(0, 2))(
        steered, z_1, solve
    )
    assert np.all(found.converged)
    want = end_points(way, scale, labels, z_1)
    np.testing.assert_allclose(found.z_0.reshape(4, 2), want, atol=1e-6)


@pytest.mark.parametrize("way", ["classifier_free", "autoguidance", "by_classifier"])
def test_a_part_of_a_batch_takes_its_own_classes_along(way):
    level = LEVELS[2]
    part = guided(way, 4.0).take(jnp.array([3, 0]))
    got = ask(part, latents(level)[[3, 0]], level)
    np.testing.assert_allclose(
        got.x, answers(way, 4.0)[2].x[np.array([3, 0])], rtol=1e-9
    )


def test_models_that_tell_no_examples_apart_give_such_a_model():
    _, diffusion = known(4)
    assert guidance.classifier_free(2.0)(diffusion).for_examples is None
    assert guidance.autoguidance(diffusion, 2.0)(diffusion).for_examples is None
    assert guidance.autoguidance(model(LABELS), 2.0)(diffusion).for_examples is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": -1.0}, r"^scale = -1\.0: write a finite number, 0 or more"),
        ({"scale": float("inf")}, "^scale = inf: write"),
        ({"scale": float("nan")}, "^scale = nan: write"),
        ({"interval": (2.0, -2.0)}, r"^interval = \(2\.0, -2\.0\): write \(lowest"),
        ({"interval": (0.0, float("nan"))}, r"^interval = \(0\.0, nan\)"),
        ({"rescale": 1.5}, r"^rescale = 1\.5: write a number in \[0, 1\]"),
        ({"rescale": float("nan")}, "^rescale = nan"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        guidance.classifier_free(**{"scale": 1.0, **options})
    with pytest.raises(ValueError, match=message):
        guidance.autoguidance(without_classes(), **{"scale": 1.0, **options})
    if "rescale" not in options:
        with pytest.raises(ValueError, match=message):
            exact_classifier(LABELS, **{"scale": 1.0, **options})
