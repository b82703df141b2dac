"""The loop that samplers share: from noise down a list of times.

    z_1 ~ N(0, I);    ask the network at (z, t), let the sampler step, and so on

A sampler is a plan and a step. The plan has one row a question to the network: its time, and
all that depends on times alone; so a step is a few products of images. The loop is one
`lax.scan`: the network is compiled once, however many times there are, and memory does not
grow with their number. It ends with a question at the last time, whose x_hat the decoder may
need; what becomes of z_0 and x_hat is the matter of `ends.py`.
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

# (questions done, questions in all); called on the host, in no certain order.
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Sampler:
    """A way from one end of a list of times to the other.

    Attributes:
      plan: (log SNR of t, times) -> a NamedTuple of arrays, [questions, ...], without the
        one at the last time. Its field `t` says when the network is asked.
      init: z at the first time -> the state, whose `z` is where the network is asked.
      step: (state, the prediction there, row of the plan, noise) -> the next state.
      num_draws: images of noise that a step takes; from 2 on they are stacked in front.
    """

    plan: Callable[[LogSnr, Times], Any]
    init: Callable[[Images], Any]
    step: Callable[[Any, Prediction, Any, Array], Any]
    num_draws: int = 1


class Film(NamedTuple):
    """What was on the way, at evenly spaced questions from the first to the last.

    Attributes:
      t: of each frame.
      z: where the network was asked.
      x_hat: what it answered.
    """

    t: Float[Array, " frames"]
    z: Frames
    x_hat: Frames


class Arrival(NamedTuple):
    """The last time's latent, the prediction there, and the way if it was asked for."""

    z: Images
    prediction: Prediction
    film: Film | None


class Transition(NamedTuple):
    """From t to s: the plan of a sampler that asks once a time."""

    t: Float[Array, "*rows"]
    log_snr_t: Float[Array, "*rows"]
    log_snr_s: Float[Array, "*rows"]


def transitions(log_snr: LogSnr, times: Times) -> Transition:
    """From each time to the next."""
    at = log_snr(times)
    return Transition(times[:-1], at[:-1], at[1:])


class Latent(NamedTuple):
    """The state of a sampler that remembers nothing."""

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
) -> Arrival:
    """Draws one image a key; an image depends on its own key alone.

    Args:
      diffusion: the model.
      sampler: how to go.
      times: decreasing from 1 to 0 (`grids`). Their dtype is that of the images.
      keys: one a sample.
      image_shape: height, width, channels.
      num_frames: of the film; 0: none is kept.
      progress: told about every fiftieth of the way, if given.
    """
    z_1 = first_latent(keys, image_shape, times.dtype)
    return follow(
        diffusion, sampler, times, z_1, keys, num_frames=num_frames, progress=progress
    )


def first_latent(
    keys: Key[Array, " batch"], image_shape: tuple[int, int, int], dtype: Any
) -> Images:
    """z_1 of each key, the same for all samplers: noise number 0."""
    return normal(fold_in(keys, 0), image_shape, dtype)


def follow(
    diffusion: Diffusion,
    sampler: Sampler,
    times: Times,
    z: Images,
    keys: Key[Array, " batch"],
    *,
    num_frames: int = 0,
    progress: Progress | None = None,
) -> Arrival:
    """The same from given latents at the first of the times. Question i draws noise i + 1."""
    plan = sampler.plan(diffusion.log_snr, times)
    asked = jnp.append(plan.t, times[-1])
    total = asked.shape[0]
    # The last question has no step of its own: the one taken there is not used.
    plan = jax.tree.map(lambda a: jnp.pad(a, [(0, 1)] + [(0, 0)] * (a.ndim - 1)), plan)
    shown = np.linspace(0, total - 1, num_frames).round().astype(int)

    def ask(z: Images, t: Array) -> Prediction:
        return diffusion.denoise(z, jnp.full(keys.shape, t))

    def body(carry: Any, inputs: Any) -> tuple[Any, None]:
        state, _, film = carry
        number, t, row = inputs
        if progress is not None:
            _report(progress, number + 1, total)
        prediction = ask(state.z, t)
        if num_frames:
            film = _exposed(film, jnp.asarray(shown) == number, t, state.z, prediction)
        noise = _drawn(fold_in(keys, number + 1), sampler.num_draws, z)
        following = sampler.step(state, prediction, row, noise)
        return (following, (state.z, prediction), film), None

    nothing = jax.tree.map(
        lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(ask, z, asked[0])
    )
    film = None
    if num_frames:
        images = jnp.zeros((num_frames, *z.shape), z.dtype)
        film = Film(jnp.zeros(num_frames, times.dtype), images, images)
    rows = (jnp.arange(total), asked, plan)
    (_, (z, prediction), film), _ = lax.scan(
        body, (sampler.init(z), (jnp.zeros_like(z), nothing), film), rows
    )
    return Arrival(z, prediction, film)


def _drawn(keys: Key[Array, " batch"], num_draws: int, like: Images) -> Array:
    """Noise of a question: the first image the same however many there are."""
    first = normal(keys, like.shape[1:], like.dtype)
    if num_draws == 1:
        return first
    further = [
        normal(fold_in(keys, i), like.shape[1:], like.dtype)
        for i in range(1, num_draws)
    ]
    return jnp.stack([first, *further])


def _exposed(
    film: Film, is_now: Array, t: Array, z: Images, prediction: Prediction
) -> Film:
    """The film with this moment in the frames that show it."""
    now = Film(t, z, prediction.x)

    def frames(old: Array, new: Array) -> Array:
        return jnp.where(is_now.reshape(-1, *[1] * new.ndim), new[None], old)

    return jax.tree.map(frames, film, now)


def _report(progress: Progress, done: Array, total: int) -> None:
    def tell() -> None:
        jax.debug.callback(lambda done: progress(int(done), total), done)

    due = (done % max(1, total // 50) == 0) | (done == total)
    lax.cond(due, tell, lambda: None)
