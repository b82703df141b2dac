"""Samples on disk, in files that are written as they are drawn and survive an interruption.

Sample j is a function of its number alone, so the files tell where to go on, and a file that
is written again is the same file. Beside them samples.json records what the samples depend
on: samples that depend on something else do not go into the same folder.

Files are numbered as those of all samples from 0 on, whichever of them a folder holds: sample
j is in file j // shard_size.
"""

import dataclasses
import errno
import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
from etils import epath

from ddpm_jax.core import files
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.data.source import Images, pixel_dtype
from ddpm_jax.pictures import encoding

RECORD = "samples.json"
# The number of differing fields that an error names.
NUM_NAMED = 3


@dataclasses.dataclass(frozen=True)
class Format:
    """A format of image files.

    Attributes:
      file_name: template of file names, by their numbers.
      is_sharded: whether many images share a file, rather than each having its own.
      encode: images as pixel values, number of values -> a file's content.
      decode: a file's content, number of values -> images.
      holds_real_numbers: whether it can hold continuous data.
    """

    file_name: str
    is_sharded: bool
    encode: Callable[[Images, int], bytes]
    decode: Callable[[bytes, int], Images]
    holds_real_numbers: bool


def to_npz(images: Images, num_values: int) -> bytes:
    """The content of an array file of images as pixel values, or as real numbers."""
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
    "npz": Format("{:05d}.npz", True, to_npz, _from_npz, True),
    "png": Format("{:06d}.png", False, _to_png, _from_png, False),
}


