"""What a sweep file says: from grids of overrides to the runs of a sweep."""

import pathlib

import pytest

from configs.sweeps import digits_ablation
from ddpm_jax.commands import sweep_file
from ddpm_jax.core.errors import ConfigError, flat

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = """
from ddpm_jax import config

def get_config():
    c = config.default()
    c.data.center_crop = 5
    return c
"""


def test_a_grid_is_a_product_and_choices_may_set_several_fields(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.py").write_text(CONFIG)
    two = {"schedule.name": "cosine", "schedule.num_steps": 10}
    grids = [
        {"seed": [0, 1], "way": {"plain": {}, "both": two}},
        {"model.unet.feature_mults": [(1, 2), [1]], "data.stride": [2]},
        {"seed": [{"first": {"seed": 8}}, 9]},
        {},
    ]
    overrides = {"sample.num_steps": 5, "data.stride": 2}
    said = {"config": "config.py", "overrides": overrides, "grids": grids}
    pathlib.Path("file.py").write_text(f"def get_sweep():\n    return {said!r}\n")
    runs = {run.name: run for run in sweep_file.read("file.py")}
    assert list(runs) == [
        "seed=0,way=plain",
        "seed=0,way=both",
        "seed=1,way=plain",
        "seed=1,way=both",
        "model.unet.feature_mults=1_2,data.stride=2",
        "model.unet.feature_mults=1,data.stride=2",
        "seed=first",
        "seed=9",
    ]
    both = runs["seed=1,way=both"].config
    assert (both.seed, both.schedule.name, both.schedule.num_steps) == (1, "cosine", 10)
    assert both.data.stride == 2 and both.data.center_crop == 5
    assert runs["seed=0,way=plain"].aliases == ("base",)
    mults = runs["model.unet.feature_mults=1,data.stride=2"].config
    assert tuple(mults.model.unet.feature_mults) == (1,)


def test_the_ablation_of_the_digits_changes_one_factor_at_a_time(monkeypatch):
    monkeypatch.chdir(ROOT)
    runs = sweep_file.read(digits_ablation.__file__)
    base, *others = runs
    assert base.aliases == ("prediction=eps", "T=1000")
    assert [run.name for run in others] == [
        *(f"schedule={name}" for name in ("linear_beta", "cosine", "learned")),
        *(f"prediction={name}" for name in ("x", "v", "mean")),
        *(f"T={name}" for name in ("10", "100", "infinity")),
    ]
    fields = {"schedule": "schedule.name", "prediction": "prediction"}
    for run in runs:
        options = run.config.schedule[run.config.schedule.name]
        if run.name != "schedule=linear_beta":
            assert (options.log_snr_min, options.log_snr_max) == (-6.0, 8.0)
        values = flat(run.config)
        changed = {n for n, value in flat(base.config).items() if values[n] != value}
        factor = fields.get(run.name.split("=")[0], "schedule.num_steps")
        own = {
            "model.log_snr_bounds",
            *(f"schedule.cosine.log_snr_{e}" for e in ("min", "max")),
        }
        assert changed - own == (set() if run is base else {factor})
        assert values["training.num_steps"] == 400
        # The rate decays to the end, of a short look too.
        assert values["optimizer.decay_steps"] == 0
        assert values["eval.num_draws"] == 32 and not values["eval.clip"]
    with pytest.raises(ConfigError, match="cannot work"):
        sweep_file.read(digits_ablation.__file__, ("--config.schedule.num_steps=1",))
