"""Two configs: where they differ, and what a mode takes from the one and the other."""

import json

import pytest

from ddpm_jax import config as config_lib
from ddpm_jax.config import changes, schema
from ddpm_jax.core import errors
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.core.leaf import Belongs
from tests import tiny

ALL, LEAVES = tuple(Belongs), schema.leaves()


def test_two_configs_differ_only_where_it_matters():
    ours = tiny.config()
    saved = errors.flat(json.loads(json.dumps(ours.to_dict())))
    assert changes.refused(ours, saved) == []
    longer = tiny.config(
        training__num_steps=9, training__log_every=1, eval__num_draws=4
    )
    assert changes.refused(longer, saved) == []
    assert set(changes.between(longer, saved)) == {
        *("training.num_steps", "training.log_every", "eval.num_draws")
    }
    other = tiny.config(seed=1, prediction="v", training__num_steps=9)
    assert changes.refused(other, saved) == [
        "config.prediction (now 'v', then 'eps')",
        "config.seed (now 1, then 0)",
    ]


def test_a_run_of_a_former_default_goes_on_with_it():
    then = flat(tiny.config(optimizer__decay_steps=800_000))
    kept = changes.with_former_defaults(tiny.config(), then)
    assert kept.optimizer.decay_steps == 800_000
    assert set(changes.between(kept, then)) == set()
    # Any other number was meant, and so is one that is written now.
    for now, before in ((900, 800_000), (0, 900), (0, 0)):
        ours = tiny.config(optimizer__decay_steps=now)
        then = flat(tiny.config(optimizer__decay_steps=before))
        assert changes.with_former_defaults(ours, then) is ours
    del then["optimizer.decay_steps"]
    assert changes.with_former_defaults(ours, then) is ours


def test_what_an_earlier_version_did_not_have_was_as_the_default_is():
    ours = tiny.config()
    saved = errors.flat(json.loads(json.dumps(ours.to_dict())))
    del saved["model.label_dropout"]
    assert changes.refused(ours, saved) == []
    other = tiny.config(model__label_dropout=0.5)
    assert changes.refused(other, saved) == [
        "config.model.label_dropout (now 0.5, then 0.1)"
    ]
    gone = saved | {"model.gone": 3}
    assert changes.refused(ours, gone) == ["config.model.gone (now 'absent', then 3)"]
    del saved["loss.weighting"]
    weighted = tiny.config(loss__weighting="simple", loss__min_snr__gamma=2.0)
    assert changes.refused(weighted, saved) == []


@pytest.mark.parametrize("field", sorted(LEAVES))
def test_each_field_counts_as_a_difference_unless_it_may_change(field):
    leaf, ours = LEAVES[field], config_lib.default()
    if leaf.choice:
        ours.update_from_flattened_dict({leaf.choice[0]: leaf.choice[1]})
    theirs = errors.flat(ours)
    theirs[field] = "another"
    found = changes.refused(ours, theirs)
    assert bool(found) != (leaf.may_change or leaf.belongs is Belongs.MODE)
    assert all(field in text for text in found)


def is_chosen(leaf):
    """Whether the defaults name the choice that a field is an option of."""
    return leaf.choice is None or LEAVES[leaf.choice[0]].default == leaf.choice[1]


def test_options_of_choices_that_neither_names_are_of_no_effect():
    theirs = errors.flat(config_lib.default())
    idle = {field for field, leaf in LEAVES.items() if not is_chosen(leaf)}
    theirs |= dict.fromkeys(idle, "another")
    assert changes.of_effect(config_lib.default(), theirs, ALL) == {}
    assert set(changes.between(config_lib.default(), theirs)) == idle
    several = tiny.config(eval__estimators="ode, full")
    held = flat(several) | {"eval.ode.rtol": 3.0}
    assert set(changes.of_effect(several, held, ALL)) == {"eval.ode.rtol"}
    # Those of a choice that one of the two names count.
    held = flat(tiny.config(prediction="v", schedule__name="cosine"))
    held["schedule.cosine.log_snr_min"] = -9.0
    found = changes.of_effect(tiny.config(), held, [Belongs.MODEL])
    assert "schedule.cosine.log_snr_min" in found


def test_lists_of_a_file_are_the_tuples_they_were():
    ours = tiny.config(ema__extra_decays=(0.5, 0.9))
    saved = errors.flat(ours) | {"ema.extra_decays": [0.5, 0.9]}
    assert changes.refused(ours, saved) == []


def given_otherwise(*owners):
    """The defaults, in which each field of some owners has another value."""
    given = config_lib.default()
    fields = [field for field, leaf in LEAVES.items() if leaf.belongs in owners]
    with given.ignore_type():
        given.update_from_flattened_dict(dict.fromkeys(fields, "another"))
    return given, fields


def test_a_mode_takes_each_field_from_its_owner():
    """What is the run's from the run; what is the mode's or the data's as it is given."""
    run = config_lib.default()
    given, fields = given_otherwise(Belongs.RUN, Belongs.DATA, Belongs.MODE)
    found = flat(changes.for_mode(given, run))
    for field, leaf in LEAVES.items():
        is_given = leaf.belongs in (Belongs.MODE, Belongs.DATA)
        assert found[field] == ("another" if is_given else leaf.default), field
    # A sentence for each field of the run that was given, and of effect in training.
    said = changes.of_no_effect(fields, given, run, "eval")
    run_fields = [field for field in fields if LEAVES[field].belongs is Belongs.RUN]
    told = [
        field for field in run_fields if f"config.{field} = 'another' is" in str(said)
    ]
    assert {"seed", "data.batch_size", "training.num_steps"} <= set(told)
    assert len(said) == len(told)
    assert changes.of_no_effect(["seed"], given, run, "eval") == [
        "config.seed = 'another' is of no effect on this mode: of the run it is 0"
    ]
    told = changes.of_no_effect(["data.batch_size"], given, run, "sample")
    assert told[0].endswith("it is 128; config.sample.batch_size is this mode's own")
    assert changes.of_no_effect([], given, run, "eval") == []


def test_a_mode_refuses_another_model_and_names_the_fields():
    given, fields = given_otherwise(Belongs.MODEL)
    with pytest.raises(ConfigError) as error:
        changes.for_mode(given, config_lib.default())
    told = str(error.value).split("; ")
    wanted = [field for field in sorted(fields) if is_chosen(LEAVES[field])]
    assert [text.partition(" ")[0] for text in told] == [f"config.{f}" for f in wanted]
    assert told[0].endswith("(now 'another', then False)")
    run = tiny.config()
    idle = tiny.config(schedule__cosine__log_snr_min=-9.0)
    assert changes.for_mode(idle, run).schedule.cosine == run.schedule.cosine


def test_the_config_that_is_given_stays_as_it_is():
    run, given = tiny.config(), tiny.config(seed=3).lock()
    assert changes.for_mode(given, run).seed == 0
    assert given.seed == 3
