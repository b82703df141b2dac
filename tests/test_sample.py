import jax
import numpy as np
import pytest
from etils import epath
from PIL import Image

from ddpm_jax import build, pictures, sample
from ddpm_jax.training import parallel
from tests import tiny


@pytest.fixture(scope="module", autouse=True)
def small_network():
    with pytest.MonkeyPatch.context() as patch:
        tiny.use_small_network(patch)
        yield


def drawn(**changes):
    c = tiny.config(**changes)
    model = build.model(c, build.source(c, "test"))
    params = jax.jit(model.init)(jax.random.key(0))
    mesh = parallel.make_mesh(c.parallel.fsdp)
    return sample.make_sampler(c, mesh, model)(params)


@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
def test_a_sample_depends_on_its_number_alone(sampler):
    few = drawn(sample__sampler=sampler, sample__num_samples=9, sample__batch_size=8)
    many = drawn(sample__sampler=sampler, sample__num_samples=20, sample__batch_size=16)
    assert few.shape == (9, 8, 8, 1) and few.dtype == np.uint8
    np.testing.assert_array_equal(few, many[:9])
    assert len({image.tobytes() for image in many}) == 20
    assert many.max() <= 16


def test_another_seed_draws_other_samples():
    assert not np.array_equal(drawn(), drawn(seed=1))


def test_samplers_and_their_options_matter():
    # The config's reverse variance is the posterior's: DDIM's at eta = 1.
    noisy_ddim = drawn(sample__sampler="ddim", sample__ddim__eta=1.0)
    np.testing.assert_array_equal(noisy_ddim, drawn())
    draws = [
        drawn(),
        drawn(sample__sampler="ddim"),
        drawn(sample__sampler="ddim", sample__ddim__eta=0.5),
        drawn(sample__spacing="quadratic"),
        drawn(sample__num_steps=10),
        drawn(sample__clip=False),
    ]
    assert len({d.tobytes() for d in draws}) == len(draws)


def test_files_hold_the_images_as_they_are(tmp_path):
    images = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4, 1) % 17
    grid = sample.write(epath.Path(tmp_path), 7, images, 17)
    saved = np.load(tmp_path / "samples" / "7.npz")
    np.testing.assert_array_equal(saved["images"], images)
    assert saved["num_values"] == 17
    np.testing.assert_array_equal(
        Image.open(tmp_path / "samples" / "7.png"), grid[..., 0]
    )


def test_a_grid_shows_each_image_in_its_place():
    images = (
        np.full((5, 8, 8, 3), 10, np.uint8)
        * np.arange(1, 6, dtype=np.uint8)[:, None, None, None]
    )
    grid = pictures.grid(images)
    scale = grid.shape[0] // (2 * 9 + 1)
    assert grid.shape == (19 * scale, 28 * scale, 3)
    for i in range(5):
        row, column = divmod(i, 3)
        middle = grid[int((row * 9 + 5) * scale), int((column * 9 + 5) * scale)]
        np.testing.assert_array_equal(middle, 10 * (i + 1))
    np.testing.assert_array_equal(grid[int(14 * scale), int(23 * scale)], 255)


def test_pixel_values_fill_the_range_of_a_picture():
    values = np.arange(17, dtype=np.uint8).reshape(1, 17)
    found = pictures.to_uint8(values, 17)
    assert found[0, 0] == 0 and found[0, -1] == 255
    np.testing.assert_allclose(np.diff(found.astype(int)), 16, atol=1)
    whole = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(pictures.to_uint8(whole, 256), whole)
