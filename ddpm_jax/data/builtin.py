"""The data sets that come with scikit-learn and need no download.

The digits are Alpaydin and Kaynak's (1998), 8x8 counts of pixels in 4x4 cells, 0..16.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8
from sklearn import datasets

from ddpm_jax.data.source import Example

NUM_TRAIN_DIGITS = 1437
# The left part of every photograph that is for training.
TRAIN_FRACTION = 0.75


class Digits:
    """Handwritten digits, 8x8 pixels of 17 grey values, held in memory."""

    name = "digits"
    num_values = 17
    shape = (8, 8, 1)
    num_classes = 10
    class_names = tuple(map(str, range(10)))

    def __init__(
        self,
        images: UInt8[np.ndarray, "examples 8 8 1"],
        labels: Int[np.ndarray, " examples"],
        split: str,
    ) -> None:
        self._images, self._labels = images, labels
        self.identity: Mapping[str, Any] = {
            "name": self.name,
            "version": "scikit-learn load_digits",
            "split": split,
            "resizing": "none",
            "num_examples": len(images),
        }

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int, /) -> Example:
        return {"image": self._images[index], "label": int(self._labels[index])}


def digits(split: str) -> Digits:
    """One split of the digits: the first 1,437 for "train", the other 360 for "test"."""
    part = {
        "train": slice(None, NUM_TRAIN_DIGITS),
        "test": slice(NUM_TRAIN_DIGITS, None),
    }
    _check_split("digits", split)
    data = datasets.load_digits()
    images = data.images.astype(np.uint8)[..., None]
    return Digits(images[part[split]], data.target[part[split]], split)


class Photos:
    """Square patches of photographs, as views of them."""

    name = "photos"
    num_values = 256

    def __init__(
        self,
        photos: list[UInt8[np.ndarray, "height width 3"]],
        class_names: Sequence[str],
        corners: Int[np.ndarray, "patches 3"],
        split: str,
        patch_size: int,
        stride: int,
    ) -> None:
        self._photos, self._corners, self._size = photos, corners, patch_size
        self.shape = (patch_size, patch_size, 3)
        self.class_names = tuple(class_names)
        self.num_classes = len(photos)
        self.identity: Mapping[str, Any] = {
            "name": self.name,
            "version": "scikit-learn load_sample_images",
            "split": split,
            "resizing": f"{patch_size}x{patch_size} patches {stride} apart",
            "num_examples": len(corners),
        }

    def __len__(self) -> int:
        return len(self._corners)

    def __getitem__(self, index: int, /) -> Example:
        photo, top, left = self._corners[index]
        image = self._photos[photo][top : top + self._size, left : left + self._size]
        return {"image": image, "label": int(photo)}


def photos(split: str, *, patch_size: int, stride: int) -> Photos:
    """One split of the patches: of the left three quarters, "train", or of the rest, "test".

    Args:
      split: "train" or "test"; no pixel is in both. A patch's label is its photograph's number.
      patch_size: height and width in pixels.
      stride: pixels from one patch to the next, down and across.

    Raises:
      ValueError: no such split, or a patch does not fit.
    """
    _check_split("photos", split)
    if stride < 1:
        raise ValueError(f"config.data.stride = {stride}: write 1 or more.")
    data = datasets.load_sample_images()
    images = data.images
    names = [pathlib.Path(file).stem for file in data.filenames]
    corners = []
    for number, image in enumerate(images):
        height, width, _ = image.shape
        border = int(TRAIN_FRACTION * width)
        # Over both splits, so that a size that fits one fits the other.
        limit = min(height, border, width - border)
        if not 1 <= patch_size <= limit:
            raise ValueError(
                f"config.data.image_size = {patch_size} is not the size of a patch of"
                f' "photos": write 1 to {limit}.'
            )
        start, stop = (0, border) if split == "train" else (border, width)
        corners += [
            (number, top, left)
            for top in range(0, height - patch_size + 1, stride)
            for left in range(start, stop - patch_size + 1, stride)
        ]
    return Photos(images, names, np.array(corners), split, patch_size, stride)


def _check_split(name: str, split: str) -> None:
    if split not in ("train", "test"):
        raise ValueError(
            f"config.data.train_split or eval_split = {split!r}: {name!r} has the"
            " splits 'train' and 'test'."
        )
