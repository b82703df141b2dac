"""The densities that figures may start from."""

import numpy as np
import pytest

from ddpm_jax.core import choice
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.gallery import densities
from ddpm_jax.lab.densities import Grid
from tests.gallery import known

GRID = Grid(-6.0, 6.0, 601)


def made(name, **options):
    entry = densities.DENSITIES[name]
    return choice.made(entry, entry.options(**options), f"config.{name}", GRID)


def test_the_default_is_rough_and_connected():
    density = made("rough")
    values = density.values
    peaks = (values[1:-1] > values[:-2]) & (values[1:-1] > values[2:])
    assert np.sum(peaks & (values[1:-1] > 0.05 * values.max())) >= 6
    assert abs(density.mean) < 0.5 and 0.2 < density.variance < 1.5


def test_a_mixture_has_its_moments():
    density = made("mixture", means=(-1.0, 1.0), stds=(0.5, 0.5), weights=(1, 1))
    np.testing.assert_allclose([density.mean, density.variance], [0.0, 1.25], atol=1e-9)
    assert densities.smooth(GRID).values.tolist() == made("mixture").values.tolist()


def test_pieces_have_their_weights():
    density = made("pieces", edges=(-1.0, 0.0, 2.0), weights=(0.25, 0.75))
    below = density.masses[GRID.points < -0.001].sum()
    np.testing.assert_allclose(below, 0.25, atol=0.01)


@pytest.mark.parametrize("end", ["npy", "csv"])
def test_samples_of_a_file_are_estimated(tmp_path, end):
    numbers = np.random.default_rng(0).normal(1.0, 0.5, size=(2000, 2))
    file = tmp_path / f"my.{end}"
    if end == "npy":
        np.save(file, numbers)
    else:
        np.savetxt(file, numbers, delimiter=",")
    density = made("samples", file=str(file), column=1)
    np.testing.assert_allclose(density.mean, numbers[:, 1].mean(), atol=1e-3)
    np.testing.assert_allclose(density.variance, 0.25, rtol=0.1)


@pytest.mark.parametrize(
    "options, said",
    [
        ({}, r"config.samples.file = '': write a .npy or .csv file of numbers."),
        ({"file": "nosuch.npy"}, r"config.samples.file = 'nosuch.npy' cannot be read"),
        ({"file": "FILE", "column": 2}, r"config.samples.column = 2: .* has 1 numbers"),
        ({"file": "FILE"}, r"config.samples.file = .*: .* lie beyond the grid"),
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path, options, said):
    np.save(tmp_path / "far.npy", np.arange(100.0))
    if options.get("file") == "FILE":
        options = options | {"file": str(tmp_path / "far.npy")}
    with pytest.raises(ConfigError, match=said) as error:
        made("samples", **options)
    assert "\n" not in str(error.value)


def test_a_peak_that_the_grid_does_not_hold_is_refused_with_its_field():
    with pytest.raises(ConfigError, match=r"config.mixture.stds = .* finer grid"):
        made("mixture", stds=(0.001, 0.3))


@pytest.mark.parametrize(
    "name, options, said",
    [
        ("rough", {"least_width": 1e-4}, r"config.rough.least_width = 0.0001: a peak"),
        ("rough", {"reach": 50.0}, r"config.rough.reach = 50.0: .* at most 6"),
        (
            "mixture",
            {"means": (0.0, 60.0)},
            r"config.mixture.means = .* beyond the grid",
        ),
        ("mixture", {"weights": (0, 0)}, r"config.mixture.weights = .* are 0; write"),
        ("pieces", {"weights": (0,) * 4}, r"config.pieces.weights = .* are 0; write"),
        ("pieces", {"edges": (0, 1, 2, 3, 60)}, r"config.pieces.edges = .* beyond"),
        (
            "pieces",
            {"edges": (0.001, 0.002, 2, 3, 4)},
            r"config.pieces.edges = .* no point",
        ),
    ],
)
def test_what_makes_no_density_is_refused_with_its_field(name, options, said):
    with pytest.raises(ConfigError, match=said):
        made(name, **options)


def test_names_are_those_of_no_figure():
    assert not densities.DENSITIES.keys() & known.options.FIGURES.keys()
