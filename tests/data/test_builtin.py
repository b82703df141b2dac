"""scikit-learn's data: splits, values, and regions that do not meet."""

import numpy as np
import pytest
from sklearn import datasets

from ddpm_jax.data import table


def test_digits_are_scikit_learns_in_their_order():
    data = datasets.load_digits()
    train, test = table.make("digits", "train"), table.make("digits", "test")
    assert (len(train), len(test)) == (1437, 360)
    images = [s[i]["image"] for s in (train, test) for i in range(len(s))]
    labels = [s[i]["label"] for s in (train, test) for i in range(len(s))]
    np.testing.assert_array_equal(np.stack(images)[..., 0], data.images)
    np.testing.assert_array_equal(labels, data.target)
    assert images[0].shape == train.shape == (8, 8, 1)
    assert images[0].dtype == np.uint8
    assert max(image.max() for image in images) == train.num_values - 1 == 16


def test_identity_tells_the_splits_apart():
    train, test = (table.make("digits", split).identity for split in ("train", "test"))
    assert train["num_examples"] == 1437
    assert {k for k in train if train[k] != test[k]} == {"split", "num_examples"}


@pytest.mark.parametrize(("size", "stride"), [(16, 8), (32, 5), (160, 160)])
def test_photo_patches_of_the_two_splits_share_no_pixel(size, stride):
    photos = datasets.load_sample_images().images
    seen = {}
    for split in ("train", "test"):
        source = table.make("photos", split, image_size=size, stride=stride)
        masks = [np.zeros(photo.shape[:2], bool) for photo in photos]
        for i in range(len(source)):
            patch = source[i]["image"]
            assert patch.shape == source.shape == (size, size, 3)
            photo, (top, left) = _whereabouts(source, i)
            np.testing.assert_array_equal(
                patch, photos[photo][top : top + size, left : left + size]
            )
            masks[photo][top : top + size, left : left + size] = True
        seen[split] = np.stack(masks)
    assert not (seen["train"] & seen["test"]).any()
    assert not seen["train"][:, :, 480:].any()
    assert not seen["test"][:, :, :480].any()


def _whereabouts(source, i):
    """The photograph of a patch and its corner, from where its memory is."""
    patch = source[i]["image"]
    photo = source[i]["label"]
    whole = patch.base
    while whole.base is not None and isinstance(whole.base, np.ndarray):
        whole = whole.base
    offset = patch.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    return photo, divmod(offset // 3, 640)


def test_photo_patches_are_as_many_as_fit():
    train = table.make("photos", "train")
    rows, columns = (427 - 16) // 8 + 1, (480 - 16) // 8 + 1
    assert len(train) == 2 * rows * columns
    assert {train[0]["label"], train[len(train) - 1]["label"]} == {0, 1}


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("digits", "train"), {"image_size": 16}, "config.data.image_size = 16"),
        (("photos", "train"), {"image_size": 161}, "write 1 to 160"),
        (("photos", "train"), {"center_crop": 8}, "config.data.center_crop = 8"),
        (("photos", "train"), {"stride": 0}, "config.data.stride = 0"),
        (("digits", "validation"), {}, "'validation'.*'train' and 'test'"),
        (("photos", "train[:5]"), {}, r"'train\[:5\]'.*'train' and 'test'"),
    ],
)
def test_what_cannot_be_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        table.make(*arguments, **options)


def test_classes_are_digits_and_photographs():
    for split in ("train", "test"):
        digits = table.make("digits", split)
        labels = {digits[i]["label"] for i in range(len(digits))}
        assert labels == set(range(digits.num_classes)) == set(range(10))
        photos = table.make("photos", split, stride=64)
        labels = {photos[i]["label"] for i in range(len(photos))}
        assert labels == set(range(photos.num_classes)) == {0, 1}
