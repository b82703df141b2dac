"""How a run's samples are drawn: points over the density of their data, where it is known."""

import numpy as np
import pytest

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import run_data, table
from ddpm_jax.pictures.points import PointPlots
from ddpm_jax.pictures.samples import ImageGrids
from ddpm_jax.sampling import drawings


def refused(split):
    raise ConfigError(f"{split} is not there")


def data_of(name, open_split=refused):
    source = table.make(name, "train")
    return run_data.RunData(
        source.name, source.shape, source.num_values, (), {}, open_split
    )


def test_points_of_a_known_density_are_drawn_over_it():
    source = table.make("points:checkerboard", "train")
    for drawing in (
        drawings.of_source(source),
        drawings.of_run(data_of("points:checkerboard", lambda split: source), "train"),
    ):
        assert isinstance(drawing, PointPlots)
        x = np.zeros((3, 2))
        np.testing.assert_array_equal(
            drawing.truth.log_density(x), source.log_density(x)
        )
        points = drawing.truth.points
        np.testing.assert_array_equal(points, source.draw(len(points), drawings.SEED))
        assert len(points) >= 1_000


def test_images_are_drawn_in_grids_and_nothing_is_opened():
    drawing = drawings.of_run(data_of("digits"), "train")
    assert drawing == ImageGrids(17) == drawings.of_source(table.make("digits", "test"))


@pytest.mark.parametrize("is_there", [True, False])
def test_points_of_a_file_are_drawn_alone_whether_or_not_it_is_there(
    tmp_path, is_there
):
    np.save(tmp_path / "a.npy", np.arange(40.0).reshape(20, 2))
    name = f"points:{tmp_path}/a.npy"
    source = table.make(name, "train")
    data = data_of(name, (lambda split: source) if is_there else refused)
    assert drawings.of_run(data, "train") == PointPlots()
