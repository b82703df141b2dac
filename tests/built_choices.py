"""What each table's comment says of what its choices make, as checks of the thing."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from ddpm_jax.data.source import pixel_dtype
from ddpm_jax.data.table import Reading
from ddpm_jax.diffusion.likelihood.probability_flow import Solve
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.objectives.weightings import Weighting
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.pixel_decoder import PixelDecoder
from ddpm_jax.diffusion.samplers import loop, repaint
from ddpm_jax.diffusion.samplers.setting import Setting
from ddpm_jax.evaluation.extractors.extractor import ExtractorFiles
from ddpm_jax.evaluation.likelihoods import estimator as likelihoods
from ddpm_jax.models import build
from ddpm_jax.nets.classifier import ClassifierOutput
from ddpm_jax.nets.interface import Interface
from ddpm_jax.training import parallel
from ddpm_jax.training.optimizer import Moments
from tests import tiny
from tests.training import toy

SHAPE = (2, 8, 8, 1)
T = jnp.linspace(0.0, 1.0, 11)


def schedule(c, choice, options):
    """t -> log SNR, which falls, and its inverse; or the module that learns it."""
    made = choice.make(options, c.schedule.num_steps)
    assert choice.has("learned") == isinstance(made, nn.Module)
    if choice.has("learned"):
        shapes = jax.eval_shape(made.init, jax.random.key(0), T)
        assert jax.tree.leaves(shapes) or not options.interior_learns
        return
    log_snr = made.log_snr(T)
    assert np.all(np.diff(log_snr) < 0.0) and np.all(np.isfinite(log_snr))
    np.testing.assert_allclose(made.inverse(log_snr), T, atol=1e-3)


def prediction(c, choice, options):
    """A value and the estimates of it, which bring x and eps back."""
    made = choice.make(options)
    x, eps = (jax.random.normal(jax.random.key(i), SHAPE) for i in (0, 1))
    at = jnp.full(2, 1.5), jnp.full(2, 0.5)
    alpha, sigma = jax.nn.sigmoid(0.5) ** 0.5, jax.nn.sigmoid(-0.5) ** 0.5
    found = made.estimates(made.value(x, eps, *at), alpha * x + sigma * eps, *at)
    np.testing.assert_allclose(found[0], x, atol=1e-4)
    np.testing.assert_allclose(found[1], eps, atol=1e-4)
    earlier = made.value(x, eps, at[0] + 1.0, at[1])
    same = np.array_equal(earlier, made.value(x, eps, *at))
    assert same != choice.has("needs_previous_latent")


def reverse_variance(c, choice, options):
    """A fraction; None where it is learned."""
    made = choice.make(options)
    assert choice.has("learned") == (made is None)
    assert made is None or 0.0 <= made <= 1.0


def source(c, choice, options):
    """A `Source`, where no file is needed: random access to images."""
    if choice.has("named") or choice.has("at_path"):
        return
    what = "moons" if choice.has("named_or_at_path") else ""
    if what and options != choice.options():
        return  # Whether they are of a distribution is known with its name.
    for split in ("train", "test"):
        made = choice.make(options, what, split, Reading())
        image = made[len(made) - 1]["image"]
        assert image.shape == made.shape and image.dtype == pixel_dtype(made.num_values)
        assert made.num_values == 0 or image.max() < made.num_values
        assert made.identity["split"] == split


def pixel_decoder(c, choice, options):
    """Pixel values there and back."""
    made = choice.make(options, 17, "x_hat")
    assert isinstance(made, PixelDecoder)
    assert (made.num_values == 0) == choice.has("continuous")
    pixels = jnp.arange(16, dtype=jnp.uint8).reshape(1, 4, 4, 1)
    back = made.decode(made.encode(pixels))
    error = 1e-5 if choice.has("continuous") else 0.0
    np.testing.assert_allclose(back, pixels, rtol=0.0, atol=error)


def decoder_mean(c, choice, options):
    """Of a `PixelDecoder`, what its mean is."""
    pixel_decoder(c, choice, options) if callable(choice.make(options)) else None


def network(c, choice, options):
    """Images and times to images, or to what tells classes apart; it fits the data's."""
    if options != choice.options():
        build.backbone(c, build.source(c, "train"))
        return
    made = choice.make(options, Interface(3))
    images, times = jnp.zeros((2, 8, 8, 1)), jnp.zeros(2)
    init = functools.partial(made.init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), images, times)
    apply = functools.partial(made.apply, train=False)
    out = jax.eval_shape(apply, variables, images, times)
    assert isinstance(out, ClassifierOutput) == choice.has("classifier")
    if choice.has("classifier"):
        assert out.logits.shape == (2, 3)
    else:
        assert out.shape == (2, 8, 8, 3) and out.dtype == jnp.float32


