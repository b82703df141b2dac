"""The config as it is defined: every field, its default, and what says what it is."""

from ddpm_jax.config import schema
from ddpm_jax.core.errors import flat


def test_what_may_change_in_a_run_is_known_field_by_field():
    """The list of before the definitions said it themselves."""
    may = {
        *("data.data_dir", "data.num_threads", "data.num_workers"),
        *("data.num_prefetch", "training.num_steps", "training.max_skipped"),
        *("data.skip_broken", "training.num_microbatches"),
        *("training.log_every", "training.eval_every", "training.sample_every"),
        *("training.checkpoint_every", "training.keep_last", "training.keep_every"),
        *(f"model.{name}.remat" for name in ("unet", "vdm_unet", "classifier")),
    }
    for field, leaf in schema.leaves().items():
        whole = field.split(".")[0] in ("parallel", "eval", "sample")
        assert leaf.may_change == (whole or field in may), field


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
