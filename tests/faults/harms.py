"""Harms: to files, to calls of the operating system, and to the device."""

import builtins
import contextlib
import errno
import io
import os
import pathlib
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from unittest import mock

from tests.faults.fault import Harm, Place


def spoil(file: str, how: Callable[[pathlib.Path], None]) -> Harm:
    """A file below the place is damaged, and stays so."""

    @contextlib.contextmanager
    def harm(place: Place) -> Iterator[None]:
        how(first(place, file))
        yield

    return harm


def add(file: str, how: Callable[[pathlib.Path], None]) -> Harm:
    """A file is there that was not, and is removed afterwards."""

    @contextlib.contextmanager
    def harm(place: Place) -> Iterator[None]:
        path = place.home / file
        how(path)
        yield
        remove(path)

    return harm


def while_it_runs(file: str, how: Callable[[pathlib.Path], None], after: int) -> Harm:
    """A file is damaged once so many examples have been read."""

    @contextlib.contextmanager
    def harm(place: Place) -> Iterator[None]:
        def act() -> None:
            how(first(place, file))

        with before("ddpm_jax.data.pipeline:_read", act, after)(place):
            yield

    return harm


def damage(file: str, how: Callable[[pathlib.Path], None]) -> Harm:
    """A file below the place (a pattern: the largest) is damaged, and put back afterwards."""

    @contextlib.contextmanager
    def harm(place: Place) -> Iterator[None]:
        path = first(place, file)
        hidden = place.home.parent / "kept"
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir()
        kept = hidden / path.name
        shutil.copytree(path, kept) if path.is_dir() else shutil.copy2(path, kept)
        how(path)
        yield
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        shutil.move(kept, path)

    return harm


def first(place: Place, file: str) -> pathlib.Path:
    found = sorted(p for p in place.home.glob(file))
    if not found:
        raise FileNotFoundError(f"{file} below {place.home}")
    return max(found, key=lambda p: p.stat().st_size if p.is_file() else 0)


def empty(path: pathlib.Path) -> None:
    path.write_bytes(b"")