def time_input(c, choice, options):
    """From 0 at t = 0 to 1 at t = 1."""
    told = choice.make(options)
    least, most = jnp.float32(-5.0), jnp.float32(5.0)
    log_snr = most + T**2 * (least - most)
    way = told(T, log_snr, least, most)
    assert way[0] == 0.0 and way[-1] == 1.0 and np.all(np.diff(way) > 0.0)
    other = told(T[::-1], log_snr, least, most)
    assert np.array_equal(way, other) == choice.has("follows_log_snr")


def weighting(c, choice, options):
    """A `Weighting`, which is no less than 0; None for the bound."""
    made = choice.make(options)
    assert isinstance(made, Weighting) != choice.has("is_the_bound")
    if made is not None:
        weight = made.weight(jnp.linspace(-20.0, 20.0, 9))
        assert np.all(weight >= 0.0) and np.all(np.isfinite(weight))


def only_made(c, choice, options):
    """Whatever it is."""
    choice.make(options)


def optimizer(c, choice, options):
    """An optimiser: the first step goes down."""
    made = choice.make(
        options, optax.constant_schedule(0.1), Moments(0.9, 0.99, 1e-8, 0.0)
    )
    params = {"kernel": jnp.ones(3)}
    updates, _ = made.update(params, made.init(params), params)
    assert np.all(updates["kernel"] < 0.0)


def decay(c, choice, options):
    """A rate that begins at its peak and does not rise."""
    rate = choice.make(options, 0.5, 10, 0.1)
    rates = np.array([rate(step) for step in range(0, 20, 4)])
    assert rates[0] == 0.5 and np.all(np.diff(rates) <= 0.0) and rates[-1] > 0.0


def start(c, choice, options):
    """A state, of all arrays of another or of its network alone."""
    ours, theirs = toy.init(), toy.init()
    theirs = dataclasses.replace(theirs, step=theirs.step + 3)
    made = choice.make(options, ours, theirs, theirs.params)
    assert int(made.step) == (3 if choice.has("goes_on") else 0)
    assert jax.tree.structure(made) == jax.tree.structure(ours)


def mode(c, choice, options):
    """A `Training` of a state and a step."""
    axis = parallel.PMAP_AXIS if choice.has("named_axis") else None
    step = toy.make_step(axis)
    made = choice.make(options, tiny.one_device(), toy.init, step, False)
    assert isinstance(made, parallel.Training)
    shapes = jax.eval_shape(toy.init)
    assert jax.tree.map(jnp.shape, made.abstract) == jax.tree.map(jnp.shape, shapes)


def diffusion():
    """A model that says 3 of every pixel."""

    def denoise(z_t, t):
        x = jnp.full_like(z_t, 3.0)
        return Prediction(x=x, eps=z_t - x, variance_fraction=jnp.zeros(()))

    return Diffusion(schedules.linear_log_snr(-5.0, 5.0).log_snr, denoise)


