"""The workdir: a run's folder, which holds its config and is locked by one process."""

import contextlib
import errno
import fcntl
import json
import os
import platform
from collections.abc import Iterator
from typing import IO, Any

import jax
from absl import logging
from etils import epath
from ml_collections import ConfigDict as Config

from ddpm_jax.config import changes
from ddpm_jax.config import files as config_files
from ddpm_jax.core import files, folders, paths
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.models import learning_rate
from ddpm_jax.runs import data_record, history, plugin_record

CONFIG, LOCK = config_files.RESOLVED, ".lock"
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
        lock = _open_lock(path / LOCK) if files.is_local(path) else None
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


def _open_lock(file: epath.Path) -> IO[str]:
    return open(file, "a+", errors="replace")


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


def begin(workdir: epath.Path, config: Config, step: int) -> None:
    """Writes a start of training: a line in the history, and config.json.

    Args:
      workdir: the run's folder.
      config: the run's config from now on, checked against what is there.
      step: the step that it starts from.
    """
    begun = (workdir / CONFIG).exists()
    changed = changes.between(config, _saved(workdir)) if begun else {}
    # Before the config, or a kill would lose what has changed.
    history.add(workdir, step, changed)
    remember_config(workdir, config)


def log_change_of_rate(workdir: epath.Path, config: Config, num_updates: int) -> None:
    """Logs how the learning rate goes on, if that is not as the run's config says.

    Args:
      workdir: the run's folder.
      config: the config to continue with.
      num_updates: number of updates done.
    """
    if (workdir / CONFIG).exists():
        said = learning_rate.change(config, config_of(workdir), num_updates)
        if said:
            logging.info("%s", said)


def remember_config(workdir: epath.Path, config: Config) -> None:
    """Writes config.json, for a config that has been checked against what is there.

    Beside it, the plugins that it needs. That changes of the data are accepted is said of one
    start, and not remembered.
    """
    plugin_record.remember(workdir)
    if jax.process_index() == 0:
        values = config.to_dict()
        values["data"]["accept_changes"] = False
        text = json.dumps(values, indent=2) + "\n"
        files.replace_text(workdir / CONFIG, text)


def as_begun(workdir: epath.Path, config: Config) -> Config:
    """`changes.with_former_defaults`, if a run has begun in the workdir."""
    if not (workdir / CONFIG).exists():
        return config
    return changes.with_former_defaults(config, _saved(workdir))


def follow_data(workdir: epath.Path, name: str) -> None:
    """Writes where the data of a run lie now; not while it is training, or is read-only."""
    if jax.process_index() != 0:
        return
    try:
        with claimed(workdir) as path:
            saved = json.loads((path / CONFIG).read_text())
            saved["data"]["name"] = name
            files.replace_text(path / CONFIG, json.dumps(saved, indent=2) + "\n")
            data_record.rename(path, name)
    except (ConfigError, OSError):
        return
    logging.info("the data of %s have moved to %s", workdir, name)


def check_if_begun(workdir: epath.Path, config: Config) -> None:
    """Checks that the config is the run's, if a run has begun in the workdir.

    Raises:
      ConfigError: the run's cannot be read, a field differs that may not change in a run, or
        a plugin is missing.
    """
    if (workdir / CONFIG).exists():
        plugin_record.check(workdir)
        saved = _saved(workdir)
        if data_record.is_there(workdir):
            # Data may move: they are known by their contents.
            saved["data.name"] = config.data.name
        differing = changes.refused(config, saved)
        if differing:
            raise _another(workdir, "; ".join(differing))


def config_for_mode(workdir: epath.Path, given: Config) -> Config:
    """The config of a mode that uses the workdir's run: `changes.for_mode`.

    Raises:
      ConfigError: there is no run, its config cannot be read, a field of the model differs, or
        a plugin is missing.
    """
    theirs = config_of(workdir)
    plugin_record.check(workdir)
    try:
        return changes.for_mode(given, theirs)
    except ConfigError as error:
        raise _another(workdir, str(error)) from error


def config_of(workdir: epath.Path) -> Config:
    """The config of the workdir's run.

    Raises:
      ConfigError: there is no run, or its config cannot be read.
    """
    saved = _saved(workdir)
    try:
        return config_files.from_values(saved)
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"--workdir={workdir} is of another version of this program: {error}."
        ) from error


def _saved(workdir: epath.Path) -> dict[str, Any]:
    """The flat values of config.json."""
    path = workdir / CONFIG
    try:
        return flat(json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise ConfigError(
            f"--workdir={workdir} holds no {CONFIG}: train there first, with --mode=train."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"--workdir={workdir}: its {CONFIG} cannot be read ({error.strerror or error}):"
            " mend that, or put it back."
        ) from error
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}.") from error


def _another(workdir: epath.Path, differing: str) -> ConfigError:
    return ConfigError(
        f"--workdir={workdir} belongs to a run with another config: {differing}. Use that"
        " config, or another --workdir."
    )


def place_of_evaluations(workdir: epath.Path, config: Config) -> epath.Path:
    """The folder in which a run's eval/ and reference/ are: config.eval.folder, or the workdir.

    The former is given the run's config.json, so that it can be compared as a workdir can.

    Raises:
      ConfigError: it cannot be written, or holds evaluations of another run.
    """
    named = config.eval.folder
    if not named:
        return workdir
    field = f"config.eval.folder = {named!r}"
    place = files.absolute(paths.expanded(named, field))
    try:
        folders.make_folder(place)
        if (workdir / CONFIG).exists():
            theirs = config_of(workdir)
            check_if_begun(place, theirs)
            remember_config(place, theirs)
    except (ConfigError, OSError) as error:
        raise ConfigError(f"{field}: {error}") from error
    return place
