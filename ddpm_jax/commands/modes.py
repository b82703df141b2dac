"""Train, evaluate or sample a diffusion model.

python main.py --config=configs/digits.py --workdir=runs/digits
    [--mode=train|eval|sample|reference]
"""

import logging as python_logging
import os
import signal
import sys
from collections.abc import Sequence

from absl import app, flags, logging
from ml_collections import config_flags

from ddpm_jax.check import check_config
from ddpm_jax.config import check
from ddpm_jax.core import errors
from ddpm_jax.core.errors import ConfigError

MODES = ("train", "eval", "sample", "reference")

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "A config file, or file:variant.", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "The run's folder; gs:// works too.")
_MODE = flags.DEFINE_string("mode", "train", f"One of {', '.join(MODES)}.")
_PROFILE = flags.DEFINE_integer(
    "profile_steps", 0, "Train: how many steps to trace.", lower_bound=0
)
_CACHE = flags.DEFINE_string(
    "compilation_cache", None, "A folder where compiled programs are kept between runs."
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator_address", None, "Several hosts: host:port of process 0."
)
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Several hosts: how many.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Several hosts: which is this.")


# TensorFlow, which writes the event files, else greets on standard error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
# Libraries whose notes on their own work are not for this program's log.
QUIET = ("orbax", "grain", "etils", "tensorflow_datasets", "jax")


def main(_: Sequence[str]) -> int:
    """Runs one mode; returns the exit status."""
    # Imported once the flags are known to be right: a slip is told at once.
    import jax

    from ddpm_jax.training import distributed
    from ddpm_jax.training.nonfinite import NonFiniteError

    logging.set_verbosity(logging.INFO)
    logging.get_absl_handler().addFilter(_is_ours)
    if _CACHE.value:
        jax.config.update("jax_compilation_cache_dir", _CACHE.value)
    config = _CONFIG.value
    try:
        with errors.errors_are_the_users():
            distributed.initialize(
                _COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value
            )
            check_config(config)
            check.devices(config, jax.device_count())
        if _MODE.value == "eval":
            from ddpm_jax import evaluate

            evaluate.run(config, _WORKDIR.value)
        elif _MODE.value == "sample":
            from ddpm_jax import sample

            sample.run(config, _WORKDIR.value)
        elif _MODE.value == "reference":
            from ddpm_jax.evaluation import reference

            reference.run(config, _WORKDIR.value)
        else:
            # TensorFlow, which this needs for its event files, takes seconds to import.
            from ddpm_jax import train

            return train.run(config, _WORKDIR.value, _PROFILE.value)
    except ConfigError as error:
        return _complain(error, status=2)
    except NonFiniteError as error:
        return _complain(error, status=1)
    except KeyboardInterrupt:
        print("stopped: the same command goes on from what is written", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


def parse(argv: Sequence[str]) -> list[str]:
    """Reads flags and config; ends with status 2 and one line if something is wrong."""
    try:
        check.overrides(argv)
        rest = flags.FLAGS(list(argv))
        errors.choose(dict.fromkeys(MODES), _MODE.value, "--mode")
        for flag in (_CONFIG, _WORKDIR):
            if flag.value is None:
                raise ConfigError(f"--{flag.name} is missing: write --{flag.name}=...")
        errors.flat(_CONFIG.value)  # A file that cannot be read says so here.
        if len(rest) > 1:
            raise ConfigError(f"{rest[1]!r} is not a flag: write --name=value.")
    except Exception as error:  # A config file may raise anything.
        sys.exit(_complain(error, status=2))
    return rest


def _complain(error: Exception, status: int) -> int:
    text = " ".join(str(error).split()) or repr(error)
    print(f"error: {text}", file=sys.stderr)
    return status


def _is_ours(record: python_logging.LogRecord) -> bool:
    is_quiet = any(f"/{name}/" in record.pathname for name in QUIET)
    return record.levelno > python_logging.INFO or not is_quiet


if __name__ == "__main__":
    app.run(main, flags_parser=parse)
