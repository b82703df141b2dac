"""The loop that all samplers share: from noise at t = 1 down a list of times.

    z_1 ~ N(0, I);    z_s = step(prediction at z_t, ...);    x = x_hat(z_0)

It is one `lax.scan`: the network is compiled once, however many times there are. The
last x_hat is the decoder's mean, which adds no noise of its own.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from ddpm_jax.diffusion.gaussian import Images, fold_in, normal
from ddpm_jax.diffusion.model import Diffusion, Prediction

# (prediction at z_t, log_snr_s, log_snr_t, noise) -> z_s, s < t.
Step = Callable[[Prediction, Array, Array, Images], Images]

# (evaluations done, evaluations in all); called on the host, in no certain order.
Progress = Callable[[int, int], None]


def sample(
    diffusion: Diffusion,
    step: Step,
    times: Float[Array, " num_times"],
    keys: Key[Array, " batch"],
    image_shape: tuple[int, int, int],
    progress: Progress | None = None,
) -> Images:
    """Draws one image a key; an image depends on its own key alone.

    Args:
      diffusion: the model.
      step: one transition: `ancestral.step` or `ddim.make_step(eta)`.
      times: decreasing from 1 to 0 (`grids.times`), each one evaluation of the network.
        Their dtype is that of the images.
      keys: one a sample.
      image_shape: height, width, channels.
      progress: told about every fiftieth of the way, if given.

    Returns:
      x_hat at the last time, [batch, height, width, channels].
    """
    num_times = times.shape[0]

    def draw(number: int | Array) -> Array:
        """Noise: number 0 makes z_1, i the i-th transition."""
        return normal(fold_in(keys, number), image_shape, times.dtype)

    def body(carry: tuple[Array, Array], inputs: tuple[Array, Array, Array]):
        z_t, _ = carry
        number, t, s = inputs
        if progress is not None:
            _report(progress, number + 1, num_times)
        t, s = jnp.full(keys.shape, t), jnp.full(keys.shape, s)
        prediction = diffusion.denoise(z_t, t)
        noise = draw(number + 1)
        z_s = step(prediction, diffusion.log_snr(s), diffusion.log_snr(t), noise)
        return (z_s, prediction.x), None

    z_1 = draw(0)
    # The last time has none below it: its step, to itself, is not used.
    below = jnp.append(times[1:], times[-1])
    inputs = (jnp.arange(num_times), times, below)
    (_, x_hat), _ = lax.scan(body, (z_1, jnp.zeros_like(z_1)), inputs)
    return x_hat


def _report(progress: Progress, done: Array, total: int) -> None:
    def tell() -> None:
        jax.debug.callback(lambda done: progress(int(done), total), done)

    due = (done % max(1, total // 50) == 0) | (done == total)
    lax.cond(due, tell, lambda: None)
