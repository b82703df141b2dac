"""Pickles of torch.save: what they may ask for, and what is refused by name."""

import pytest

from ddpm_jax.interop import torch_pickle
from tests.interop.files import (
    REBUILD,
    Call,
    Global,
    Persistent,
    Raw,
    pickled,
    refused,
    storage,
    tensor,
)


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
