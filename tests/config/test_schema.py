"""The config as it is defined: every field, its default, and what says what it is."""

import dataclasses

from ddpm_jax.config import schema
from ddpm_jax.core.errors import flat
from ddpm_jax.core.leaf import Belongs
from ddpm_jax.data.point_shapes import PointsOptions

RUN = {
    *("seed", "model.label_dropout", "data.batch_size", "data.flip", "data.rotate"),
    *("data.num_threads", "data.num_workers", "data.num_prefetch"),
    *(f"model.{name}.dropout" for name in ("unet", "vdm_unet", "mlp", "classifier")),
    *(f"model.{name}.remat" for name in ("unet", "vdm_unet", "mlp", "classifier")),
}
DATA = {
    *("data.name", "data.image_size", "data.center_crop", "data.channels"),
    *("data.stride", "data.data_dir", "data.train_split", "data.skip_broken"),
    "data.folder.splits",
    *(f"data.points.{field.name}" for field in dataclasses.fields(PointsOptions)),
}
# Of all other fields, by their first group.
OWNERS = {
    **dict.fromkeys(("prediction", "reverse_variance", "schedule"), Belongs.MODEL),
    **dict.fromkeys(("decoder", "model"), Belongs.MODEL),
    **dict.fromkeys(("loss", "optimizer", "ema", "training"), Belongs.RUN),
    **dict.fromkeys(("parallel", "eval", "sample"), Belongs.MODE),
}


def test_each_field_belongs_to_what_depends_on_it():
    known = schema.leaves()
    assert known.keys() >= RUN | DATA
    for field, leaf in known.items():
        if field in RUN:
            wanted = Belongs.RUN
        elif field in DATA:
            wanted = Belongs.DATA
        elif field in ("data.eval_split", "data.accept_changes"):
            wanted = Belongs.MODE
        elif field == "data.augmentation_flag":
            wanted = Belongs.MODEL
        else:
            wanted = OWNERS[field.split(".")[0]]
        assert leaf.belongs is wanted, field


def test_what_may_change_in_a_run_is_known_field_by_field():
    """What a mode owns is not the run's at all."""
    may = {
        *("data.data_dir", "data.skip_broken", "data.num_threads"),
        *("data.num_workers", "data.num_prefetch"),
        *("training.num_steps", "training.max_skipped", "training.num_microbatches"),
        "optimizer.decay_steps",
        *("training.log_every", "training.eval_every", "training.sample_every"),
        *("training.checkpoint_every", "training.keep_last", "training.keep_every"),
        *(f"model.{name}.remat" for name in ("unet", "vdm_unet", "mlp", "classifier")),
    }
    found = {field for field, leaf in schema.leaves().items() if leaf.may_change}
    assert found == may


def test_every_field_has_a_default_and_a_sentence_that_says_what_it_is():
    for field, leaf in schema.leaves().items():
        assert leaf.meaning.endswith(".") and "\n" not in leaf.meaning, field
        assert type(leaf.default) in (bool, int, float, str, tuple), field


def test_defaults_are_those_of_the_papers_and_of_a_handful_of_fields_by_name():
    c = schema.default()
    assert (c.seed, c.prediction, c.reverse_variance) == (0, "eps", "forward")
    assert (c.schedule.name, c.schedule.num_steps) == ("linear_beta", 1000)
    assert c.schedule.linear_beta.beta_end == 0.02
    assert c.model.unet.feature_mults == (1, 2, 2, 2)
    assert c.optimizer.learning_rate == 2e-4 and c.ema.decay == 0.9999
    assert c.sample.euler.churn.amount == 0.0
    assert (c.eval.estimators, c.eval.num_draws) == ("stratified", 16)
    assert (c.training.num_steps, c.data.batch_size) == (800_000, 128)


def test_a_default_is_a_new_config_each_time_and_as_its_leaves_are():
    c = schema.default()
    c.model.unet.dropout = 0.7
    assert schema.default().model.unet.dropout == 0.1
    known = {name: leaf.default for name, leaf in schema.leaves().items()}
    assert flat(schema.default()) == known
