"""Folders of image files, with sub-folders for splits and classes (`split_folders`)."""

import functools
import hashlib
import pathlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from absl import logging

from ddpm_jax.core.files import is_local
from ddpm_jax.core.paths import expanded
from ddpm_jax.data import contents, images, listing, split_folders, wholeness
from ddpm_jax.data.contents import Contents, Facts
from ddpm_jax.data.images import BrokenImageError, Frame
from ddpm_jax.data.listing import SUFFIXES, File, Listing
from ddpm_jax.data.source import Example
from ddpm_jax.data.split_folders import NO_CLASS, Layout, class_of

NUM_CHECKING_THREADS = 16
NUM_CLASSES_NAMED = 10  # The most classes that a line names.


class FolderSource:
    """A source of image files, each read when it is asked for.

    Attributes:
      contents: the files and their contents.
    """

    num_values = 256

    def __init__(
        self,
        name: str,
        split: str,
        root: pathlib.Path,
        held: Contents,
        classes: Sequence[str],
        frame: Frame,
        broken: Collection[str] = (),
    ) -> None:
        """A source of the files that are not broken.

        Args:
          name: the value of config.data.name.
          split: the split's usual name.
          root: the folder that holds the split.
          held: all its image files, with paths relative to root.
          classes: names of the classes of all splits, in the order of labels.
          frame: the preparation of images.
          broken: paths of files that are left out.
        """
        self.name = name
        # Images that all lie together are not sorted into classes.
        self.class_names = tuple(classes) if len(classes) > 1 else ()
        self.num_classes = len(self.class_names)
        self.contents, files = held, held.files
        self.broken = set(broken)
        self._root, self._frame = root, frame
        self._paths = [file.path for file in files if file.path not in broken]
        number = {name: label for label, name in enumerate(classes)}
        self._labels = [number[class_of(path)] for path in self._paths]
        size = frame.size
        self.shape = (
            (size, size, frame.channels) if size else self._read(self._paths[0]).shape
        )
        text = "\n".join(self._paths).encode(errors="surrogateescape")
        self.identity: Mapping[str, Any] = {
            "name": name,
            "version": f"SHA-256 of the paths {hashlib.sha256(text).hexdigest()}"[:48],
            "split": split,
            "resizing": frame.describe(),
            "num_examples": len(self._paths),
            "contents": self.contents.digest(self.class_names),
        }

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int, /) -> Example:
        path = self._paths[index]
        pixels = self._read(path)
        images.check_shape(pixels, self.shape, _title(path))
        return {"image": pixels, "label": self._labels[index]}

    def fault(self, index: int) -> str:
        """What is wrong with an example's file, if a look at it shows that; or "".

        Pixels are decoded where the look leaves a doubt.
        """
        path = self._paths[index]
        try:
            if not wholeness.looks_whole(self._root / path):
                self._read(path)
        except ValueError as error:
            return str(error)
        return ""

    def _read(self, path: str) -> images.Pixels:
        try:
            return self._frame.read(self._root / path, _title(path))
        except BrokenImageError as error:
            self.broken.add(path)
            raise ValueError(
                f"config.data.name = {self.name!r}: {error}: mend it, or set"
                " config.data.skip_broken=True, and run the same command again."
            ) from error


# By the values of config.data.folder.splits.
LAYOUTS: Mapping[str, Callable[[Listing, str, str], Layout]] = {
    "named": split_folders.by_names,
    "hashed": lambda listed, _, __: split_folders.hashed(listed),
}


def open_split(
    path: str,
    split: str,
    *,
    layout: str,
    image_size: int | None,
    center_crop: int | None,
    channels: int | None,
    skip_broken: bool,
) -> FolderSource:
    """One split of the folder at `path`; arguments as in `table.make`, `layout` of `LAYOUTS`.

    Whether files can be read is not known before they are, unless `skip_broken`: then
    each is decoded once at start, and those that cannot be are named, counted and left
    out. What the folder holds is logged, once for each process.

    Raises:
      ValueError: there is no such folder, it holds no image, or not in this split.
    """
    name = f"folder:{path}"
    here = f"config.data.name = {name!r}"
    if not is_local(path):
        raise ValueError(f"{here}: write a folder of this machine, such as a mount.")
    root = pathlib.Path(expanded(path, here))
    if split.lower() not in split_folders.KINDS:
        raise ValueError(
            f"config.data.train_split or eval_split = {split!r}: a folder has the"
            " splits 'train' and 'test', or 'val'."
        )
    if not root.is_dir():
        raise ValueError(
            f"{here}: there is no folder {root}; write where it is, also if it has moved."
        )
    try:
        listed = listing.read(root)
    except OSError as error:
        raise ValueError(
            f"{here}: {error.filename} cannot be listed ({error.strerror}): mend that, or"
            " move it elsewhere."
        ) from error
    if not listed.files:
        left_out = listed.describe_left_out()
        raise ValueError(
            f"{here}: no image ({', '.join(SUFFIXES)}) below {root}"
            + (f", but {left_out}." if left_out else ".")
        )
    parts = LAYOUTS[layout](listed, here, path)
    kind = parts.name_of(split)
    folder, files = parts.splits[kind]
    held = {
        name: Contents(root / part.folder, part.files)
        for name, part in parts.splits.items()
    }
    frame = Frame(
        channels=channels or 3,
        image_size=image_size,
        center_crop=center_crop,
        upright=True,
    )
    broken = _broken(root / folder, files, frame) if skip_broken else set()
    if len(files) == len(broken):
        raise ValueError(
            f"{here}: no image of the split {split!r} is left. More images, or"
            " sub-folders 'train' and 'test', would be."
        )
    classes = parts.classes
    source = FolderSource(name, kind, root / folder, held[kind], classes, frame, broken)
    _tell(name, listed, parts, held)
    if split_folders.KINDS[split.lower()] != kind:
        _log_once(logging.INFO, f"{name}: the split {split!r} is its folder {folder!r}")
    return source


