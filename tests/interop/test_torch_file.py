"""Files of torch.save: real ones, ones put together by hand, and ones that mean harm.

Real ones are written by tests/interop/write_torch_files.py.
"""

import os
import pathlib
import struct
import time
import zipfile
from typing import NamedTuple

import numpy as np
import pytest

from ddpm_jax.interop import torch_file, torch_pickle
from ddpm_jax.interop.torch_file import TorchFileError, read_state_dict

REAL = pathlib.Path(__file__).parent
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


@pytest.fixture(params=FORMATS)
def write(request, tmp_path):
    """Writes a file of one of the formats and returns its path."""

    def write(loaded, storages=SIX):
        path = tmp_path / "w.pth"
        WRITE[request.param](path, loaded, storages)
        return path

    return write


def refused(path, message):
    start = time.monotonic()
    with pytest.raises(TorchFileError, match=message) as caught:
        read_state_dict(path)
    assert time.monotonic() - start < 10
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and len(text.splitlines()) == 1
    assert len(text) < len(str(path)) + 300


@pytest.mark.parametrize("name", FORMATS)
def test_what_torch_wrote_is_read(name):
    arrays = read_state_dict(REAL / f"{name}.pth")
    whole = np.arange(12, dtype=np.float32).reshape(3, 4)
    want = {
        "weight": np.ones(3),
        "bias": np.zeros(3),
        "running_mean": np.zeros(3),
        "running_var": np.ones(3),
        "num_batches_tracked": np.array(0),
        "whole": whole,
        "transposed": whole.T,
        "part": whole[1:, ::2],
        "half": np.array([0.5, -2.0], np.float16),
    }
    for dtype in (np.int64, np.int32, np.int16, np.int8, np.uint8):
        want[f"torch.{np.dtype(dtype)}"] = np.arange(5, dtype=dtype)
    assert list(arrays) == list(want)
    for key, value in want.items():
        assert arrays[key].dtype == value.dtype
        np.testing.assert_array_equal(arrays[key], value, strict=True)
        assert not arrays[key].flags.writeable
    assert np.shares_memory(arrays["whole"], arrays["part"])


def test_what_is_written_by_hand_is_read(write):
    state = {
        "a": tensor(),
        "b": tensor(offset=1, shape=(2, 2), strides=(1, 3)),
        "c": tensor(storage("1", 1, "LongStorage"), shape=(), strides=()),
        "d": tensor(shape=(0, 3), strides=(3, 1)),
    }
    arrays = read_state_dict(write(state, SIX | {"1": np.array([-7])}))
    np.testing.assert_array_equal(arrays["a"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(arrays["b"], [[1, 4], [2, 5]])
    assert arrays["c"] == -7 and arrays["c"].shape == () and arrays["d"].shape == (0, 3)


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("posix system", ("touch {}",)),
        ("os system", ("touch {}",)),
        ("builtins exec", ("open({!r}, 'w')",)),
        ("builtins getattr", (1, "real")),
        ("torch.storage _load_from_bytes", ("x",)),
        ("torch BFloat16Storage", ()),
    ],
)
def test_a_file_that_would_run_something_is_refused_by_name(write, name, arguments):
    victim = write({}).parent / "victim"
    arguments = tuple(
        value.format(str(victim)) if isinstance(value, str) else value
        for value in arguments
    )
    path = write({"a": tensor(), "b": Call(Global(name), arguments)})
    refused(path, f"asks for '{name.replace(' ', '.')}': only dictionaries of tensors")
    assert not victim.exists()


def test_python_itself_would_have_run_it(tmp_path):
    """The test above writes what pickle takes for a call."""
    import pickle

    victim = tmp_path / "victim"
    pickle.loads(pickled(Call(Global("os mkdir"), (str(victim),))))
    assert victim.exists()


@pytest.mark.parametrize(
    "name, arguments",
    [
        (REBUILD, (1, 2)),
        ("collections OrderedDict", (1, 2)),
        ("torch FloatStorage", tensor().arguments),
    ],
)
def test_even_allowed_names_are_called_only_as_they_should(write, name, arguments):
    path = write({"a": Call(Global(name), arguments)})
    refused(path, f"calls {name.replace(' ', '.')} with {len(arguments)} arguments")


