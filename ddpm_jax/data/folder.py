"""Folders of image files, with one sub-folder for each class.

Splits: the sub-folders `train` and `test` if both are there; otherwise a file is for
testing if the SHA-256 of its path below the folder, with "/", is 0 modulo 10. So a file
stays in its split when others come or go.
"""

import hashlib
import os
import pathlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from absl import logging

from ddpm_jax.core.files import is_local
from ddpm_jax.core.paths import expanded
from ddpm_jax.data import images
from ddpm_jax.data.images import BrokenImageError, Frame
from ddpm_jax.data.source import Example

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")
SPLITS = ("train", "test")
# The share of files for testing, one in ten, where the folder has no `train` and `test`.
TEST_EVERY = 10
NUM_CHECKING_THREADS = 16


class FolderSource:
    """A source of image files, each read when it is asked for."""

    num_values = 256

    def __init__(
        self,
        name: str,
        split: str,
        root: pathlib.Path,
        paths: Sequence[str],
        labels: Sequence[int],
        num_classes: int,
        frame: Frame,
    ) -> None:
        """paths: image files relative to root; labels: the class of each."""
        self.name, self.num_classes = name, num_classes
        self._root, self._paths, self._labels, self._frame = root, paths, labels, frame
        size = frame.size
        self.shape = (
            (size, size, frame.channels) if size else self._read(paths[0]).shape
        )
        self.identity: Mapping[str, Any] = {
            "name": name,
            "version": f"SHA-256 of the paths {_digest(chr(10).join(paths)):064x}"[:48],
            "split": split,
            "resizing": frame.describe(),
            "num_examples": len(paths),
        }

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int, /) -> Example:
        path = self._paths[index]
        pixels = self._read(path)
        images.check_shape(pixels, self.shape, _title(path))
        return {"image": pixels, "label": self._labels[index]}

    def _read(self, path: str) -> images.Pixels:
        try:
            return self._frame.read(self._root / path, _title(path))
        except BrokenImageError as error:
            raise ValueError(
                f"config.data.name = {self.name!r}: {error}: remove it, or set"
                " config.data.skip_broken."
            ) from error


def open_split(
    path: str,
    split: str,
    *,
    image_size: int | None,
    center_crop: int | None,
    channels: int | None,
    skip_broken: bool,
) -> FolderSource:
    """One split of the folder at `path`; arguments as in `table.make`.

    Whether files can be read is not known before they are, unless `skip_broken`: then
    each is decoded once at start, and those that cannot be are named, counted and left
    out.

    Raises:
      ValueError: there is no such folder, it holds no image, or not in this split.
    """
    name = f"folder:{path}"
    here = f"config.data.name = {name!r}"
    if not is_local(path):
        raise ValueError(f"{here}: write a folder of this machine, such as a mount.")
    root = pathlib.Path(expanded(path, here))
    if split not in SPLITS:
        raise ValueError(
            f"config.data.train_split or eval_split = {split!r}: a folder has the"
            " splits 'train' and 'test'."
        )
    if not root.is_dir():
        raise ValueError(f"{here}: there is no folder {root}.")
    present = [name for name in SPLITS if (root / name).is_dir()]
    paths = _images_below(root)
    if not paths:
        raise ValueError(f"{here}: no image ({', '.join(SUFFIXES)}) below {root}.")
    if len(present) == 2:
        known = [p for p in paths if p.startswith(("train/", "test/"))]
        classes = sorted({_class_of(p.split("/", 1)[1]) for p in known})
        paths = [p.split("/", 1)[1] for p in known if p.startswith(f"{split}/")]
        root = root / split
    elif present and all(p.startswith(f"{present[0]}/") for p in paths):
        raise ValueError(
            f"{here} holds {present[0]!r} alone: add the other of 'train' and 'test',"
            f" or write folder:{root / present[0]} for a split by this program."
        )
    else:
        classes = sorted({_class_of(p) for p in paths})
        paths = [p for p in paths if _is_for_testing(p) == (split == "test")]
    frame = Frame(
        channels=channels or 3, image_size=image_size, center_crop=center_crop
    )
    if skip_broken:
        paths = _readable(root, paths, frame)
    if not paths:
        raise ValueError(
            f"{here}: no image of the split {split!r} is left. More images, or"
            " sub-folders 'train' and 'test', would be."
        )
    labels = [classes.index(_class_of(p)) for p in paths]
    # Images that all lie together are not sorted into classes.
    num_classes = len(classes) if len(classes) > 1 else 0
    return FolderSource(name, split, root, paths, labels, num_classes, frame)


def _images_below(root: pathlib.Path) -> list[str]:
    """The relative paths of all image files below root, sorted, without hidden ones."""
    paths = []
    for folder, subfolders, files in os.walk(root, followlinks=True):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        paths += [
            (pathlib.Path(folder) / file).relative_to(root).as_posix()
            for file in files
            if file.lower().endswith(SUFFIXES) and not file.startswith(".")
        ]
    return sorted(paths)


def _readable(root: pathlib.Path, paths: Sequence[str], frame: Frame) -> list[str]:
    """The paths of the images that can be decoded; the others are logged."""

    def complaint(path: str) -> str | None:
        try:
            frame.read(root / path, _title(path))
        except BrokenImageError as error:
            return str(error)
        return None

    logging.info("looking for broken images among %d of %s ...", len(paths), root)
    with ThreadPoolExecutor(NUM_CHECKING_THREADS) as threads:
        complaints = list(threads.map(complaint, paths))
    broken = [text for text in complaints if text is not None]
    for text in broken:
        logging.warning("skipping a broken image: %s", text)
    logging.info("%d of %d images are broken and skipped", len(broken), len(paths))
    return [p for p, text in zip(paths, complaints, strict=True) if text is None]


def _class_of(path: str) -> str:
    """The class of a path: its first sub-folder, or "" for a file that is in none."""
    return path.split("/")[0] if "/" in path else ""


def _is_for_testing(path: str) -> bool:
    return _digest(path) % TEST_EVERY == 0


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest())


def _title(path: str) -> str:
    return f"image {path}"
