"""Files of torch.save: real ones, ones put together by hand, and ones that mean harm.

Real ones are written by tests/interop/write_torch_files.py.
"""

import os
import pathlib
import zipfile

import numpy as np
import pytest

from ddpm_jax.interop import torch_file
from ddpm_jax.interop.torch_file import TorchFileError, read_state_dict
from tests.interop.files import (
    FORMATS,
    SIX,
    pickled,
    refused,
    storage,
    tensor,
    write_legacy,
    write_zip,
)

REAL = pathlib.Path(__file__).parent


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
