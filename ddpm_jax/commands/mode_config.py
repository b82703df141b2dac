"""The config of a mode: from a config file or from the workdir's run, with overrides on top."""

from collections.abc import Sequence

from absl import flags, logging
from etils import epath
from ml_collections import ConfigDict as Config
from ml_collections import config_flags

from ddpm_jax.config import changes
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.runs import workdir


def with_run(
    argv: Sequence[str], config: str | None, directory: str | None
) -> list[str]:
    """The command line, with --config that of the workdir's run where none is given.

    Args:
      argv: the command line, the program's name first.
      config: the value of its --config; None: it has none.
      directory: the value of its --workdir; None: it has none.

    Raises:
      ConfigError: there is no workdir, or no run in it to take the place of --config.
    """
    if directory is None:
        raise ConfigError("--workdir is missing: write --workdir=...")
    if config is not None:
        return list(argv)
    file = epath.Path(directory) / workdir.CONFIG
    if not file.exists():
        raise ConfigError(
            f"--config is missing: write --config=FILE.py, as --workdir={directory} holds"
            f" no {workdir.CONFIG} of a run whose config it could be."
        )
    program, *rest = argv
    # Before the overrides, which change what it reads.
    return [program, f"--config={file}", *rest]


def of_run(values: flags.FlagValues, group: str) -> Config:
    """The config of a mode that uses the workdir's run, such as sampling.

    An override that is of no effect on it is warned of.

    Args:
      values: the flags of the command line.
      group: the mode's group of the config, such as "sample".

    Raises:
      ConfigError: there is no such run, or its model is another.
    """
    path, given = epath.Path(values.workdir), values.config
    config = workdir.config_for_mode(path, given)
    overridden = config_flags.get_override_values(values["config"])
    run = workdir.config_of(path)
    for sentence in changes.of_no_effect(overridden, given, run, group):
        logging.warning("%s", sentence)
    return config


def warn_of_empty(values: flags.FlagValues) -> None:
    """Warns of each override that is written empty, as one of an unset variable is."""
    for field, value in config_flags.get_override_values(values["config"]).items():
        if isinstance(value, str) and not value.strip():
            logging.warning(
                "--config.%s= is written empty: is the variable set that it came from?",
                field,
            )