@pytest.mark.parametrize(
    "code, message",
    [
        (b"\x93", "instruction STACK_GLOBAL"),
        (b"ios\nsystem\n", "instruction INST"),
        (b"(o", "instruction OBJ"),
        (b"N\x81", "instruction NEWOBJ"),
        (b"2", "instruction DUP"),
        (b"h\x07", "uses values it never made"),
        (b"j\xff\xff\xff\xff", "uses values it never made"),
        (b"\x85\x85\x85\x85\x85\x85\x85", "uses values it never made"),
        (b"t", "uses values it never made"),
        (b"\x8e" + b"\xff" * 7 + b"\0", "damaged pickle"),
        (b"X\xff\xff\xff\xff", "damaged pickle"),
        (b"\xff", "damaged pickle"),
        (b"X\x01\0\0\0\xff", "damaged pickle"),
        (b"NNa", "items are appended of a NoneType, not a list"),
        (b"N(u", "items are set of a NoneType, not a dict"),
        (b"}(Nu", "damaged pickle"),
        (b"}()Nu", "a key is looked up of a tuple, not a str"),
        (b"NNb", "attributes are set of a NoneType, not a dict"),
        (b")NR", "a call is made of a tuple, not a Name"),
        (b"NQ", "describes a storage"),
    ],
)
def test_a_damaged_or_strange_pickle_is_refused(write, code, message):
    refused(write(Raw(code), {}), message)


def test_a_pickle_of_endless_instructions_is_refused(write, monkeypatch):
    monkeypatch.setattr(torch_pickle, "MAX_INSTRUCTIONS", 1000)
    refused(write(Raw(b"N" * 2000), {}), "a pickle of over 1000 instructions")


@pytest.mark.parametrize(
    "held",
    [
        storage(count=-1),
        storage(count=2**60),
        storage(count=True),
        storage(key=7),
        storage("0", 6, "FloatStorage", ("1", 0, 6)),
        Persistent(("module", Global("torch FloatStorage"), "0", "cpu", 6)),
        Persistent(("storage", Global(REBUILD), "0", "cpu", 6)),
        Persistent(("storage", "torch.FloatStorage", "0", "cpu", 6)),
    ],
)
def test_a_strange_storage_is_refused(write, held):
    refused(write({"a": tensor(held)}), "describes a storage in a way")


@pytest.mark.parametrize(
    "changes",
    [
        {"held": (1, 2)},
        {"offset": -1},
        {"shape": (-2, 3)},
        {"strides": (3, -1)},
        {"strides": (1,)},
        {"shape": [2, 3]},
        {"shape": (2, "3")},
        {"shape": (1,) * 40, "strides": (1,) * 40},
        {"shape": (0, 2**63)},
    ],
)
def test_a_strange_tensor_is_refused(write, changes):
    refused(write({"a": tensor(**changes)}), "describes a tensor in a way")


@pytest.mark.parametrize(
    "changes",
    [
        {"offset": 1},
        {"shape": (3, 3)},
        {"strides": (4, 1)},
        {"shape": (7,), "strides": (0,)},
        {"shape": (2**40,), "strides": (0,)},
        {"offset": 6, "shape": (), "strides": ()},
    ],
)
def test_a_tensor_outside_of_its_storage_is_refused(write, changes):
    refused(write({"a": tensor(**changes)}), "'a', of shape .* lies outside .* of 6 el")


@pytest.mark.parametrize(
    "loaded, message",
    [
        ([1, 2], "holds a value of type list, not a state dict"),
        (tensor(), "holds a value of type Tensor, not a state dict"),
        ({"a": tensor(), "epoch": 3}, "entry 'epoch' is of type int, not a tensor"),
        (
            {"state_dict": {"a": tensor()}},
            "entry 'state_dict' is of type dict, not a tensor",
        ),
        ({"a\n" * 300: 3}, r"entry 'a\\na.*\.\.\.' is of type int"),
    ],
)
def test_anything_but_a_state_dict_is_refused(write, loaded, message):
    refused(write(loaded), message)


def test_storages_must_be_as_their_tensors_say(write):
    refused(
        write({"a": tensor(storage(count=7))}), "'0' is of 6 elements where .* say 7"
    )
    other = tensor(storage(name="IntStorage"))
    refused(write({"a": tensor(), "b": other}), "disagree about the storage '0'")
    refused(write({"a": tensor(storage("../x"))}), "storage '(0|../x)'")
    # Claimed, and not there to be allocated.
    huge = tensor(storage(count=2**45), shape=(2**45,), strides=(1,))
    refused(write({"a": huge}), "is of 6 elements where its tensors say 35184372088832")


