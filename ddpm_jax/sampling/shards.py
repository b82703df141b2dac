"""Samples on disk, written as they are drawn: what is there stays, whatever happens after.

Sample j is a function of its number alone, so the files say where to go on, and a file
that is written once more is the same file. Beside them samples.json says what the samples
depend on: samples of something else do not go into the same folder.
"""

import dataclasses
import errno
import io
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import UInt8

from ddpm_jax.core import files
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.pictures import encoding

RECORD = "samples.json"
# Fields that an error names of those in which two folders' samples differ.
NUM_NAMED = 3

Images = UInt8[np.ndarray, "samples height width channels"]


@dataclasses.dataclass(frozen=True)
class Format:
    """How images become files.

    Attributes:
      file_name: of the file of a number, from 0 on.
      is_sharded: many images share a file, rather than one having its own.
      encode: images, as pixel values, and how many values there are -> a file's content.
      decode: a file's content, and how many values there are -> the images.
    """

    file_name: str
    is_sharded: bool
    encode: Callable[[Images, int], bytes]
    decode: Callable[[bytes, int], Images]


def to_npz(images: Images, num_values: int) -> bytes:
    """Images, as pixel values, as an array file's content."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=images, num_values=num_values)
    return buffer.getvalue()


def _from_npz(data: bytes, num_values: int) -> Images:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return arrays["images"]


def _to_png(images: Images, num_values: int) -> bytes:
    return encoding.png(encoding.to_uint8(images[0], num_values))


def _from_png(data: bytes, num_values: int) -> Images:
    return encoding.from_uint8(encoding.from_png(data), num_values)[None]


# By name. An array file holds pixel values as they are, a PNG file has them fill 0..255.
FORMATS: Mapping[str, Format] = {
    "npz": Format("{:05d}.npz", True, to_npz, _from_npz),
    "png": Format("{:06d}.png", False, _to_png, _from_png),
}


class Shards:
    """A folder that samples go to.

    Args:
      folder: made by `begin`.
      identity: what the samples depend on beside their numbers, by name; plain values.
      num_samples: how many there are to be. It may grow from one start to the next.
      shape: of an image, (height, width, channels).
      num_values: that a pixel has.
      shard_size: samples a file, where a file has many.
      form: one of `FORMATS`.
      is_writer: False for the processes that only read: all but one.
    """

    def __init__(
        self,
        folder: epath.Path,
        identity: Mapping[str, Any],
        *,
        num_samples: int,
        shape: tuple[int, int, int],
        num_values: int,
        shard_size: int,
        form: str,
        is_writer: bool = True,
    ) -> None:
        self._folder = folder
        self._format = FORMATS[form]
        self._per_file = shard_size if self._format.is_sharded else 1
        self._num_samples = num_samples
        self._shape = shape
        self._num_values = num_values
        self._is_writer = is_writer
        # As JSON gives it back.
        self._record = json.loads(
            json.dumps(
                {
                    "identity": dict(identity),
                    "format": form,
                    "shard_size": self._per_file,
                    "shape": shape,
                    "num_values": num_values,
                }
            )
        )
        self._num_there = 0
        self._nothing = np.zeros((0, *shape), np.uint8)
        self._waiting = self._nothing

    def begin(self) -> int:
        """Makes or opens the folder.

        Returns:
          How many samples are there, from the first on, up to one that is not or whose file
          is damaged. A last file that is to become longer does not count.

        Raises:
          ConfigError: the folder cannot be written, or holds something else.
        """
        try:
            if self._is_writer:
                self._folder.mkdir(parents=True, exist_ok=True)
            names = self._names()
            saved = self._checked_record(names)
            self._num_there = self._count(names)
            num_samples = max(self._num_samples, self._num_there)
            record = self._record | {"num_samples": num_samples}
            is_done = saved == record and self._num_there >= self._num_samples
            if self._is_writer and not is_done:
                text = json.dumps(record, indent=2) + "\n"
                files.replace_text(self._folder / RECORD, text)
        except OSError as error:
            raise ConfigError(
                f"{self._folder} cannot be written ({error.strerror or error}): nothing"
                " was drawn. Write a config.sample.folder that can be."
            ) from error
        self._waiting = self._nothing
        return self._num_there

    def add(self, first: int, images: Images) -> None:
        """Takes the samples `first`, `first + 1`, ..., and writes the files that are full.

        The last, shorter file is written with the last sample. Those taken before, and
        those from `num_samples` on, are left out.

        Raises:
          ConfigError: the disk is full, or fails. What was written stays.
        """
        if not self._is_writer:
            return
        next_one = self._num_there + len(self._waiting)
        if first > next_one:
            raise ValueError(f"sample {first} is added, but {next_one} would be next")
        new = images[next_one - first :]
        self._waiting = np.concatenate([self._waiting, new])
        while num := self._num_ready():
            data = self._format.encode(self._waiting[:num], self._num_values)
            try:
                files.replace_bytes(self._file(self._num_there), data)
            except OSError as error:
                is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                raise ConfigError(
                    f"{self._folder} cannot be written ({error.strerror or error}):"
                    f" {self._num_there} of {self._num_samples} samples are there;"
                    f" {'make room' if is_full else 'mend that'} and run the same command"
                    " again, which goes on from there."
                ) from error
            self._num_there += num
            self._waiting = self._waiting[num:]

    def read(self, num: int) -> Images:
        """The first `num` samples from the disk, as pixel values.

        Raises:
          ConfigError: one of them is not there, or its file is damaged.
        """
        found = [self._nothing]
        for first in range(0, num, self._per_file):
            file = self._file(first)
            try:
                images = self._images(file.read_bytes())
            except OSError as error:
                raise ConfigError(
                    f"{file} cannot be read: {error.strerror or error}."
                ) from error
            if first + len(images) < min(num, first + self._per_file):
                raise ConfigError(
                    f"{file} is damaged or cut off: remove it and run the same command"
                    " again, which draws its samples again."
                )
            found.append(images)
        return np.concatenate(found)[:num]

    def _num_ready(self) -> int:
        """Of the samples that wait, how many go into the next file; 0: wait for more."""
        missing = max(0, self._num_samples - self._num_there)
        num = min(self._per_file, missing)
        return num if num <= len(self._waiting) else 0

    def _file(self, first: int) -> epath.Path:
        """That which sample `first` is the first of."""
        return self._folder / self._format.file_name.format(first // self._per_file)

    def _images(self, data: bytes) -> Images:
        """Those of a file's content; none where it is damaged."""
        try:
            images = self._format.decode(data, self._num_values)
        except Exception:  # Damage raises whatever it leads the decoder into.
            return self._nothing
        is_ours = images.shape[1:] == self._shape and len(images) <= self._per_file
        return images if is_ours else self._nothing

    def _names(self) -> set[str]:
        """Of the folder's files, those left out that a kill has cut off."""
        if not self._folder.exists():
            return set()
        names = {file.name for file in self._folder.iterdir()}
        return {name for name in names if not name.endswith(".tmp")}

    def _count(self, names: Collection[str]) -> int:
        """How many samples are there; a file of one image is trusted by its name."""
        num_there = 0
        while (file := self._file(num_there)).name in names:
            num = 1
            if self._format.is_sharded:
                num = len(self._images(file.read_bytes()))
            if num < self._per_file:
                is_last = num_there + num >= self._num_samples
                return num_there + num if is_last else num_there
            num_there += num
        return num_there

    def _checked_record(self, names: Collection[str]) -> Any:
        """What samples.json says, None before there is one, if it says the same as ours."""
        remedy = "write another config.sample.folder, or remove that one."
        if RECORD not in names:
            if names:
                raise ConfigError(
                    f"{self._folder} holds files of something else, such as"
                    f" {min(names)!r}: {remedy}"
                )
            return None
        try:
            saved = json.loads((self._folder / RECORD).read_text())
        except ValueError as error:
            raise ConfigError(
                f"{self._folder / RECORD} cannot be read as JSON ({error}): {remedy}"
            ) from error
        changed = _differences(self._record, saved)
        if changed:
            named, more = changed[:NUM_NAMED], len(changed) - NUM_NAMED
            raise ConfigError(
                f"{self._folder} holds samples of something else:"
                f" {'; '.join(named)}{f' and {more} more' if more > 0 else ''}: {remedy}"
            )
        return saved


def _differences(ours: Mapping[str, Any], theirs: Any) -> list[str]:
    """Fields in which two records differ, how many samples there are to be left out."""
    now, then = flat(ours), flat(theirs) if isinstance(theirs, Mapping) else {}
    then.pop("num_samples", None)
    changed = []
    for field in {**now, **then}:
        new, old = now.get(field, "absent"), then.get(field, "absent")
        if new != old:
            name = field.removeprefix("identity.")
            changed.append(f"{name} (now {new!r}, then {old!r})")
    return changed
