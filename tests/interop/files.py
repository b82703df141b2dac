"""Files of torch.save put together by hand, ones that mean harm among them."""

import struct
import time
import zipfile
from typing import NamedTuple

import numpy as np
import pytest

from ddpm_jax.interop.torch_file import TorchFileError, read_state_dict

FORMATS = ["zip", "legacy"]


REBUILD = "torch._utils _rebuild_tensor_v2"


class Global(NamedTuple):
    name: str


class Call(NamedTuple):
    function: Global
    arguments: object


class Persistent(NamedTuple):
    identity: object


class Raw(NamedTuple):
    code: bytes


def encoded(value):
    """The instructions of pickle's protocol 2 that make a value."""
    match value:
        case None | True | False:
            return {None: b"N", True: b"\x88", False: b"\x89"}[value]
        case Raw(code):
            return code
        case Global(name):
            return b"c" + name.replace(" ", "\n").encode() + b"\n"
        case Call(function, arguments):
            return encoded(function) + encoded(arguments) + b"R"
        case Persistent(identity):
            return encoded(identity) + b"Q"
        case int():
            size = value.bit_length() // 8 + 1
            code = value.to_bytes(size, "little", signed=True)
            return b"\x8a" + bytes([size]) + code
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case tuple():
            return b"(" + b"".join(map(encoded, value)) + b"t"
        case list():
            return b"](" + b"".join(map(encoded, value)) + b"e"
        case dict():
            items = (encoded(part) for item in value.items() for part in item)
            return b"}(" + b"".join(items) + b"u"
    raise TypeError(value)


def pickled(value):
    return b"\x80\x02" + encoded(value) + b"."


def storage(key="0", count=6, name="FloatStorage", *view):
    return Persistent(("storage", Global(f"torch {name}"), key, "cpu", count, *view))


def tensor(held=None, offset=0, shape=(2, 3), strides=(3, 1)):
    hooks = Call(Global("collections OrderedDict"), ())
    held = held or storage()
    return Call(Global(REBUILD), (held, offset, shape, strides, False, hooks))


def write_zip(path, loaded, storages, **changes):
    """changes: entries other than what torch writes."""
    entries = {"data.pkl": pickled(loaded), "byteorder": b"little", "version": b"3\n"}
    entries |= {f"data/{key}": value.tobytes() for key, value in storages.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in (entries | changes).items():
            if value is not None:
                archive.writestr(f"archive/{name}", value)


def write_legacy(
    path, loaded, storages, protocol=1001, machine=None, keys=None, counts=None
):
    """protocol, machine, keys, counts: other than what torch writes."""
    machine = machine or {"protocol_version": 1001, "little_endian": True}
    parts = [0x1950A86A20F9469CFC6C, protocol, machine, loaded, keys or list(storages)]
    code = b"".join(map(pickled, parts))
    for key, value in storages.items():
        count = (counts or {}).get(key, value.size)
        code += struct.pack("<q", count) + value.tobytes()
    path.write_bytes(code)


WRITE = {"zip": write_zip, "legacy": write_legacy}


SIX = {"0": np.arange(6, dtype=np.float32)}


def refused(path, message):
    start = time.monotonic()
    with pytest.raises(TorchFileError, match=message) as caught:
        read_state_dict(path)
    assert time.monotonic() - start < 10
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and len(text.splitlines()) == 1
    assert len(text) < len(str(path)) + 300
