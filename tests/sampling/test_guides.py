"""Guidance by classes: what the strength does, and which class a sample is of."""

import jax
import numpy as np
import pytest
import scipy.stats
from PIL import Image

from ddpm_jax import train
from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.pictures import encoding, grids
from tests.sampling.guided import (
    FREE,
    TOLD,
    WEAK,
    by_sorter,
    config,
    drawn,
    labels_of,
    refused,
)

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def test_classifier_free_guidance_goes_from_the_one_model_to_the_other(told):
    with_class, without = drawn(told, **TOLD), drawn(told, sample__classes=(-1,))
    assert not np.array_equal(with_class, without)

    def guided(scale):
        return drawn(told, **TOLD, **FREE, sample__classifier_free__scale=scale)

    np.testing.assert_array_equal(guided(1.0), with_class)
    np.testing.assert_array_equal(guided(0.0), without)
    three = guided(3.0)
    assert not np.array_equal(three, with_class)
    # Beyond the one, seen from the other.
    way = (with_class.astype(float) - without).ravel()
    assert np.dot(three.astype(float).ravel() - with_class.ravel(), way) > 0.0


def test_options_of_the_strength_are_used(told):
    scale = {**FREE, **TOLD, "sample__classifier_free__scale": 3.0}
    everywhere = drawn(told, **scale)
    nowhere = {"sample__classifier_free__interval": (20.0, 30.0)}
    np.testing.assert_array_equal(drawn(told, **scale, **nowhere), drawn(told, **TOLD))
    rescaled = drawn(told, **scale, sample__classifier_free__rescale=1.0)
    assert not np.array_equal(rescaled, everywhere)


def test_drawn_labels_are_uniform_independent_and_each_its_samples_own():
    draw = labels_of(10)
    labels = draw(np.arange(5000))
    counts = np.bincount(labels, minlength=10)
    assert counts.size == 10 and scipy.stats.chisquare(counts).pvalue > 1e-6
    # One after the other: each of 100 pairs as often.
    pairs = np.bincount(10 * labels[:-1] + labels[1:], minlength=100)
    assert scipy.stats.chisquare(pairs).pvalue > 1e-6
    np.testing.assert_array_equal(draw(np.arange(100, 107)), labels[100:107])
    assert not np.array_equal(labels_of(10, seed=1)(np.arange(50)), labels[:50])


def test_drawn_labels_have_a_stream_of_their_own():
    root = jax.random.fold_in(jax.random.key(5), 12)
    keys = [jax.random.fold_in(root, number) for number in range(20)]
    wanted = [int(jax.random.randint(key, (), 0, 10)) for key in keys]
    found = labels_of(10, seed=5)(np.arange(20))
    np.testing.assert_array_equal(found, wanted)


def test_listed_labels_come_in_turn():
    listed = labels_of(10, sample__classes=(3, -1, 7))
    np.testing.assert_array_equal(listed(np.arange(4, 11)), [-1, 7, 3, -1, 7, 3, -1])
    np.testing.assert_array_equal(labels_of(0)(np.arange(3)), [-1, -1, -1])


def test_guidance_while_training(tmp_path):
    often = {"training__num_steps": 2, "training__sample_every": 2}
    c = config(**FREE, **often, sample__classes=(3, 7))
    check_config(c)
    assert train.run(c, tmp_path / "free") == 0
    images = np.load(tmp_path / "free" / "samples" / "2.npz")["images"]
    with Image.open(tmp_path / "free" / "samples" / "2.png") as picture:
        # A column for each class.
        want = grids.grid(encoding.to_uint8(images, 17), 2)[..., 0]
        np.testing.assert_array_equal(picture, want)
        assert picture.height > 2 * picture.width
    for changes in (by_sorter("somewhere"), WEAK):
        c = config(**changes, **often)
        check_config(c)
        with pytest.raises(ConfigError, match=r"sample.guidance = '\w+' asks") as error:
            train.run(c, tmp_path / "run")
        assert "\n" not in str(error.value)
        assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize("label", [10, -2])
def test_a_class_that_does_not_exist_is_refused(told, label):
    refused(
        told,
        rf"config.sample.classes = \(1, {label}\): there is no class {label}; .* 0 to 9",
        sample__classes=(1, label),
    )
