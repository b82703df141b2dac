"""Mistakes in commands, in what runs a user's files, and in the interface for notebooks."""

from tests.planted.mistake import Mistake

PYTHON_FILES = "ddpm_jax/core/python_files.py"
OF_PYTHON_FILES = ("tests/core/test_python_files.py",)
CONFIG_FILES = "ddpm_jax/config/files.py"
OF_CONFIG_FILES = ("tests/config/test_files.py",)
MODES = "ddpm_jax/commands/modes.py"
OF_MODES = ("tests/commands/test_modes.py",)
TABLE = "ddpm_jax/commands/table.py"
OF_TABLE = ("tests/commands/test_table.py",)
SWEEP_FILE = "ddpm_jax/commands/sweep_file.py"
OF_SWEEP = ("tests/commands/test_sweep.py",)
OPTIONS = "ddpm_jax/api/options.py"
OF_OPTIONS = ("tests/api/test_options.py",)
RUN = "ddpm_jax/api/run.py"
OF_RUN = ("tests/api/test_run.py",)
TRAIN = "ddpm_jax/train.py"
PUBLIC = "ddpm_jax/__init__.py"
OF_PUBLIC = ("tests/test_public.py",)
OF_EXAMPLES = ("tests/test_examples.py",)

MISTAKES = (
    Mistake(
        "of a file's lines the outermost is named",
        PYTHON_FILES,
        "return lines[-1] if lines",
        "return lines[0] if lines",
        OF_PYTHON_FILES,
    ),
    Mistake(
        "a file that is no Python has no line",
        PYTHON_FILES,
        "        return error.lineno",
        "        return None",
        OF_PYTHON_FILES,
    ),
    Mistake(
        "a file may end the process",
        PYTHON_FILES,
        "except (Exception, SystemExit) as error",
        "except Exception as error",
        OF_PYTHON_FILES,
    ),
    Mistake(
        "the folders of files stay where imports are looked for",
        PYTHON_FILES,
        "        sys.path.remove(str(folder))",
        "        pass",
        OF_PYTHON_FILES,
    ),
    Mistake(
        "a package within a package is not found",
        PYTHON_FILES,
        "while (folder /",
        "if (folder /",
        OF_PYTHON_FILES,
    ),
    Mistake(
        "classes of a file have no module",
        PYTHON_FILES,
        "sys.modules[name] = module",
        "pass",
        OF_PYTHON_FILES,
    ),
    Mistake(
        "a reason has as many lines as it had",
        PYTHON_FILES,
        "' '.join(reason.split())",
        "reason",
        OF_PYTHON_FILES,
    ),
    Mistake(
        "no kind of error is named",
        PYTHON_FILES,
        "if text and type(error) in (ConfigError, ValueError)",
        "if text",
        OF_PYTHON_FILES,
    ),
    Mistake(
        "a variant is left out",
        CONFIG_FILES,
        "return whole[1], whole[2]",
        "return whole[1], None",
        OF_CONFIG_FILES,
    ),
    Mistake(
        "the config of a command can get new fields",
        CONFIG_FILES,
        "read_config(argument).lock()",
        "read_config(argument)",
        OF_CONFIG_FILES,
    ),
    Mistake(
        "a config file may return anything but None",
        CONFIG_FILES,
        "if not isinstance(config, Config)",
        "if config is None",
        OF_CONFIG_FILES,
    ),
    Mistake(
        "an error of a config file is told as the flag's",
        CONFIG_FILES,
        "if isinstance(error.__context__, ConfigError)",
        "if False",
        OF_CONFIG_FILES,
    ),
    Mistake(
        "overrides are not checked by name",
        MODES,
        "    check.overrides(argv)\n",
        "",
        OF_MODES,
    ),
    Mistake(
        "the mode is not checked by name",
        MODES,
        '    choose(MODES, mode or values.mode, "--mode")\n',
        "",
        OF_MODES,
    ),
    Mistake(
        "every mode is training",
        MODES,
        "return execute(FLAGS, mode or FLAGS.mode)",
        "return execute(FLAGS, 'train')",
        OF_MODES,
    ),
    Mistake(
        "an interrupt has the status of an error",
        "ddpm_jax/core/ending.py",
        "return 128 + (signal.SIGTERM if is_term else signal.SIGINT)",
        "return 1",
        OF_MODES,
    ),
    Mistake(
        "numbers that are none have the status of a wrong flag",
        MODES,
        "return ending.complain(str(error), status=1)",
        "return ending.complain(str(error), status=2)",
        OF_MODES,
    ),
    Mistake(
        "batches need not divide over the devices",
        MODES,
        "    getattr(check, MODES[mode].check)(config, num_devices)\n",
        "",
        OF_MODES,
    ),
    Mistake(
        "the command that draws evaluates",
        MODES,
        'sample = functools.partial(main, mode="sample")',
        'sample = functools.partial(main, mode="eval")',
        OF_TABLE,
    ),
    Mistake(
        "help imports numpy",
        TABLE,
        "import importlib\n",
        "import importlib\nimport numpy\n",
        OF_TABLE,
    ),
    Mistake(
        "a command gets its own name among its arguments",
        TABLE,
        "function(rest)",
        "function([name, *rest])",
        OF_TABLE,
    ),
    Mistake(
        "a sweep evaluates before it trains",
        "ddpm_jax/commands/sweep.py",
        'for mode in ("train", "eval")',
        'for mode in ("eval", "train")',
        OF_SWEEP,
    ),
    Mistake(
        "a sweep file may return what is no dict",
        SWEEP_FILE,
        "if not isinstance(sweep, Mapping)",
        "if False",
        OF_SWEEP,
    ),
    Mistake(
        "a grid of a sweep may be what is no dict",
        SWEEP_FILE,
        "if not isinstance(grid, Mapping)",
        "if False",
        OF_SWEEP,
    ),
    Mistake(
        "in a notebook the seed 0 is the run's own",
        RUN,
        "choices if seed is None else",
        "choices if not seed else",
        OF_RUN,
    ),
    Mistake(
        "in a notebook arguments change the run's own config",
        OPTIONS,
        "copy = config.copy_and_resolve_references()",
        "copy = config",
        OF_OPTIONS,
    ),
    Mistake(
        "in a notebook every field is a keyword",
        OPTIONS,
        "not in excluded",
        "not in ()",
        OF_OPTIONS,
    ),
    Mistake(
        "in a notebook values are not checked",
        OPTIONS,
        "        check_config(copy)\n",
        "        pass\n",
        OF_OPTIONS,
    ),
    Mistake(
        "in a notebook errors name fields of the config",
        OPTIONS,
        '.replace(f"config.{group}.", "")',
        "",
        OF_OPTIONS,
    ),
    Mistake(
        "in a notebook a range is one number",
        OPTIONS,
        "list | tuple | range",
        "list | tuple",
        OF_OPTIONS,
    ),
    Mistake(
        "in a notebook numpy's numbers are refused",
        OPTIONS,
        "np.ndarray | np.generic",
        "np.ndarray",
        OF_OPTIONS,
    ),
    Mistake(
        "in a notebook samples are those from the batch's first on",
        "ddpm_jax/sampling/sample_batches.py",
        "pixels[first - start :][: config.sample.num_samples]",
        "pixels[: config.sample.num_samples]",
        OF_RUN,
    ),
    Mistake(
        "in a notebook samples are the first ones, whatever was asked for",
        RUN,
        "config.sample.update(first=first, num_samples=num_samples)",
        "config.sample.update(first=0, num_samples=num_samples)",
        OF_RUN,
    ),
    Mistake(
        "in a notebook another image in the same file is the same task",
        RUN,
        ' {task.identity}"',
        '"',
        OF_RUN,
    ),
    Mistake(
        "in a notebook two numbers of images between two are one program",
        RUN,
        "if task.last is None:",
        "if True:",
        OF_RUN,
    ),
    Mistake(
        "in a notebook another number of samples is compiled again",
        RUN,
        "            keyed.sample.update(num_samples=0, first=0)",
        "            pass",
        OF_RUN,
    ),
    Mistake(
        "in a notebook every draw is compiled",
        RUN,
        "if key not in self._batches:",
        "if True:",
        OF_RUN,
    ),
    Mistake(
        "in a notebook every evaluation is compiled",
        RUN,
        "if key not in self._evaluators:",
        "if True:",
        OF_RUN,
    ),
    Mistake(
        "in a notebook the two standard errors are exchanged",
        RUN,
        '            evaluated["bits_per_dim_stderr"],\n'
        '            evaluated["bits_per_dim_stderr_images"],\n',
        '            evaluated["bits_per_dim_stderr_images"],\n'
        '            evaluated["bits_per_dim_stderr"],\n',
        OF_RUN,
    ),
    Mistake(
        "in a notebook a figure that is no number is given",
        RUN,
        "            raise NonFiniteError(failure)",
        "            pass",
        OF_RUN,
    ),
    Mistake(
        "in a notebook there is one class more",
        RUN,
        "if not -1 <= label < num_classes",
        "if not -1 <= label <= num_classes",
        OF_RUN,
    ),
    Mistake(
        "in a notebook the newest checkpoint is read whatever the step",
        RUN,
        "step=step, weights=weights)",
        "step=-1, weights=weights)",
        OF_RUN,
    ),
    Mistake(
        "in a notebook classes are told to nobody",
        RUN,
        "conditioning=Conditioning(labels=labels)",
        "conditioning=Conditioning()",
        OF_RUN,
    ),
    Mistake(
        "in a notebook a picture has the data's values",
        "ddpm_jax/pictures/samples.py",
        "return grids.grid(self._shown(samples), period)",
        "return grids.grid(samples, period)",
        OF_RUN,
    ),
    Mistake(
        "in a notebook a classifier is loaded",
        RUN,
        "if build.is_classifier(config):",
        "if False:",
        OF_RUN,
    ),
    Mistake(
        "in a notebook training does not check its config",
        TRAIN,
        "        check.for_training(config, jax.device_count())\n",
        "        pass\n",
        OF_RUN,
    ),
    Mistake(
        "in a notebook training that was stopped looks done",
        TRAIN,
        "    if run(config, workdir):",
        "    if not run(config, workdir):",
        OF_RUN,
    ),
    Mistake(
        "importing the package imports numpy",
        PUBLIC,
        "import importlib\n",
        "import importlib\nimport numpy\n",
        OF_PUBLIC,
    ),
    Mistake(
        "the package does not list its names",
        PUBLIC,
        "return sorted({*globals(), *PUBLIC})",
        "return sorted(globals())",
        OF_PUBLIC,
    ),
    Mistake(
        "type checkers are told another place than there is",
        PUBLIC,
        '"elbo": "ddpm_jax.diffusion.likelihood.elbo"',
        '"elbo": "ddpm_jax.diffusion.likelihood.strata"',
        OF_PUBLIC,
    ),
    Mistake(
        "one network is missing among the package's",
        "ddpm_jax/nets/__init__.py",
        "from ddpm_jax.nets import vdm_unet as vdm_unet\n",
        "",
        OF_PUBLIC,
    ),
    Mistake(
        "the notebook's best denoiser is of another deviation",
        "examples/first_steps.ipynb",
        "gain = alpha * STD**2 /",
        "gain = alpha * STD /",
        OF_EXAMPLES,
    ),
)