def _tell(
    name: str, listed: Listing, parts: Layout, splits: Mapping[str, Contents]
) -> None:
    """Logs what a folder holds in one line, and what may be meant otherwise in others."""
    all_files = [file for split in parts.splits.values() for file in split.files]
    sizes = ", ".join(f"{kind} {len(c.files)}" for kind, c in splits.items())
    said = [f"{len(all_files)} images ({sizes})"]
    if len(parts.classes) > 1:
        counts = Counter(class_of(file.path) for file in all_files)
        named = [f"{name or NO_CLASS} {counts[name]}" for name in parts.classes]
        more = len(named) - NUM_CLASSES_NAMED
        named[NUM_CLASSES_NAMED:] = [f"and {more} more"] if more > 0 else []
        said.append(f"{len(parts.classes)} classes ({', '.join(named)})")
    facts = {
        f"{parts.splits[kind].folder}/{path}".lstrip("/"): fact
        for kind, c in splits.items()
        for path, fact in c.facts.items()
    }
    said.append(_sizes(facts, len(all_files)))
    if parts.num_outside:
        said.append(f"{parts.num_outside} images in no split left out")
    if left_out := listed.describe_left_out():
        said.append(f"left out {left_out}")
    _log_once(logging.INFO, f"{name}: {'; '.join(said)}")
    several = sorted(path for path, fact in facts.items() if fact.holds_several)
    remarks = list(parts.remarks)
    if several:
        remarks.append(
            f"{len(several)} files hold several images (such as {several[0]}), of which the"
            " first is taken"
        )
    for remark in [*remarks, *_copies(splits)]:
        _log_once(logging.WARNING, f"{name}: {remark}")


def _sizes(facts: Mapping[str, Facts], num_files: int) -> str:
    """The sizes of images in words, of as many as were looked at."""
    shapes = {(f.height, f.width) for f in facts.values() if f.height}
    if not shapes:
        return "sizes unknown"
    least, most = min(shapes, key=_area), max(shapes, key=_area)
    text = f"{least[0]}x{least[1]}"
    if len(shapes) > 1:
        text += f" to {most[0]}x{most[1]}"
    of = "" if len(facts) == num_files else f" (by {len(facts)} of them)"
    return f"{text} pixels{of}"


def _area(shape: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    return shape[0] * shape[1], shape


def _copies(splits: Mapping[str, Contents]) -> list[str]:
    """A sentence for each split that has images of the training split."""
    remarks = []
    for kind, other in splits.items():
        if kind == split_folders.TRAIN:
            continue
        pairs, num_unknown = contents.copies(splits[split_folders.TRAIN], other)
        if pairs:
            ours, theirs = pairs[0]
            unknown = f"; {num_unknown} were not looked at" if num_unknown else ""
            remarks.append(
                f"{len(pairs)} images of {kind!r} are in {split_folders.TRAIN!r} too (such as"
                f" {theirs}, there {ours}){unknown}"
            )
    return remarks


@functools.cache
def _log_once(level: int, line: str) -> None:
    """Logs a line, unless this process has: each split of a folder would say the same."""
    logging.log(level, line)


def _broken(root: pathlib.Path, files: Sequence[File], frame: Frame) -> set[str]:
    """The paths of the images that cannot be decoded, which are logged."""

    def complaint(file: File) -> str | None:
        try:
            frame.read(root / file.path, _title(file.path))
        except BrokenImageError as error:
            return str(error)
        return None

    logging.info("looking for broken images among %d of %s ...", len(files), root)
    with ThreadPoolExecutor(NUM_CHECKING_THREADS) as threads:
        complaints = list(threads.map(complaint, files))
    broken = [text for text in complaints if text is not None]
    for text in broken:
        logging.warning("skipping a broken image: %s", text)
    logging.info("%d of %d images are broken and skipped", len(broken), len(files))
    return {f.path for f, text in zip(files, complaints, strict=True) if text}


def _title(path: str) -> str:
    return f"image {path}"
