"""Models read back from their workdirs: by this run, and by others that start from it."""

import json

import pytest

from ddpm_jax.config import schema
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.runs import restore
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def another(leaf):
    """A value that is not the field's default, of its type."""
    value = leaf.default
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return (*value, 3)
    return f"{value} too" if isinstance(value, str) else value + 1


OF_X = {
    "data.name",
    "data.image_size",
    "data.center_crop",
    "data.channels",
    "data.stride",
    "decoder.name",
}


@pytest.mark.parametrize("field", sorted(schema.leaves()))
def test_another_runs_data_is_the_same_unless_what_makes_x_differs(field):
    ours, theirs = schema.default(), schema.default()
    with theirs.unlocked():
        theirs.update_from_flattened_dict({field: another(schema.leaves()[field])})
    if field not in OF_X:
        restore.check_same_data("config.a.b = 'c'", ours, theirs)
        return
    message = rf"^config.a.b = 'c' is of other data: config.{field} is .* there and"
    with pytest.raises(ConfigError, match=message) as error:
        restore.check_same_data("config.a.b = 'c'", ours, theirs)
    said = str(error.value)
    assert (
        f"{flat(theirs)[field]!r} there" in said
        and f"{flat(ours)[field]!r} here" in said
    )


def test_weights_that_there_are_not_and_steps_that_there_are_not(tmp_path):
    c = tiny.config()
    with pytest.raises(ConfigError, match=r"holds no config.json: train there first"):
        restore.load(c, tmp_path, step=-1, weights="ema")
    (tmp_path / "config.json").write_text(json.dumps(c.to_dict()))
    with pytest.raises(
        ConfigError, match=r"weights 'best' are none of raw, ema, ema:0.9"
    ):
        restore.load(c, tmp_path, step=-1, weights="best")
    with pytest.raises(ConfigError, match=r"holds no checkpoint: train there first"):
        restore.load(c, tmp_path, step=-1, weights="ema")


def test_another_runs_devices_are_this_runs_and_older_fields_are_as_by_default(
    tmp_path,
):
    ours, theirs = tiny.config(parallel__fsdp=2), tiny.config(parallel__fsdp=8)
    text = theirs.to_dict()
    del text["sample"]["task"]
    (tmp_path / "config.json").write_text(json.dumps(text))
    found = restore.config_of("field", tmp_path, ours)
    assert found.parallel.fsdp == 2 and found.sample.task == "generate"


def test_what_another_run_says_is_told_of_the_field_that_named_it():
    with (
        pytest.raises(ConfigError, match=r"^config.a cannot be read: one line$"),
        restore.errors_about("config.a"),
    ):
        raise RuntimeError("one line\nand another")