def halve(path: pathlib.Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def flip(path: pathlib.Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(bytes(data))


def noise(path: pathlib.Path) -> None:
    path.write_bytes(bytes(range(128, 256)) * 4)


def a_list(path: pathlib.Path) -> None:
    path.write_text("[1, 2]\n")


def a_number(path: pathlib.Path) -> None:
    path.write_text("3\n")


def no_keys(path: pathlib.Path) -> None:
    path.write_text("{}\n")


def remove(path: pathlib.Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def a_folder(path: pathlib.Path) -> None:
    remove(path)
    path.mkdir()


def nowhere(path: pathlib.Path) -> None:
    """A link to nothing in its place."""
    remove(path)
    path.symlink_to(path.parent / "nothing at all")


def a_circle(path: pathlib.Path) -> None:
    """A link to itself in its place."""
    remove(path)
    path.symlink_to(path)


def cut_to(size: int) -> Callable[[pathlib.Path], None]:
    def how(path: pathlib.Path) -> None:
        path.write_bytes(path.read_bytes()[:size])

    return how


def text(content: str) -> Callable[[pathlib.Path], None]:
    return lambda path: path.write_text(content) and None


def disk(size: str, under: str = "run") -> Harm:
    """What is below a folder of the place lies on a disk of this size, later of 64m."""

    @contextlib.contextmanager
    def harm(place: Place) -> Iterator[None]:
        with mounted(place.home / under, f"size={size}"):
            yield

    return harm


def read_only(under: str = "run") -> Harm:
    """A folder of the place is on a file system that is mounted read-only."""

    @contextlib.contextmanager
    def harm(place: Place) -> Iterator[None]:
        with mounted(place.home / under, "size=64m", remount="ro"):
            yield

    return harm


@contextlib.contextmanager
def mounted(folder: pathlib.Path, options: str, remount: str = "") -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        kept = folder.with_name("kept_apart")
        shutil.copytree(folder, kept, symlinks=True)
        _call("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder))
        stack.callback(_call, "umount", "-l", str(folder))
        shutil.copytree(kept, folder, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(kept)
        used = shutil.disk_usage(folder).used // 1024
        match = re.fullmatch(r"size=(\d+)k", options)
        if match:  # Beyond what is there.
            options = f"size={used + int(match[1])}k"
        _call("mount", "-o", f"remount,{remount or options}", str(folder))
        yield
        if remount:
            _call("mount", "-o", "remount,rw", str(folder))
        shutil.copytree(folder, kept, symlinks=True)
        stack.close()
        shutil.rmtree(folder)
        kept.rename(folder)


def can_mount() -> bool:
    """Whether this user may mount, as root in most containers may not."""
    folder = pathlib.Path("/tmp/ddpm_jax_faults_mount")
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        if subprocess.run(command, capture_output=True).returncode:
            return False
    except OSError:
        return False
    _call("umount", str(folder))
    return True


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


# The calls by which files are read or written, each with its module.
CALLS = {
    "open": ((builtins, "open"), (io, "open"), (os, "open")),
    "replace": ((os, "replace"), (os, "rename")),
    "mkdir": ((os, "mkdir"), (os, "makedirs")),
    "list": ((os, "listdir"), (os, "scandir")),
    "fsync": ((os, "fsync"),),
}


def fails(call: str, path: str, number: int, mode: str = "", after: int = 0) -> Harm:
    """A call of the operating system fails for paths that a regular expression finds.

    Args:
      call: one of `CALLS`.
      path: the expression; for fsync it is not looked at.
      number: the error.
      mode: letters one of which the mode of open has, such as "wa"; "": any mode.
      after: so many such calls succeed first.
    """

    @contextlib.contextmanager
    def harm(place: Place) -> Iterator[None]:
        left = [after]

        def failing(real: Callable) -> Callable:
            def wrapped(*args, **kwargs):
                names = [
                    os.fsdecode(a)
                    for a in args
                    if isinstance(a, (str, bytes, os.PathLike))
                ]
                how = str(kwargs.get("mode", args[1] if len(args) > 1 else "r"))
                is_mode = not mode or any(letter in how for letter in mode)
                if call == "fsync" or (
                    is_mode and any(re.search(path, n) for n in names[:2])
                ):
                    left[0] -= 1
                    if left[0] < 0:
                        raise OSError(number, os.strerror(number), *names[:1])
                return real(*args, **kwargs)

            return wrapped

        with contextlib.ExitStack() as stack:
            for module, name in CALLS[call]:
                real = getattr(module, name)
                stack.enter_context(mock.patch.object(module, name, failing(real)))
            yield

    return harm


def raises(target: str, error: Callable[[], BaseException], after: int = 0) -> Harm:
    """A function of the program, "module:name" or "module:Class.name", raises an error."""
    return before(target, lambda: _throw(error()), after)


def signalled(target: str, number: signal.Signals, after: int = 0) -> Harm:
    """A signal arrives when a function of the program is called."""
    return before(target, lambda: os.kill(os.getpid(), number), after)


def before(target: str, act: Callable[[], None], after: int = 0) -> Harm:
    """Something happens at each call of a function of the program, after the first `after`."""

    @contextlib.contextmanager
    def harm(place: Place) -> Iterator[None]:
        import importlib

        module, _, name = target.partition(":")
        owner = importlib.import_module(module)
        *outer, name = name.split(".")
        for part in outer:
            owner = getattr(owner, part)
        real, calls = getattr(owner, name), [0]

        def wrapped(*args, **kwargs):
            calls[0] += 1
            if calls[0] == after + 1:
                act()
            return real(*args, **kwargs)

        with mock.patch.object(owner, name, wrapped):
            yield

    return harm


def files_of_at_most(num_bytes: int) -> Harm:
    """No file of the process grows beyond a size, as by a limit or a quota."""

    @contextlib.contextmanager
    def harm(place: Place) -> Iterator[None]:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return harm


def no_locks(number: int = errno.ENOSYS) -> Harm:
    """The file system has no locks."""

    @contextlib.contextmanager
    def harm(place: Place) -> Iterator[None]:
        import fcntl

        error = OSError(number, os.strerror(number))
        with mock.patch.object(fcntl, "flock", side_effect=error):
            yield

    return harm


def out_of_memory() -> BaseException:
    import jax

    return jax.errors.JaxRuntimeError(
        "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes."
    )


def _throw(error: BaseException) -> None:
    raise error
