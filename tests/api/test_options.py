"""Keywords as fields of a config."""

import numpy as np
import pytest

from ddpm_jax.api import options
from ddpm_jax.core.errors import ConfigError
from tests import tiny


def applied(group="sample", excluded=("film", "step"), **given):
    return options.applied(tiny.config(), group, given, excluded=excluded)


def test_keywords_are_fields_and_dicts_are_groups():
    before = tiny.config()
    own = options.applied(
        before,
        "sample",
        {
            "sampler": "unipc",
            "unipc": {"order": 3},
            "num_steps": np.int64(5),
            "seed": np.uint64(7),
        },
        excluded=(),
    )
    c = own.sample
    assert (c.sampler, c.unipc.order, c.num_steps, c.seed) == ("unipc", 3, 5, 7)
    # The run's seed stays: models that were estimated by it are the same.
    assert own.seed == 0
    assert c.unipc.lower_order_final is True
    # The config itself stays as it is.
    assert before.to_dict() == tiny.config().to_dict()
    assert applied().to_dict() == before.to_dict()


@pytest.mark.parametrize("times", [[9, 4, 0], (9, 4, 0), np.array([9, 4, 0])])
def test_tuples_are_given_as_any_sequence_or_as_one_number(times):
    own = applied(spacing="explicit", explicit={"times": times})
    assert own.sample.explicit.times == (9, 4, 0)
    one = applied(spacing="explicit", explicit={"times": 0})
    assert one.sample.explicit.times == (0,)
    several = applied(spacing="explicit", explicit={"times": range(9, -1, -3)})
    assert several.sample.explicit.times == (9, 6, 3, 0)


@pytest.mark.parametrize(
    "given, said",
    [
        ({"sampler": "unipcc"}, "sampler = 'unipcc' is not one of ["),
        ({"num_steps": 11}, "num_steps = 11 is more than config.schedule.num_steps"),
        ({"num_steps": 2.5}, "num_steps = 2.5 is of type float: write a int"),
        ({"num_step": 3}, "num_step = 3 is not an option. Did you mean 'num_steps'?"),
        ({"film": {}, "end": "draws"}, "end = 'draws' is not one of"),
        ({"film": {"num_frames": 3}}, "film = {...} is not a group of options."),
        ({"step": 3}, "step = 3 is not an option."),
        ({"unipc": 3}, "unipc = 3: write a dict of lower_order_final, order."),
        (
            {"unipc": {"odrer": 3}},
            "unipc.odrer = 3 is not an option. Did you mean 'order'?"
            " There are lower_order_final, order.",
        ),
        ({"uni": {"order": 3}}, "uni = {...} is not a group of options."),
        ({"guidance": "classifier_free"}, "guidance = 'classifier_free' goes between"),
    ],
)
def test_what_cannot_work_is_told_by_the_keyword(given, said):
    with pytest.raises(ConfigError) as error:
        applied(**given)
    assert str(error.value).startswith(said)
    assert "config.sample." not in str(error.value) and "\n" not in str(error.value)


def test_a_group_of_another_name_is_told_by_its_keywords_too():
    with pytest.raises(ConfigError, match=r"^ode\.rtol = -1"):
        applied("eval", ode={"rtol": -1.0})