def sampler(c, choice, options):
    """A plan of four times and its steps, or a `Solve`."""
    made = choice.make(options, Setting(c.schedule.num_steps))
    assert isinstance(made, Solve) == choice.has("own_steps")
    if choice.has("own_steps"):
        return
    times = jnp.linspace(1.0, 0.0, 4)
    plan = made.plan(diffusion().log_snr, times)
    z = jnp.ones(SHAPE)
    state = made.init(z)
    np.testing.assert_array_equal(state.z, z)
    keys = jax.random.split(jax.random.key(0), SHAPE[0])
    drawn = jax.eval_shape(lambda: loop.sample_from(diffusion(), made, times, z, keys))
    assert drawn.z.shape == SHAPE
    assert plan.t.shape[0] >= 3
    if choice.has("memoryless"):
        assert isinstance(state, loop.Latent) and plan.t.shape == (3,)
        again = repaint.make(made, 2, 1)
        jax.eval_shape(lambda: loop.sample_from(diffusion(), again, times, z, keys))


def time_grid(c, choice, options):
    """Decreasing times from noise on, as many as the options say."""
    num_steps, wanted = c.schedule.num_steps, 4
    times = choice.make(options, diffusion().log_snr, num_steps, wanted)
    assert times.shape == (options.num_visited(wanted),)
    assert np.all(np.diff(times) < 0.0) and times[0] == 1.0 and times[-1] == 0.0


def threshold(c, choice, options):
    """A function of models: x_hat stays in its range."""
    made = choice.make(options)(diffusion())
    found = made.denoise(jnp.zeros(SHAPE), jnp.full(2, 0.5))
    assert found.x.shape == SHAPE and np.all(np.isfinite(found.x))


def guide(c, choice, options):
    """Where no other model is needed, a guide."""
    if choice.has("needs_another_model"):
        return
    model = build.model(c, build.source(c, "train"))
    made = choice.make(options, c, model, None)
    assert made.num_classes == model.num_classes and not jax.tree.leaves(made.params)


def task(c, choice, options):
    """What samples are made of: nothing, or files."""
    assert choice.has("from_noise") == (not options.files)
    assert 0.0 < options.share_of_times <= 1.0
    if choice.has("from_noise"):
        assert choice.make(options, None).known is None


def estimator(c, choice, options):
    """Of one of three kinds."""
    assert len(choice.traits & {"likelihood", "of_samples", "of_a_classifier"}) == 1
    if choice.has("likelihood"):
        made = choice.make(options, likelihoods.Setting(16, 0, c.schedule.num_steps, 0))
        assert made.num_draws >= 1 and "-log2 P(pixels) / dims" in made.figure
        sees_pilot = choice.make(
            options, likelihoods.Setting(16, 8, c.schedule.num_steps, 0)
        ).pilot
        assert (sees_pilot is not None) == choice.has("takes_pilot")
    elif choice.has("of_samples"):
        made = choice.make(options)
        assert made.least_samples >= 1 and callable(made.measure)


def extractor(c, choice, options):
    """What loads it, of the files of its group."""
    assert callable(choice.make(options, ExtractorFiles("a", "tensorflow", "b")))


LOOKS = {
    "eval.estimators": estimator,
    "eval.quality.extractor": extractor,
    "schedule.name": schedule,
    "prediction": prediction,
    "reverse_variance": reverse_variance,
    "data.name": source,
    "decoder.name": pixel_decoder,
    "decoder.mean": only_made,
    "model.name": network,
    "model.time_input": time_input,
    "loss.weighting": weighting,
    "loss.time_sampling": only_made,
    "loss.interior": only_made,
    "optimizer.name": optimizer,
    "optimizer.decay": decay,
    "parallel.mode": mode,
    "training.start_with": start,
    "sample.sampler": sampler,
    "sample.spacing": time_grid,
    "sample.end": only_made,
    "sample.threshold": threshold,
    "sample.guidance": guide,
    "sample.task": task,
}
