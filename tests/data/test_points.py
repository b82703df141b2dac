"""Points as a source: drawn of what is known, or from a file."""

import time

import numpy as np
import pytest

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import identity, pipeline, table
from ddpm_jax.data.point_shapes import PointsOptions
from ddpm_jax.data.source import KnownDensity, known_density


def made(name="rings", split="train", **options):
    return table.make(f"points:{name}", split, options=PointsOptions(**options))


@pytest.fixture
def file(tmp_path):
    """A file of 25 points of the plane."""
    np.save(tmp_path / "a.npy", np.arange(50.0).reshape(25, 2))
    return tmp_path / "a.npy"


def test_a_point_is_an_image_of_one_pixel_of_real_numbers():
    source = made("rings", num_train=30)
    assert (source.shape, source.num_values, source.num_classes) == ((1, 1, 2), 0, 3)
    example = source[7]
    assert example["image"].dtype == np.float32 and example["image"].shape == (1, 1, 2)
    np.testing.assert_array_equal(example["image"][0, 0], source.points[7])
    assert type(example["label"]) is int


def test_labels_are_the_rings():
    source = made("rings", num_train=300)
    labels = np.array([source[i]["label"] for i in range(300)])
    radius = np.hypot(*source.points.T)
    np.testing.assert_array_equal(labels, np.clip(np.round(radius) - 1, 0, 2))


def test_splits_are_of_the_sizes_asked_for_and_share_no_point():
    train = made("moons", num_train=40, num_test=20)
    test = made("moons", "test", num_train=40, num_test=20)
    assert (len(train), len(test)) == (40, 20)
    assert len(np.unique(np.concatenate([train.points, test.points]), axis=0)) == 60


def test_a_point_does_not_depend_on_how_many_there_are():
    few, many = made("moons", num_train=5), made("moons", num_train=500)
    np.testing.assert_array_equal(few.points, many.points[:5])
    other = made("moons", num_train=5, seed=1)
    assert not np.any(few.points == other.points)


def test_millions_open_in_about_a_second():
    begin = time.process_time()
    assert len(made("rings", num_train=2_000_000)) == 2_000_000
    assert time.process_time() - begin < 3.0


def test_the_truth_is_known_also_of_a_part():
    source = made("moons")
    for one in (source, pipeline.first(source, 10), pipeline.evenly_spaced(source, 3)):
        density = known_density(one)
        assert density is source and isinstance(density, KnownDensity)
    fresh = source.draw(500, seed=0)  # As the training points.
    assert fresh.shape == (500, 2) and fresh.dtype == np.float64
    log_density = source.log_density(fresh)
    assert abs(-log_density.mean() - source.entropy) < 5 * log_density.std() / 500**0.5
    assert source.entropy_error == 0.0
    assert not set(fresh[:, 0].astype(np.float32)) & set(source.points[:, 0])
    assert known_density(table.make("digits", "test")) is None


def test_an_identity_tells_seeds_spreads_and_splits_apart():
    train = made("rings").identity
    for other, fields in (
        (made("rings", seed=1), {"seed"}),
        (made("rings", spread=0.3), {"version"}),
        (made("rings", "test"), {"split", "num_examples"}),
        (made("spirals"), {"name"}),
    ):
        assert identity.differences(train, other.identity).keys() == fields
    assert not identity.differences(train, made("rings").identity)


def test_of_a_file_every_tenth_point_is_for_test(file):
    train, test = made(str(file), num_train=5, seed=1), made(str(file), "test")
    assert (len(train), len(test)) == (23, 2)
    np.testing.assert_array_equal(test.points[:, 0], [18.0, 38.0])
    assert train.num_classes == 0 and known_density(train) is None
    assert sorted([*train.points[:, 0], *test.points[:, 0]]) == list(range(0, 50, 2))


def test_a_file_is_known_by_its_contents(file, tmp_path):
    before = made(str(file)).identity
    moved = tmp_path / "b.npy"
    file.rename(moved)
    assert not identity.differences(made(str(moved)).identity, before)
    np.save(moved, np.arange(50.0).reshape(25, 2) + 1e-9)
    assert identity.differences(made(str(moved)).identity, before)


def test_a_table_of_text_is_the_same_points(file, tmp_path):
    np.savetxt(tmp_path / "a.csv", np.load(file), delimiter=",")
    text, array = made(str(tmp_path / "a.csv")), made(str(file))
    np.testing.assert_array_equal(text.points, array.points)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("ring", {}, r"'points:ring': write one of two_peaks, .*'points:rings'\?"),
        ("rings", {"stds": (2.0,)}, r"config\.data\.points\.stds = .*'points:rings'"),
        ("mixture", {}, r"config\.data\.points\.means = \(\): write"),
        ("none.npy", {}, r"'points:none.npy' cannot be read: No such file"),
        (
            "none.npy",
            {"spread": 0.5},
            r"config\.data\.points\.spread = 0.5 is of dist",
        ),
    ],
)
def test_what_cannot_be_is_refused(name, options, said):
    with pytest.raises(ValueError, match=said):
        made(name, **options)


def test_other_splits_are_refused():
    with pytest.raises(ValueError, match="'valid': points have the splits"):
        made("rings", "valid")


@pytest.mark.parametrize("field", ["image_size", "center_crop", "channels"])
def test_what_is_of_images_is_refused(field):
    with pytest.raises(
        ValueError, match=rf"config\.data\.{field} = 1 cannot be had of"
    ):
        table.make("points:rings", "train", **{field: 1})


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((9, 2)), "holds 9 points: write 10 or more"),
        (np.full(10, 1e39), "beyond"),
    ],
)
def test_a_file_of_too_few_or_too_large_is_refused(tmp_path, array, said):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=said):
        made(str(tmp_path / "a.npy"))


def test_a_bad_file_is_the_configs_fault(tmp_path):
    np.save(tmp_path / "a.npy", np.array([np.nan]))
    with pytest.raises(
        ConfigError, match=r"config\.data\.name = 'points:.*nan in row 0"
    ):
        made(str(tmp_path / "a.npy"))
