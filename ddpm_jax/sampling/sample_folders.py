"""Several folders of samples as one set: those of jobs that shared out a range of numbers."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from ddpm_jax.core import paths
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.sampling import shards
from ddpm_jax.sampling.shards import Images, Shards

# Characters of a pattern of paths.
PATTERN = "*?["
# The fields of a record that must agree, beside those of the identity.
SHARED = ("identity", "shape", "num_values")


class Folder(NamedTuple):
    """A folder of samples, and what is there of them.

    Attributes:
      path: the folder.
      record: what samples.json says.
      first: number of the first sample.
      end: the number behind that of the last one that is stored.
      store: the files.
    """

    path: epath.Path
    record: Mapping[str, Any]
    first: int
    end: int
    store: Shards


class SampleSet(NamedTuple):
    """Samples of one identity in the order of their numbers.

    Attributes:
      folders: their folders; no two have a number in common.
    """

    folders: Sequence[Folder]

    @property
    def identity(self) -> Mapping[str, Any]:
        """All that the samples depend on beside their numbers."""
        identity: Mapping[str, Any] = self.folders[0].record["identity"]
        return identity

    @property
    def num_values(self) -> int:
        """The number of pixel values."""
        return int(self.folders[0].record["num_values"])

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The numbers of the samples: the first and the one behind the last of each folder."""
        return [(folder.first, folder.end) for folder in self.folders]

    def __len__(self) -> int:
        return sum(end - first for first, end in self.ranges)

    def read(self, num: int) -> Images:
        """The first `num` samples or, if they are fewer, all; as pixel values.

        Raises:
          ConfigError: a file cannot be read.
        """
        return next(self.batches(num))

    def batches(self, size: int) -> Iterator[Images]:
        """All samples in order, so many at a time; the last may be fewer.

        Raises:
          ConfigError: a file cannot be read.
        """
        waiting: list[Images] = []
        num_waiting = 0
        for folder in self.folders:
            left = folder.end - folder.first
            for images in folder.store.each_file(left):
                waiting.append(images[:left])
                num_waiting += len(waiting[-1])
                left -= len(waiting[-1])
                while num_waiting >= size:
                    joined = np.concatenate(waiting)
                    yield joined[:size]
                    waiting, num_waiting = [joined[size:]], num_waiting - size
        if num_waiting:
            yield np.concatenate(waiting)


def is_one(text: epath.PathLike) -> bool:
    """Whether a text names folders of samples, and not a workdir: of the first it is asked."""
    first = os.fspath(text).split(",")[0].strip()
    try:
        return bool(_matching(first, "samples"))
    except ConfigError:
        return False


def gather(text: str, field: str) -> SampleSet:
    """The samples in some folders.

    Args:
      text: paths of folders, or patterns of them such as runs/a/samples/900_*, by commas.
      field: the field or flag that says so, with its value, for messages.

    Raises:
      ConfigError: a folder holds no samples, or two hold the same number, or samples of
        something else.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    found = [path for part in parts for path in _matching(part, field)]
    if not found:
        raise ConfigError(f"{field} names no folder of samples.")
    folders = sorted((_opened(path, field) for path in found), key=lambda f: f.first)
    for one, other in itertools.pairwise(folders):
        if other.first < one.end:
            raise ConfigError(
                f"{field}: {one.path} holds samples {one.first} to {one.end - 1}, and"
                f" {other.path} {other.first} to {other.end - 1}: leave one of them out."
            )
    first, *others = folders
    for other in others:
        ours, theirs = (
            {name: folder.record[name] for name in SHARED} for folder in (other, first)
        )
        if changed := shards.differences(ours, theirs):
            raise ConfigError(
                f"{field}: {other.path} and {first.path} hold samples of different things:"
                f" {changed[0]}; leave one of them out."
            )
    return SampleSet(folders)


def _matching(part: str, field: str) -> list[epath.Path]:
    """The folders that a path or a pattern names."""
    path = paths.expanded(part, field)
    if not any(letter in part for letter in PATTERN):
        found = [path]
    else:
        text = os.fspath(path)
        start = min(text.index(letter) for letter in PATTERN if letter in text)
        root, _, pattern = text[:start].rpartition("/")
        pattern += text[start:]
        anchor = epath.Path(root or ("/" if text.startswith("/") else "."))
        found = sorted(anchor.glob(pattern))
        found = [path for path in found if (path / shards.RECORD).exists()]
    if not found or not all((path / shards.RECORD).exists() for path in found):
        raise ConfigError(
            f"{field}: {part} is no folder with a {shards.RECORD}, as --mode=sample writes"
            " it."
        )
    return found


def _opened(path: epath.Path, field: str) -> Folder:
    try:
        record = shards.read_record(path)
        store = Shards(
            path,
            record["identity"],
            num_samples=record["num_samples"],
            first=record["first"],
            shape=tuple(record["shape"]),
            num_values=record["num_values"],
            shard_size=record["shard_size"],
            form=record["format"],
            is_writer=False,
        )
    except (OSError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{field}: {path / shards.RECORD} is no record of samples ({error})."
        ) from error
    end = store.begin()
    if end == record["first"]:
        raise ConfigError(f"{field}: {path} holds no sample yet.")
    return Folder(path, record, record["first"], end, store)
