"""What is said of causes outside the program, and what is left a fault of its own."""

import errno
import os
import re

import jax
import pytest

from ddpm_jax.core import outside
from ddpm_jax.core.errors import OutsideError

AGAIN = ", and run the same command again."


def raised_from(error, cause):
    try:
        raise error from cause
    except type(error) as chained:
        return chained


def raised_while(error, context):
    try:
        try:
            raise context
        except type(context):
            raise error  # noqa: B904
    except type(error) as chained:
        return chained


def full(path=None):
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *([path] if path else []))


FULL = f"No space left on device: make room on that disk{AGAIN}"
STORE = (
    'RESOURCE_EXHAUSTED: Error writing local file "/runs/a/2/d/07": Failed to write 10'
    " bytes: No space left on device [os_error_code='28']"
)
DEVICE = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 123456 bytes."


@pytest.mark.parametrize(
    "error, said",
    [
        (full(), FULL),
        (full("/runs/a/metrics.jsonl"), f"/runs/a/metrics.jsonl: {FULL}"),
        (full(b"/data/\xe9.png"), "/data/\udce9.png: " + FULL),
        (ValueError(STORE), f"/runs/a/2/d/07: {FULL}"),
        (raised_from(RuntimeError("it failed"), ValueError(STORE)), "/d/07: No space"),
        (raised_while(ValueError("no file"), full("/x")), f"/x: {FULL}"),
        (ExceptionGroup("two", [TypeError("a"), full("/x")]), f"/x: {FULL}"),
        (PermissionError(errno.EACCES, "x", "/x"), "change its permissions, or write"),
        (OSError(errno.EROFS, "x", "/x"), "/x: Read-only file system: write a path"),
        (OSError(errno.EDQUOT, "x", "/x"), "make room within your quota"),
        (
            FileNotFoundError(errno.ENOENT, "x", "/x"),
            "/x: No such file .*: put it back",
        ),
        (OSError(errno.EMFILE, "x"), "Too many open files: raise the limit"),
        (OSError(errno.EXDEV, "x", "/x"), "/x: Invalid cross-device link: mend that"),
        (OSError("cut off"), f"cut off: mend that{AGAIN}"),
        (ValueError("DATA_LOSS: checksum of\n a block"), "put back a whole copy"),
        (
            RuntimeError("Unable to initialize backend 'cuda': no driver"),
            "no driver: mend its driver, or set JAX_PLATFORMS=cpu",
        ),
        (OutsideError("a line\n  of two"), "a line of two"),
        (MemoryError(), "this machine is out of memory .*: lower config.data.num_pre"),
        (
            UnicodeEncodeError(
                "utf-8", "caf\udce9.png", 3, 4, "surrogates not allowed"
            ),
            r"the name b'caf\\xe9.png' of a file is not UTF-8: rename it",
        ),
    ],
)
def test_a_cause_outside_is_one_line_with_file_reason_and_remedy(error, said):
    line = outside.line(error)
    is_whole = said.endswith(AGAIN)
    assert line is not None and "\n" not in line
    assert (said in line) if is_whole else re.search(said, line), line


@pytest.mark.parametrize(
    "error",
    [
        TypeError("wrong"),
        KeyError("No space left on device"),
        ValueError("no such thing"),
        RuntimeError("INTERNAL: a kernel failed"),
        # What was being handled is not the cause of a fault of the program's own.
        raised_while(AttributeError("x"), full("/x")),
        raised_from(ValueError("x"), None),
    ],
)
def test_a_fault_of_the_programs_own_is_none(error):
    assert outside.line(error) is None


def test_a_device_out_of_memory_names_what_to_lower():
    error = jax.errors.JaxRuntimeError(DEVICE)
    line = outside.line(error, "lower config.eval.batch_size")
    assert line == (
        "the device is out of memory (it was asked for 123456 bytes): lower"
        f" config.eval.batch_size{AGAIN}"
    )
    with (
        pytest.raises(OutsideError, match=r"lower config\.sample\.batch_size"),
        outside.memory_saved_by("lower config.sample.batch_size"),
    ):
        raise error
    with pytest.raises(ValueError), outside.memory_saved_by("lower x"):
        raise ValueError("another")


def test_what_a_thread_says_after_the_end_is_late():
    assert outside.is_late(RuntimeError("cannot schedule new futures after shutdown"))
    assert not outside.is_late(ValueError("Event loop is closed"))
    assert not outside.is_late(RuntimeError("another"))


def test_only_what_may_pass_leaves_a_file_for_whole():
    assert outside.is_passing(jax.errors.JaxRuntimeError(DEVICE))
    cuda = jax.errors.JaxRuntimeError("INTERNAL: CUDA_ERROR_OUT_OF_MEMORY")
    assert outside.is_passing(cuda)
    assert outside.is_passing(raised_from(ValueError("x"), MemoryError()))
    assert outside.is_passing(PermissionError(errno.EACCES, "x", "/x"))
    assert not outside.is_passing(FileNotFoundError(errno.ENOENT, "x", "/x"))
    assert not outside.is_passing(ValueError("DATA_LOSS: x"))
    assert not outside.is_passing(TypeError("x"))


def test_every_error_with_a_remedy_is_one_of_this_system():
    assert all(os.strerror(number) for number in outside.REMEDIES)
    assert all(remedy[0].islower() for remedy in outside.REMEDIES.values())
