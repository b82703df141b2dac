"""Causes outside the program, such as a full disk: what is said of them in one line.

    error: runs/a/metrics.jsonl: No space left on device: make room on that disk, and run the
    same command again

Everything else that stops a run is a fault of the program's own and keeps its traceback.
"""

import contextlib
import errno
import os
import re
from collections.abc import Iterator, Mapping

from ddpm_jax.core.errors import OutsideError

_RIGHTS = "change its permissions, or write a path that this user may use"
_NETWORK = "wait until its file system or the network answers"
_LIMIT = "raise the limit (ulimit -n)"
# What is to be done about the errors of an operating system.
REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room within your quota",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f)",
    errno.EROFS: "write a path that can be written",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENOENT: "put it back",
    errno.EISDIR: "remove that folder, or write another path",
    errno.ENOTDIR: "remove that file, or write another path",
    errno.ENAMETOOLONG: "write a shorter path",
    errno.ELOOP: "remove the circle of links",
    errno.EIO: "see whether that disk is sound",
    errno.ENXIO: "see whether that device is there",
    errno.ENODEV: "see whether that device is there",
    errno.EBUSY: "wait until nothing else uses it",
    errno.ETXTBSY: "wait until nothing else uses it",
    errno.ESTALE: _NETWORK,
    errno.ETIMEDOUT: _NETWORK,
    errno.EHOSTDOWN: _NETWORK,
    errno.EHOSTUNREACH: _NETWORK,
    errno.ENETUNREACH: _NETWORK,
    errno.ENOTCONN: _NETWORK,
    errno.ECONNREFUSED: _NETWORK,
    errno.ECONNRESET: _NETWORK,
    errno.EMFILE: _LIMIT,
    errno.ENFILE: _LIMIT,
    errno.ENOMEM: "free memory of this machine",
    errno.EAGAIN: "raise the limit on processes and threads (ulimit -u)",
}
# A file that is another than it should be; with all other errors it may be whole.
_OF_THE_FILE = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR)
# Statuses by which the libraries that read and write arrays name a cause in their storage.
STATUSES: Mapping[str, str] = {
    "NOT_FOUND": "put it back",
    "DATA_LOSS": "put back a whole copy",
    "PERMISSION_DENIED": _RIGHTS,
    "UNAUTHENTICATED": _RIGHTS,
    "UNAVAILABLE": _NETWORK,
    "DEADLINE_EXCEEDED": _NETWORK,
}
# What threads of libraries say that still work when what they need is gone.
_LATE = "loop is closed|cannot schedule new futures"
_STATUS = re.compile(rf"^({'|'.join(STATUSES)}): ")
# Python's own errors of a program; what was being handled when one arose is not its cause.
_OF_THE_PROGRAM = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, NameError),
    *(NotImplementedError, TypeError),
)
_PATH = re.compile(r"""["'](/[^"']*)["']""")
AGAIN = "and run the same command again"
LONGEST = 400  # Characters of a library's text that a line shows.


def line(error: BaseException, smaller: str = "") -> str | None:
    """The line for the user, if what was raised has a cause outside the program.

    Args:
      error: what was raised; the errors that it came from are looked at too.
      smaller: what takes less memory of a device, as a clause.

    Returns:
      What is wrong, its reason and its remedy; None: it is the program's own fault.
    """
    for one in _chain(error):
        if text := _line(one, smaller):
            return " ".join(text.split())
    return None


def is_passing(error: BaseException) -> bool:
    """Whether a file that could not be read may be whole: the fault lies elsewhere."""
    for one in _chain(error):
        if isinstance(one, MemoryError) or _is_device_memory(one):
            return True
        if (number := _number(one)) is not None:
            return number not in _OF_THE_FILE
    return False


def is_late(error: BaseException) -> bool:
    """Whether a thread of a library went on once the program had ended, and failed by that."""
    return isinstance(error, RuntimeError) and bool(re.search(_LATE, str(error)))


@contextlib.contextmanager
def memory_saved_by(smaller: str) -> Iterator[None]:
    """Says what takes less memory, as a clause, where a device within is out of it.

    Raises:
      OutsideError: it is.
    """
    try:
        yield
    except Exception as error:
        if any(_is_device_memory(one) for one in _chain(error)):
            raise OutsideError(str(line(error, smaller))) from error
        raise


def _line(error: BaseException, smaller: str) -> str | None:
    if isinstance(error, OutsideError):
        return str(error)
    text = _short(str(error))
    if isinstance(error, MemoryError):
        return (
            f"this machine is out of memory ({text or 'MemoryError'}): lower"
            " config.data.num_prefetch or a batch_size, or end other programs,"
            f" {AGAIN}."
        )
    if isinstance(error, UnicodeError) and "surrogates not allowed" in text:
        name = os.fsencode(getattr(error, "object", ""))
        return f"the name {name!r} of a file is not UTF-8: rename it, {AGAIN}."
    if _is_device_memory(error):
        wanted = re.search(r"allocate ([\d.]+ ?[A-Za-z]*)", text)
        asked = f" (it was asked for {wanted[1].strip()})" if wanted else ""
        remedy = smaller or "lower the batch_size in use"
        return f"the device is out of memory{asked}: {remedy}, {AGAIN}."
    if (number := _number(error)) is not None:
        remedy = REMEDIES.get(number, "mend that")
        return f"{_where(error)}{os.strerror(number)}: {remedy}, {AGAIN}."
    if isinstance(error, OSError):  # Of a library, without a number.
        return f"{_where(error)}{text or type(error).__name__}: mend that, {AGAIN}."
    if "can't start new thread" in text:
        return f"no thread can be started: {REMEDIES[errno.EAGAIN]}, {AGAIN}."
    if text.startswith("Unable to initialize backend"):
        return f"{text}: mend its driver, or set JAX_PLATFORMS=cpu, {AGAIN}."
    if status := _STATUS.match(text):
        return f"{text}: {STATUSES[status[1]]}, {AGAIN}."
    return None


def _number(error: BaseException) -> int | None:
    """The operating system's number of an error, from its text where it has no other."""
    if isinstance(error, OSError) and error.errno in errno.errorcode:
        return error.errno
    if isinstance(error, (SyntaxError, *_OF_THE_PROGRAM)):
        return None
    text = str(error)
    return next((n for n in REMEDIES if os.strerror(n) in text), None)


def _where(error: BaseException) -> str:
    """The files that an error names, or the path in its text, before a colon; or nothing."""
    known = (getattr(error, "filename", None), getattr(error, "filename2", None))
    names = [os.fsdecode(n) for n in known if isinstance(n, (str, bytes, os.PathLike))]
    names = names or _PATH.findall(str(error))[:1]
    return f"{' and '.join(names)}: " if names else ""


def _is_device_memory(error: BaseException) -> bool:
    is_jax = type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError")
    text = str(error)
    return is_jax and ("RESOURCE_EXHAUSTED" in text or "OUT_OF_MEMORY" in text)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and the errors that it came from."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        if one.__cause__ is not None:
            waiting.append(one.__cause__)
        elif one.__context__ is not None and not isinstance(one, _OF_THE_PROGRAM):
            waiting += [] if one.__suppress_context__ else [one.__context__]


def _short(text: str) -> str:
    """A library's text on one line, cut where it is long."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