def test_absurd_sizes_in_the_storages_are_refused(tmp_path):
    path = tmp_path / "w.pth"
    huge = tensor(storage(count=2**45), shape=(2**45,), strides=(1,))
    write_legacy(path, {"a": huge}, SIX, counts={"0": 2**45})
    refused(path, "ends 140737488355304 bytes too early")
    write_legacy(path, {"a": tensor()}, SIX, counts={"0": -1})
    refused(path, "'0' is of -1 elements")


def test_big_endian_is_refused(tmp_path):
    path = tmp_path / "w.pth"
    write_zip(path, {"a": tensor()}, SIX, byteorder=b"big")
    refused(path, "byte order is b'big', not b'little'")
    write_legacy(path, {"a": tensor()}, SIX, machine={"little_endian": False})
    refused(path, "not written by a little-endian machine")


def test_another_protocol_is_refused(tmp_path):
    path = tmp_path / "w.pth"
    write_legacy(path, {"a": tensor()}, SIX, protocol=1002)
    refused(path, "not of protocol 1001")


def test_an_archive_of_before_byte_order_was_written_is_read(tmp_path):
    path = tmp_path / "w.pth"
    write_zip(path, {"a": tensor()}, SIX, byteorder=None)
    np.testing.assert_array_equal(read_state_dict(path)["a"].ravel(), SIX["0"])


def test_legacy_storages_are_those_of_the_tensors_once_each(tmp_path):
    path = tmp_path / "w.pth"
    write_legacy(path, {"a": tensor()}, SIX, keys=["0", "0"])
    refused(path, "no tensor is of its storage '0'")
    write_legacy(path, {"a": tensor()}, SIX, keys=[("0",)])
    refused(path, "list of storages is no list of names")
    write_legacy(path, {"a": tensor(), "b": tensor(storage("1"))}, SIX)
    refused(path, "holds no storage '1'")


def test_a_compressed_archive_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "w.pth"
    zeros = bytes(10_000_000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickled({}))
        archive.writestr("a/data/0", zeros)
    refused(path, r"an archive of 1\d{7} bytes in a file of \d{4,5}\.")


def test_a_flipped_bit_in_an_archive_is_found(tmp_path):
    path = tmp_path / "w.pth"
    values = np.full(6, 7.25, np.float32)
    write_zip(path, {"a": tensor()}, {"0": values})
    code = path.read_bytes()
    assert code.count(values.tobytes()) == 1
    path.write_bytes(code.replace(values.tobytes(), b"\0" * values.nbytes))
    refused(path, "damaged zip archive, .*CRC")


def test_an_archive_has_one_pickle(tmp_path):
    path = tmp_path / "w.pth"
    write_zip(path, {}, {}, **{"data.pkl": None})
    refused(path, "an archive of 0 files data.pkl")


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_anywhere_is_refused(name, tmp_path):
    code = (REAL / f"{name}.pth").read_bytes()
    path = tmp_path / "w.pth"
    for length in range(0, len(code), 31):
        path.write_bytes(code[:length])
        refused(path, r"\.$")


@pytest.mark.parametrize("name", FORMATS)
def test_changed_bytes_are_refused_or_read_and_nothing_else(name, tmp_path):
    code = (REAL / f"{name}.pth").read_bytes()
    path = tmp_path / "w.pth"
    generator = np.random.default_rng(0)
    num_refused = 0
    for _ in range(150):
        changed = bytearray(code)
        for place in generator.integers(0, len(code), 3):
            changed[place] = generator.integers(0, 256)
        path.write_bytes(changed)
        try:
            read_state_dict(path)
        except TorchFileError:
            num_refused += 1
    assert num_refused > 50


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "w.pth"
    for code in (b"", b"hello", b"\x89PNG\r\n\x1a\n", b"<html>" * 100, pickled({})):
        path.write_bytes(code)
        refused(path, "does not start as a file of torch.save does")
    refused(tmp_path, "it is not a file")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "it is not a file")
    with pytest.raises(FileNotFoundError):
        read_state_dict(tmp_path / "none.pth")


def test_the_error_is_a_value_error():
    assert issubclass(torch_file.TorchFileError, ValueError)
