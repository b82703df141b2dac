"""Mistakes in what options belong to, in the config of a mode, and in sets of samples."""

from tests.planted.mistake import Mistake

CHANGES = "ddpm_jax/config/changes.py"
OF_CHANGES = ("tests/config/test_changes.py",)
NUMBERING = "ddpm_jax/sampling/numbering.py"
OF_NUMBERING = ("tests/sampling/test_numbering.py",)
SHARDS = "ddpm_jax/sampling/shards.py"
OF_SHARDS = ("tests/sampling/test_shards.py",)
FOLDERS = "ddpm_jax/sampling/sample_folders.py"
OF_FOLDERS = ("tests/sampling/test_sample_folders.py",)
CHECK = "ddpm_jax/check.py"
OF_CHECK = ("tests/test_check.py",)
PLACE = "ddpm_jax/evaluation/results/place.py"
OF_PLACE = ("tests/evaluation/results/test_place.py",)
MODE_CONFIG = "ddpm_jax/commands/mode_config.py"
OF_MODE_CONFIG = ("tests/commands/test_mode_config.py",)

MISTAKES = (
    Mistake(
        "an option that says nothing belongs to the mode",
        "ddpm_jax/core/choice.py",
        "belongs: Belongs = Belongs.RUN,",
        "belongs: Belongs = Belongs.MODE,",
        ("tests/core/test_choice.py",),
    ),
    Mistake(
        "an option takes its group's owner whatever it says",
        "ddpm_jax/core/choice.py",
        'owner = metadata["belongs"] or belongs',
        "owner = belongs",
        ("tests/core/test_choice.py",),
    ),
    Mistake(
        "the batch size of training may change in a run",
        "ddpm_jax/config/model_options.py",
        '128, "Examples in a global batch.", at_least=1, belongs=Belongs.RUN',
        '128, "Examples in a global batch.", at_least=1, belongs=Belongs.MODE',
        ("tests/config/test_schema.py",),
    ),
    Mistake(
        "options of choices that nobody names count as another config",
        CHANGES,
        "(leaf.choice is None or leaf.choice in named)",
        "bool(named)",
        OF_CHANGES,
    ),
    Mistake(
        "an option that may not change may",
        CHANGES,
        "if field not in known or not known[field].may_change",
        "if field not in known",
        OF_CHANGES,
    ),
    Mistake(
        "sampling takes the seed that it is given for the run's",
        CHANGES,
        "if leaf.belongs in (Belongs.MODEL, Belongs.RUN)",
        "if leaf.belongs in (Belongs.MODEL,)",
        OF_CHANGES,
    ),
    Mistake(
        "another model is sampled as if it were this one",
        CHANGES,
        "changed = of_effect(given, theirs, [Belongs.MODEL])",
        "changed = of_effect(given, theirs, [])",
        OF_CHANGES,
    ),
    Mistake(
        "sampling looks at the batch of training",
        CHECK,
        'combinations.devices(config, num_devices, ["sample"])',
        'combinations.devices(config, num_devices, ["sample", "data"])',
        OF_CHECK,
    ),
    Mistake(
        "evaluation by samples does not check their batch",
        CHECK,
        '        used.append("sample")\n',
        "",
        OF_CHECK,
    ),
    Mistake(
        "the run's config takes the place of the one given",
        MODE_CONFIG,
        "if config is not None:",
        'if config == "":',
        OF_MODE_CONFIG,
    ),
    Mistake(
        "the history forgets what has changed",
        "ddpm_jax/runs/workdir.py",
        "history.add(workdir, step, changed)",
        "history.add(workdir, step, {})",
        ("tests/runs/test_history.py", "-k", "each_change"),
    ),
    Mistake(
        "a kill between config and history loses what has changed",
        "ddpm_jax/runs/workdir.py",
        "    history.add(workdir, step, changed)\n    remember_config(workdir, config)\n",
        "    remember_config(workdir, config)\n    history.add(workdir, step, changed)\n",
        ("tests/runs/test_history.py", "-k", "between"),
    ),
    Mistake(
        "the seed 0 of samples is the run's",
        NUMBERING,
        "return own if own >= 0",
        "return own if own > 0",
        OF_NUMBERING,
    ),
    Mistake(
        "samples of another seed go into the same folder",
        NUMBERING,
        'if seed != config.seed else ""',
        'if seed < 0 else ""',
        OF_NUMBERING,
    ),
    Mistake(
        "a range of samples has files of its own numbering",
        SHARDS,
        "return self._per_file - number % self._per_file",
        "return self._per_file",
        OF_SHARDS,
    ),
    Mistake(
        "another range of samples goes into the same folder",
        SHARDS,
        '                    "first": first,\n',
        "",
        OF_SHARDS,
    ),
    Mistake(
        "folders may hold the same sample",
        FOLDERS,
        "if other.first < one.end:",
        "if other.first < one.first:",
        OF_FOLDERS,
    ),
    Mistake(
        "folders of different samples are one set",
        FOLDERS,
        'SHARED = ("identity", "shape", "num_values")',
        'SHARED = ("shape", "num_values")',
        OF_FOLDERS,
    ),
    Mistake(
        "folders are read in the order in which they are named",
        FOLDERS,
        "key=lambda f: f.first",
        "key=lambda f: 0",
        OF_FOLDERS,
    ),
    Mistake(
        "results on another split of a data set lie among the run's own",
        PLACE,
        '{"name", "split"} & differences',
        '{"name"} & differences',
        OF_PLACE,
    ),
)
