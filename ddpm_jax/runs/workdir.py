"""The workdir: a run's folder, which holds its config and is locked by one process."""

import contextlib
import errno
import fcntl
import json
import os
import platform
from collections.abc import Iterator

import jax
from absl import logging
from etils import epath
from ml_collections import ConfigDict as Config

from ddpm_jax.config import check
from ddpm_jax.core import files, paths
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.runs import plugin_record

CONFIG, LOCK = "config.json", ".lock"
# The errors of a file system that has no locks, as those of clusters often are.
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)


@contextlib.contextmanager
def claimed(workdir: epath.PathLike) -> Iterator[epath.Path]:
    """Makes the workdir and locks it against other training processes on this file system.

    The lock ends with the process, however it ends. On remote storage there is none, and on a
    file system without locks the name of the process that claimed it.

    Raises:
      ConfigError: the folder cannot be written, or a live process trains in it.
    """
    path = paths.expanded(workdir, f"--workdir={workdir}")
    if jax.process_index() != 0:
        yield path
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = open(path / LOCK, "a+") if files.is_local(path) else None  # noqa: SIM115
    except OSError as error:
        raise ConfigError(
            f"--workdir={path} cannot be written ({error.strerror or error}):"
            " write a folder that you may write to."
        ) from error
    if lock is None:
        yield path
        return
    with lock:
        lock.seek(0)
        holder = lock.read().strip()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _in_use(path, holder) from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            _check_by_name(path, holder, error)
        lock.truncate(0)
        lock.write(f"{os.getpid()} on {platform.node()}")
        lock.flush()
        try:
            yield path
        finally:
            with contextlib.suppress(OSError):
                lock.truncate(0)


def _check_by_name(path: epath.Path, holder: str, error: OSError) -> None:
    """Checks who has claimed a workdir whose file system has no locks.

    A process of this machine that lives is refused; one that was killed is not, and of those
    of other machines nothing is known.
    """
    number, _, machine = holder.partition(" on ")
    if machine == platform.node() and number.isdecimal() and _is_alive(int(number)):
        raise _in_use(path, holder) from error
    logging.warning(
        "--workdir=%s lies on a file system without locks (%s): see to it that no other"
        " machine trains there",
        *(path, error.strerror or error),
    )


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # It is somebody else's.
        return True
    return True


def _in_use(path: epath.Path, holder: str) -> ConfigError:
    number, _, machine = holder.partition(" on ")
    of = f"{machine}, " if machine else "the "
    return ConfigError(
        f"--workdir={path} is in use by {of}live process {number}: wait for it, stop it, or"
        " write another folder."
    )


def remember_config(workdir: epath.Path, config: Config) -> None:
    """Writes config.json, for a config that has been checked against what is there.

    Beside it, the plugins that it needs.
    """
    plugin_record.remember(workdir)
    if jax.process_index() == 0:
        text = json.dumps(config.to_dict(), indent=2) + "\n"
        files.replace_text(workdir / CONFIG, text)


def check_if_begun(workdir: epath.Path, config: Config) -> None:
    """Calls `check_same_config` if a run has begun in the workdir."""
    if (workdir / CONFIG).exists():
        check_same_config(workdir, config)


def check_same_config(workdir: epath.Path, config: Config) -> None:
    """Checks that the config is the one with which the workdir was made.

    Raises:
      ConfigError: there is none, it cannot be read, fields differ, or a plugin is missing.
    """
    path = workdir / CONFIG
    try:
        saved = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ConfigError(
            f"--workdir={workdir} holds no {CONFIG}: train there first, with --mode=train."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"--workdir={workdir} cannot be read: {error.strerror or error}."
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}.") from error
    plugin_record.check(workdir)
    changed = check.differences(config, flat(saved))
    if changed:
        raise ConfigError(
            f"--workdir={workdir} belongs to a run with another config:"
            f" {'; '.join(changed)}. Use that config, or another --workdir."
        )
