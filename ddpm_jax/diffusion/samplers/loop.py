"""The loop that all samplers share: from noise down a list of times.

    z_1 ~ N(0, I);    evaluate the network at (z, t), let the sampler step, and so on

A sampler is a plan and a step. The plan has one row for each evaluation of the network: its
time, and all that depends on times alone; so a step is a few products of images. The loop is
one `lax.scan`: the network is compiled once, however many times there are, and memory does not
grow with their number. It ends with an evaluation at the last time, whose x_hat the decoder
may need; `readout.py` makes pixels of z_0 and x_hat.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Key

from ddpm_jax.diffusion.model import Diffusion, LogSnr, Prediction
from ddpm_jax.diffusion.process.gaussian import Images, fold_in, normal

Times = Float[Array, " num_times"]
Frames = Float[Array, "frames batch height width channels"]

# (evaluations done, evaluations in all); called on the host, in no certain order.
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Sampler:
    """A numerical method that leads from the first to the last of a list of times.

    Attributes:
      plan: (schedule, times) -> a NamedTuple of arrays, [evaluations, ...], without the one at
        the last time. Its field `t` holds the times of evaluation.
      init: z at the first time -> the state, at whose `z` the network is evaluated.
      step: (state, prediction at its z, row of the plan, noise) -> the next state.
      num_draws: images of noise that a step takes; two or more are stacked in front.
    """

    plan: Callable[[LogSnr, Times], Any]
    init: Callable[[Images], Any]
    step: Callable[[Any, Prediction, Any, Array], Any]
    num_draws: int = 1


class Film(NamedTuple):
    """Frames of a trajectory, at evenly spaced evaluations from the first to the last.

    Attributes:
      t: time of each frame.
      z: latents at which the network was evaluated.
      x_hat: the estimates of x there.
    """

    t: Float[Array, " frames"]
    z: Frames
    x_hat: Frames


class Result(NamedTuple):
    """The result of sampling: the last latent, the prediction there, and a film if kept."""

    z: Images
    prediction: Prediction
    film: Film | None


class Transition(NamedTuple):
    """Transitions from t to s: the plan of a sampler with one evaluation at each time."""

    t: Float[Array, "*rows"]
    log_snr_t: Float[Array, "*rows"]
    log_snr_s: Float[Array, "*rows"]


def transitions(log_snr: LogSnr, times: Times) -> Transition:
    """The transitions from each time to the next."""
    log_snrs = log_snr(times)
    return Transition(times[:-1], log_snrs[:-1], log_snrs[1:])


class Latent(NamedTuple):
    """The state of a sampler without memory: the latent alone."""

    z: Images


def sample(
    diffusion: Diffusion,
    sampler: Sampler,
    times: Times,
    keys: Key[Array, " batch"],
    image_shape: tuple[int, int, int],
    *,
    num_frames: int = 0,
    progress: Progress | None = None,
) -> Result:
    """Draws one image from each key; an image depends on its own key alone.

    Args:
      diffusion: the model.
      sampler: the numerical method.
      times: decreasing from 1 to 0 (`time_grids`). Their dtype is that of the images.
      keys: one for each sample.
      image_shape: height, width, channels.
      num_frames: frames of the film; 0: none is kept.
      progress: called about fifty times, if given.
    """
    z_1 = first_latent(keys, image_shape, times.dtype)
    return sample_from(
        diffusion, sampler, times, z_1, keys, num_frames=num_frames, progress=progress
    )


def first_latent(
    keys: Key[Array, " batch"], image_shape: tuple[int, int, int], dtype: Any
) -> Images:
    """The latent z_1 of each key, the same for all samplers: noise number 0."""
    return normal(fold_in(keys, 0), image_shape, dtype)


def sample_from(
    diffusion: Diffusion,
    sampler: Sampler,
    times: Times,
    z: Images,
    keys: Key[Array, " batch"],
    *,
    num_frames: int = 0,
    progress: Progress | None = None,
) -> Result:
    """Samples from given latents at the first of the times; evaluation i draws noise i + 1."""
    plan = sampler.plan(diffusion.log_snr, times)
    evaluation_times = jnp.append(plan.t, times[-1])
    total = evaluation_times.shape[0]
    # The last evaluation has no step of its own: the one taken there is not used.
    plan = jax.tree.map(lambda a: jnp.pad(a, [(0, 1)] + [(0, 0)] * (a.ndim - 1)), plan)
    frame_numbers = np.linspace(0, total - 1, num_frames).round().astype(int)

    def predict(z: Images, t: Array) -> Prediction:
        return diffusion.denoise(z, jnp.full(keys.shape, t))

    def body(carry: Any, inputs: Any) -> tuple[Any, None]:
        state, _, film = carry
        number, t, row = inputs
        if progress is not None:
            _report(progress, number + 1, total)
        prediction = predict(state.z, t)
        if num_frames:
            film = _with_frame(
                film, jnp.asarray(frame_numbers) == number, t, state.z, prediction
            )
        noise = _noise(fold_in(keys, number + 1), sampler.num_draws, z)
        following = sampler.step(state, prediction, row, noise)
        return (following, (state.z, prediction), film), None

    no_prediction = jax.tree.map(
        lambda a: jnp.zeros(a.shape, a.dtype),
        jax.eval_shape(predict, z, evaluation_times[0]),
    )
    film = None
    if num_frames:
        images = jnp.zeros((num_frames, *z.shape), z.dtype)
        film = Film(jnp.zeros(num_frames, times.dtype), images, images)
    rows = (jnp.arange(total), evaluation_times, plan)
    (_, (z, prediction), film), _ = lax.scan(
        body, (sampler.init(z), (jnp.zeros_like(z), no_prediction), film), rows
    )
    return Result(z, prediction, film)


def _noise(keys: Key[Array, " batch"], num_draws: int, like: Images) -> Array:
    """The noise of one evaluation; its first image is the same however many there are."""
    first = normal(keys, like.shape[1:], like.dtype)
    if num_draws == 1:
        return first
    further = [
        normal(fold_in(keys, i), like.shape[1:], like.dtype)
        for i in range(1, num_draws)
    ]
    return jnp.stack([first, *further])


def _with_frame(
    film: Film, is_now: Array, t: Array, z: Images, prediction: Prediction
) -> Film:
    """The film with this evaluation in the frames that show it."""
    now = Film(t, z, prediction.x)

    def frames(old: Array, new: Array) -> Array:
        return jnp.where(is_now.reshape(-1, *[1] * new.ndim), new[None], old)

    return jax.tree.map(frames, film, now)


def _report(progress: Progress, done: Array, total: int) -> None:
    def report() -> None:
        jax.debug.callback(lambda done: progress(int(done), total), done)

    due = (done % max(1, total // 50) == 0) | (done == total)
    lax.cond(due, report, lambda: None)
