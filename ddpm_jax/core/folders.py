"""Folders for results, created before anything is computed."""

import jax
from etils import epath

from ddpm_jax.core.errors import ConfigError


def make_folder(path: epath.Path, field: str = "") -> None:
    """Creates a folder and checks that it can be written, before anything is computed.

    Args:
      path: the folder.
      field: the field by which another can be named, for the message.

    Raises:
      ConfigError: it cannot be written.
    """
    if jax.process_index() != 0:
        return
    probe = path / ".probe"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror or error}): nothing was computed."
            f" Mend that{field and f', or write another {field}'}."
        ) from error
