"""How samples came about: the film ends with the samples themselves."""

import numpy as np
import pytest

from ddpm_jax.pictures import encoding, grids, samples
from ddpm_jax.sampling import guides, sample_batches, trajectory
from ddpm_jax.sampling.task import FROM_NOISE
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def test_a_film_ends_with_the_samples_and_its_frames_stand_in_their_order(plain):
    c = tiny.config(
        sample__film__num_frames=3,
        sample__film__num_images=2,
        sample__film__animation="gif",
    )
    strips, animations = [], []

    def strip(x_hat, z):
        strips.append((x_hat, z))
        return np.zeros((2, 2, 1), np.uint8)

    def animation(frames, form, seconds):
        animations.append((frames, form, seconds))
        return b""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grids, "strip", strip)
        patch.setattr(trajectory.encoding, "animation", animation)
        drawn = trajectory.draw(c, plain, guides.of(c, plain), FROM_NOISE, None)
    assert drawn.keys() == {"film.png", "film.gif"}
    batches = sample_batches.Batches(tiny.config(), plain.mesh, plain.model)
    pixels = batches.draw(plain.params, 0).pixels[:2]
    ((x_hat, z),) = strips
    assert x_hat.shape == z.shape == (3, 2, 8, 8, 1)
    np.testing.assert_array_equal(x_hat[-1], encoding.to_uint8(pixels, 17))
    # It begins with noise, whose values lie anywhere; at the end z is nearly x_hat.
    assert len(np.unique(z[0])) > 10
    far, near = (np.abs(z[i].astype(int) - x_hat[i]).mean() for i in (0, -1))
    assert near < 0.5 * far
    # z on the left, x_hat on the right.
    ((frames, form, seconds),) = animations
    assert (form, seconds) == ("gif", 4.0) and len(frames) == 3
    left, right = grids.grid(z[1]), grids.grid(x_hat[1])
    np.testing.assert_array_equal(frames[1][:, : left.shape[1]], left)
    np.testing.assert_array_equal(frames[1][:, -right.shape[1] :], right)
    between = frames[1][:, left.shape[1] : -right.shape[1]]
    assert between.shape[1] == samples.GAP and np.all(between == 255)
