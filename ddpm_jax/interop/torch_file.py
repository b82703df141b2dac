"""State dicts that torch.save wrote, read without torch.

Both of its formats are read: a zip archive (PyTorch 1.6 and later) and, before that, pickles
followed by the raw storages. No more memory is allocated than the file holds bytes, whatever
it claims, and nothing in it is run.
"""

import io
import math
import os
import pathlib
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from ddpm_jax.interop import torch_pickle
from ddpm_jax.interop.torch_pickle import RefusedError, Storage, Tensor, shortened

ZIP_START = b"PK\x03\x04"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
NOT_A_CHECKPOINT = "it does not start as a file of torch.save does"

# The bytes of each storage, by its key.
Storages = Mapping[str, bytes | memoryview]


class TorchFileError(ValueError):
    """The error of a file that is no state dict, is damaged, or would run code."""


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint by their names, in the file's order.

    The arrays are read-only views of what was read; those that shared memory still do.

    Raises:
      TorchFileError: the file is not a dictionary of tensors as torch.save writes it, is
        damaged, is of a big-endian machine, or asks for more than a state dict needs. One
        line that begins with the path.
      OSError: it cannot be opened.
    """
    path = pathlib.Path(path)
    # A pipe or a device has no end to check sizes against.
    if path.exists() and not path.is_file():
        raise TorchFileError(f"{path}: it is not a file.")
    try:
        content = path.read_bytes()
        read = _read_zip if content.startswith(ZIP_START) else _read_legacy
        tensors, storages = read(content)
        return {
            name: _array(name, tensor, storages) for name, tensor in tensors.items()
        }
    except RefusedError as error:
        raise TorchFileError(f"{path}: {error}.") from error


def _read_zip(content: bytes) -> tuple[dict[str, Tensor], Storages]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _read_archive(archive, len(content))
    except RefusedError:
        raise
    # A damaged archive makes zipfile raise exceptions of many types.
    except Exception as error:
        reason = shortened(f"{type(error).__name__}: {error}")
        raise RefusedError(f"a damaged zip archive, {reason}") from error


def _read_archive(
    archive: zipfile.ZipFile, size: int
) -> tuple[dict[str, Tensor], Storages]:
    entries = {entry.filename: entry for entry in archive.infolist()}
    # torch.save does not compress, so a claim beyond the file's size is a lie.
    total = sum(entry.file_size for entry in entries.values())
    compressed = any(e.compress_type != zipfile.ZIP_STORED for e in entries.values())
    if compressed or total > size:
        raise RefusedError(f"an archive of {total} bytes in a file of {size}")
    roots = [name[: -len("data.pkl")] for name in entries if _is_pickle(name)]
    if len(roots) != 1:
        raise RefusedError(f"an archive of {len(roots)} files data.pkl, not of one")
    root = roots[0]
    if f"{root}byteorder" in entries:
        order = archive.read(f"{root}byteorder")
        if order != b"little":
            raise RefusedError(f"its byte order is {order[:20]!r}, not b'little'")
    pickled = io.BytesIO(archive.read(f"{root}data.pkl"))
    tensors = _state_dict(torch_pickle.load(pickled))

    storages = {}
    for storage in _storages_of(tensors).values():
        name = f"{root}data/{storage.key}"
        if name not in entries:
            raise RefusedError(f"it holds no storage {shortened(storage.key)}")
        _check_count(storage, entries[name].file_size / storage.dtype.itemsize)
        storages[storage.key] = archive.read(name)
    return tensors, storages


def _is_pickle(name: str) -> bool:
    return name == "data.pkl" or name.endswith("/data.pkl")


def _read_legacy(content: bytes) -> tuple[dict[str, Tensor], Storages]:
    """Reads magic number, protocol, machine, tensors and keys as pickles, then storages."""
    file = io.BytesIO(content)
    try:
        magic = torch_pickle.load(file)
    except RefusedError as error:
        raise RefusedError(NOT_A_CHECKPOINT) from error
    if magic != LEGACY_MAGIC:
        raise RefusedError(NOT_A_CHECKPOINT)
    protocol = torch_pickle.load(file)
    if protocol != LEGACY_PROTOCOL:
        raise RefusedError(f"it is not of protocol {LEGACY_PROTOCOL}")
    machine = torch_pickle.load(file)
    if type(machine) is not dict or machine.get("little_endian") is not True:
        raise RefusedError("it was not written by a little-endian machine")
    tensors = _state_dict(torch_pickle.load(file))
    expected = _storages_of(tensors)
    keys = torch_pickle.load(file)
    if type(keys) is not list or not all(type(key) is str for key in keys):
        raise RefusedError("its list of storages is no list of names")
    storages: dict[str, bytes | memoryview] = {}
    place = file.tell()
    for key in keys:
        if key not in expected or key in storages:
            raise RefusedError(f"no tensor is of its storage {shortened(key)}")
        # The number of elements, then the elements.
        (count,) = struct.unpack("<q", _cut(content, place, 8))
        _check_count(expected[key], count)
        num_bytes = count * expected[key].dtype.itemsize
        storages[key] = _cut(content, place + 8, num_bytes)
        place += 8 + num_bytes
    missing = [key for key in expected if key not in storages]
    if missing:
        raise RefusedError(f"it holds no storage {shortened(missing[0])}")
    return tensors, storages


def _cut(content: bytes, start: int, num_bytes: int) -> memoryview:
    """A part of the file as a view, without a copy."""
    missing = start + num_bytes - len(content)
    if missing > 0:
        raise RefusedError(f"it ends {missing} bytes too early")
    return memoryview(content)[start : start + num_bytes]


def _state_dict(loaded: Any) -> dict[str, Tensor]:
    if type(loaded) is not dict:
        raise RefusedError(
            f"it holds a value of type {type(loaded).__name__}, not a state dict"
        )
    for name, value in loaded.items():
        if type(value) is not Tensor:
            raise RefusedError(
                f"its entry {shortened(name)} is of type {type(value).__name__},"
                " not a tensor"
            )
    return loaded


def _storages_of(tensors: Mapping[str, Tensor]) -> dict[str, Storage]:
    storages: dict[str, Storage] = {}
    for tensor in tensors.values():
        storage = tensor.storage
        if storages.setdefault(storage.key, storage) != storage:
            raise RefusedError(
                f"its tensors disagree about the storage {shortened(storage.key)}"
            )
    return storages


def _check_count(storage: Storage, num_elements: int | float) -> None:
    if num_elements != storage.num_elements:
        raise RefusedError(
            f"its storage {shortened(storage.key)} is of {num_elements:g} elements where its"
            f" tensors say {storage.num_elements}"
        )


def _array(name: str, tensor: Tensor, storages: Storages) -> np.ndarray:
    storage, offset, shape, strides = tensor
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    num_elements = math.prod(shape)
    # Strides of 0 would make much of little: no state dict has them.
    if num_elements > storage.num_elements or (
        num_elements and last >= storage.num_elements
    ):
        raise RefusedError(
            f"{shortened(name)}, of shape {shape}, strides {strides} and offset {offset},"
            f" lies outside of its storage of {storage.num_elements} elements"
        )
    if not num_elements:
        return np.empty(shape, storage.dtype)
    size = storage.dtype.itemsize
    return np.ndarray(
        shape,
        storage.dtype,
        storages[storage.key],
        offset * size,
        tuple(stride * size for stride in strides),
    )