class Shards:
    """A folder of samples, written in order.

    Args:
      folder: the folder, which `begin` makes.
      identity: all that samples depend on beside their numbers, by name; plain values.
      num_samples: number of samples to be; it may grow from one start to the next.
      first: number of the first of them.
      shape: shape of an image, (height, width, channels).
      num_values: number of pixel values; 0: the data are continuous.
      shard_size: samples in a file, in a sharded format.
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
        first: int = 0,
        is_writer: bool = True,
    ) -> None:
        self._folder = folder
        self._format = FORMATS[form]
        self._per_file = shard_size if self._format.is_sharded else 1
        self._num_samples = num_samples
        self._first = first
        self._shape = shape
        self._num_values = num_values
        self._is_writer = is_writer
        # As it will be read back from JSON.
        self._record = json.loads(
            json.dumps(
                {
                    "identity": dict(identity),
                    "format": form,
                    "shard_size": self._per_file,
                    "shape": shape,
                    "num_values": num_values,
                    "first": first,
                }
            )
        )
        self._num_stored = 0
        self._no_images = np.zeros((0, *shape), pixel_dtype(num_values))
        self._waiting = self._no_images

    def begin(self) -> int:
        """Makes or opens the folder.

        Returns:
          The number of the next sample to draw, the first that is missing or whose file is
          damaged. A last file that is to become longer does not count.

        Raises:
          ConfigError: the folder cannot be written, or holds something else.
        """
        try:
            if self._is_writer:
                self._folder.mkdir(parents=True, exist_ok=True)
            names = self._names()
            saved = self._checked_record(names)
            self._num_stored = self._count(names)
            num_samples = max(self._num_samples, self._num_stored)
            record = self._record | {"num_samples": num_samples}
            is_done = saved == record and self._num_stored >= self._num_samples
            if self._is_writer and not is_done:
                text = json.dumps(record, indent=2) + "\n"
                files.replace_text(self._folder / RECORD, text)
        except OSError as error:
            raise ConfigError(
                f"{error.filename or self._folder} cannot be written"
                f" ({error.strerror or error}): nothing"
                " was drawn. Write a config.sample.folder that can be."
            ) from error
        self._waiting = self._no_images
        return self._first + self._num_stored

    def add(self, first: int, images: Images) -> None:
        """Adds the samples `first`, `first + 1`, ..., and writes the files that are full.

        The last, shorter file is written with the last sample. Samples that were added before,
        and those from `num_samples` on, are ignored.

        Raises:
          ConfigError: the disk is full, or fails. What was written stays.
        """
        if not self._is_writer:
            return
        next_number = self._next + len(self._waiting)
        if first > next_number:
            raise ValueError(
                f"sample {first} is added, but {next_number} would be next"
            )
        new = images[next_number - first :]
        self._waiting = np.concatenate([self._waiting, new])
        while num := self._num_ready():
            data = self._format.encode(self._waiting[:num], self._num_values)
            try:
                files.replace_bytes(self._file(self._next), data)
            except OSError as error:
                is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                raise ConfigError(
                    f"{self._folder} cannot be written ({error.strerror or error}):"
                    f" {self._num_stored} of {self._num_samples} samples are there;"
                    f" {'make room' if is_full else 'mend that'} and run the same command"
                    " again, which goes on from there."
                ) from error
            self._num_stored += num
            self._waiting = self._waiting[num:]

    def read(self, num: int) -> Images:
        """Reads the first `num` samples from the disk, as pixel values.

        Raises:
          ConfigError: one of them is not there, or its file is damaged.
        """
        return np.concatenate([self._no_images, *self.each_file(num)])[:num]

    def each_file(self, num: int) -> Iterator[Images]:
        """Reads the files of the first `num` samples, one after the other.

        Raises:
          ConfigError: one of these is not there, or its file is damaged.
        """
        first, end = self._first, self._first + num
        while first < end:
            file, room = self._file(first), self._room(first)
            try:
                images = self._images(file.read_bytes())
            except OSError as error:
                raise ConfigError(
                    f"{file} cannot be read: {error.strerror or error}."
                ) from error
            if not min(end - first, room) <= len(images) <= room:
                raise ConfigError(
                    f"{file} is damaged or cut off: remove it and run the same command"
                    " again, which draws its samples again."
                )
            yield images
            first += room

    def _num_ready(self) -> int:
        """How many of the waiting samples go into the next file; 0: more are needed."""
        missing = max(0, self._num_samples - self._num_stored)
        num = min(self._room(self._next), missing)
        return num if num <= len(self._waiting) else 0

    @property
    def _next(self) -> int:
        """The number of the next sample to store."""
        return self._first + self._num_stored

    def _file(self, number: int) -> epath.Path:
        """The path of the file of a sample."""
        return self._folder / self._format.file_name.format(number // self._per_file)

    def _room(self, number: int) -> int:
        """The samples of a file from the given one on."""
        return self._per_file - number % self._per_file

    def _images(self, data: bytes) -> Images:
        """The images of a file's content; none if it is damaged."""
        try:
            images = self._format.decode(data, self._num_values)
        except Exception:  # A damaged file can raise any exception.
            return self._no_images
        fits = images.shape[1:] == self._shape and images.dtype == self._no_images.dtype
        is_ours = fits and len(images) <= self._per_file
        return images if is_ours else self._no_images

    def _names(self) -> set[str]:
        """The names of the folder's files, without the temporary ones of a killed process."""
        if not self._folder.exists():
            return set()
        names = {file.name for file in self._folder.iterdir()}
        return {name for name in names if not name.endswith(".tmp")}

    def _count(self, names: Collection[str]) -> int:
        """The number of samples stored; a file of one image is trusted by its name."""
        num_stored = 0
        while (file := self._file(self._first + num_stored)).name in names:
            num, room = 1, self._room(self._first + num_stored)
            if self._format.is_sharded:
                num = len(self._images(file.read_bytes()))
            if num != room:
                is_last = num < room and num_stored + num >= self._num_samples
                return num_stored + num if is_last else num_stored
            num_stored += num
        return num_stored

    def _checked_record(self, names: Collection[str]) -> Any:
        """The record in samples.json, checked against this one; None if there is none yet."""
        remedy = "write another config.sample.folder, or remove that one."
        if RECORD not in names:
            if names:
                raise ConfigError(
                    f"{self._folder} holds files of something else, such as"
                    f" {min(names)!r}: {remedy}"
                )
            return None
        try:
            saved = read_record(self._folder)
        except ConfigError as error:
            raise ConfigError(f"{error}: {remedy}") from error
        changed = differences(self._record, saved)
        if changed:
            named, more = changed[:NUM_NAMED], len(changed) - NUM_NAMED
            raise ConfigError(
                f"{self._folder} holds samples of something else:"
                f" {'; '.join(named)}{f' and {more} more' if more > 0 else ''}: {remedy}"
            )
        return saved


def read_record(folder: epath.Path) -> Any:
    """What a folder's samples.json holds, as this version writes it.

    Raises:
      ConfigError: it is no JSON.
      OSError: it cannot be read.
    """
    try:
        record = json.loads((folder / RECORD).read_text())
    except ValueError as error:
        raise ConfigError(
            f"{folder / RECORD} cannot be read as JSON ({error})"
        ) from error
    if not isinstance(record, Mapping) or not isinstance(
        record.get("identity"), Mapping
    ):
        return record
    identity = dict(record["identity"])
    if "config.seed" in identity:
        identity["seed"] = identity.pop("config.seed")
    return {"first": 0, **record, "identity": identity}


def differences(ours: Mapping[str, Any], theirs: Any) -> list[str]:
    """The fields in which two records differ, except the number of samples."""
    now, then = flat(ours), flat(theirs) if isinstance(theirs, Mapping) else {}
    then.pop("num_samples", None)
    changed = []
    for field in {**now, **then}:
        new, old = now.get(field, "absent"), then.get(field, "absent")
        if new != old:
            name = field.removeprefix("identity.")
            changed.append(f"{name} (now {new!r}, then {old!r})")
    return changed
