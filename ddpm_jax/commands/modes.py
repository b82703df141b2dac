"""Train, evaluate or sample a diffusion model.

    python main.py --config=FILE.py[:VARIANT] --workdir=DIR [--mode=train|eval|sample|reference]
    python -m ddpm_jax train --config=FILE.py[:VARIANT] --workdir=DIR
        [--config.FIELD=VALUE ...]
    python main.py --workdir=DIR --mode=sample [--config.FIELD=VALUE ...]

FILE is a path; without --config, the config is that of the run in DIR. With
`python -m ddpm_jax` the command's name is the mode: train, eval, sample or reference. Exit
status: 0 done, 2 a wrong flag, config or workdir, 143 or 130 stopped by a signal, 1 anything
else: a cause outside the program, such as a full disk, in one line, or a fault of the program's
own, with a traceback.
"""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from absl import app, flags
from ml_collections import ConfigDict as Config

from ddpm_jax.core import ending, outside, paths, terminal
from ddpm_jax.core.arguments import PLUGINS
from ddpm_jax.core.errors import ConfigError, choose

HELP = ("--help", "-help", "-h")
FLAGS = flags.FLAGS


def main(argv: Sequence[str] | None = None, mode: str = "") -> int:
    """Runs one mode with the flags of a command line.

    Args:
      argv: the arguments; None: those of this process.
      mode: the mode; "": the one that the flag --mode names.

    Raises:
      SystemExit: always but for --help, with the exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if any(argument in HELP for argument in arguments):
        print(help_text(mode))
        return 0

    def read(argv: Sequence[str]) -> list[str]:
        try:
            return parse(argv, FLAGS, mode)
        except Exception as error:  # Values of overrides may lead to anything.
            sys.exit(ending.complain(str(error) or repr(error), status=2))

    def run(_: Sequence[str]) -> int:
        return execute(FLAGS, mode or FLAGS.mode)

    argv = [sys.argv[0], *arguments]
    sys.exit(ending.status_of(lambda: app.run(run, argv, flags_parser=read)))


# The commands of `table.COMMANDS`.
train = functools.partial(main, mode="train")
evaluate = functools.partial(main, mode="eval")
sample = functools.partial(main, mode="sample")
reference = functools.partial(main, mode="reference")


def define(values: flags.FlagValues, mode: str) -> None:
    """Defines every flag of a mode but --config; --mode itself where no mode is given."""
    flags.DEFINE_string(
        "workdir", None, "The run's folder; gs:// works too.", flag_values=values
    )
    if not mode:
        flags.DEFINE_string(
            "mode", "train", f"One of {', '.join(MODES)}.", flag_values=values
        )
    flags.DEFINE_multi_string(
        "plugins",
        [],
        PLUGINS,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "profile_steps",
        0,
        "Train: how many steps to trace.",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_string(
        "compilation_cache",
        None,
        "A folder where compiled programs are kept between runs.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "coordinator_address",
        None,
        "Several hosts: host:port of process 0.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "num_processes", None, "Several hosts: how many.", flag_values=values
    )
    flags.DEFINE_integer(
        "process_id", None, "Several hosts: which is this.", flag_values=values
    )


def help_text(mode: str) -> str:
    """The help of a mode, or of main.py."""
    values = flags.FlagValues()
    define(values, mode)
    names = sorted(name for name in values if values[name].help)
    lines = [f"  --{name}: {values[name].help}" for name in names]
    config = "  --config: A config file, FILE.py, or a variant of it, FILE.py:VARIANT."
    override = "  --config.FIELD: Another value of one of its fields."
    return "\n".join([str(__doc__), "flags:", config, override, *lines])


def parse(argv: Sequence[str], values: flags.FlagValues, mode: str = "") -> list[str]:
    """Reads and checks flags and config, before JAX is imported.

    Args:
      argv: the command line, the program's name first.
      values: the flags, which are defined here and then have their values.
      mode: mode of the command; "": that of the flag --mode.

    Returns:
      The arguments that are no flags: the program's name.

    Raises:
      ConfigError: a flag is missing or the config file cannot be used.
      flags.Error: a flag does not exist or has a wrong value.
    """
    from ddpm_jax.commands import mode_config
    from ddpm_jax.config import check, files

    define(values, mode)
    # Plugins add choices, and so fields, to every config.
    early = load_plugins(argv)
    argv = mode_config.with_run(argv, early.config, early.workdir)
    files.define_flag(values, argv)
    check.overrides(argv)
    rest = files.parse(values, argv)
    choose(MODES, mode or values.mode, "--mode")
    expand(values)
    if len(rest) > 1:
        raise ConfigError(f"{rest[1]!r} is not a flag: write --name=value.")
    return rest


def expand(values: flags.FlagValues) -> None:
    """Replaces the flags that are paths by what the user means by them.

    Raises:
      ConfigError: one is no path, such as an empty one.
    """
    for name in ("workdir", "compilation_cache"):
        if (written := values[name].value) is not None:
            values[name].value = str(paths.expanded(written, f"--{name}={written}"))


def load_plugins(argv: Sequence[str]) -> flags.FlagValues:
    """Loads the plugins of a command line, before anything else of it is read.

    Returns:
      The flags read so far: all but overrides; of --config the name of the file.

    Raises:
      ConfigError: one cannot be loaded, or the run in the workdir had another one.
    """
    from etils import epath

    from ddpm_jax.config import plugins
    from ddpm_jax.runs import plugin_record

    early = flags.FlagValues()
    define(early, "any")
    flags.DEFINE_string("config", None, "", flag_values=early)
    early(argv, known_only=True)
    expand(early)
    plugins.load_flags(early.plugins)
    if early.workdir:
        plugin_record.require(epath.Path(early.workdir))
    return early


def execute(values: flags.FlagValues, mode: str) -> int:
    """Runs one mode with flags that have been read; returns the exit status."""
    terminal.quiet_libraries()
    # Imported after the flags are checked, so that a wrong one is reported at once.
    import jax

    from ddpm_jax.core import errors
    from ddpm_jax.training import distributed
    from ddpm_jax.training.nonfinite import NonFiniteError

    terminal.begin_log()
    if values.compilation_cache:
        jax.config.update("jax_compilation_cache_dir", values.compilation_cache)
    with errors.as_config_errors():
        distributed.initialize(
            values.coordinator_address, values.num_processes, values.process_id
        )
        config = _checked(values, mode, jax.device_count())
    try:
        with outside.memory_saved_by(MODES[mode].saves_memory):
            return MODES[mode].run(config, values.workdir, values.profile_steps)
    except NonFiniteError as error:
        return ending.complain(str(error), status=1)


def _checked(values: flags.FlagValues, mode: str, num_devices: int) -> Config:
    """The config of a mode, after all checks of what the mode needs."""
    from ddpm_jax import check
    from ddpm_jax.commands import mode_config

    group = MODES[mode].group
    check.check_values(values.config)
    mode_config.warn_of_empty(values)
    config: Config = mode_config.of_run(values, group) if group else values.config
    getattr(check, MODES[mode].check)(config, num_devices)
    return config


def _train(config: Config, workdir: str, profile_steps: int) -> int:
    # TensorFlow, which this needs for its event files, takes seconds to import.
    from ddpm_jax.train import run

    return run(config, workdir, profile_steps)


def _evaluate(config: Config, workdir: str, _: int) -> int:
    from ddpm_jax import evaluate

    evaluate.run(config, workdir)
    return 0


def _sample(config: Config, workdir: str, _: int) -> int:
    from ddpm_jax import sample

    sample.run(config, workdir)
    return 0


def _reference(config: Config, workdir: str, _: int) -> int:
    from ddpm_jax import evaluate

    evaluate.make_reference(config, workdir)
    return 0


class Mode(NamedTuple):
    """A mode of the program.

    Attributes:
      run: (config, workdir, steps to trace) -> exit status.
      check: name of the function of `ddpm_jax.check` for it, imported when it is needed.
      saves_memory: what takes less memory of a device, for an error of that.
      group: config group that is the mode's, where the rest is the run's; "": there is none.
    """

    run: Callable[[Config, str, int], int]
    check: str
    saves_memory: str
    group: str = ""


MODES: Mapping[str, Mode] = {
    "train": Mode(
        _train,
        "for_training",
        "raise config.training.num_microbatches, such as to twice as many",
    ),
    "eval": Mode(_evaluate, "for_evaluation", "lower config.eval.batch_size", "eval"),
    "sample": Mode(_sample, "for_sampling", "lower config.sample.batch_size", "sample"),
    "reference": Mode(_reference, "for_reference", "lower config.eval.batch_size"),
}
