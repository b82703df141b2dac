"""The numbers of samples and their seed, as config.sample says them."""

import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.sampling import numbering
from tests import tiny


@pytest.mark.parametrize(
    "changes, seed, end, label",
    [
        ({}, 3, 9, ""),
        ({"sample__seed": 0}, 0, 9, "_seed_0"),
        ({"sample__seed": 3}, 3, 9, ""),
        ({"sample__seed": 2**63}, 2**63, 9, f"_seed_{2**63}"),
        ({"sample__first": 1000}, 3, 1009, "_from_1000"),
        ({"sample__first": 5, "sample__seed": 1}, 1, 14, "_seed_1_from_5"),
    ],
)
def test_seed_and_range_are_those_of_the_sample_or_of_the_run(
    changes, seed, end, label
):
    c = tiny.config(seed=3, **changes)
    check_config(c)
    assert numbering.seed_of(c) == seed
    assert (numbering.end_of(c), numbering.label(c)) == (end, label)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"first": -1}, r"config\.sample\.first = -1: write 0 or more"),
        ({"seed": -2}, r"config\.sample\.seed = -2: write a whole number from -1 to"),
        (
            {"first": 2**31 - 5},
            r"config\.sample\.first = 2147483643 and config\.sample\.num_samples = 9 go"
            r" beyond 2147483647, .*: lower one",
        ),
    ],
)
def test_what_is_no_number_of_a_sample_is_refused(changes, said):
    changes = {f"sample__{name}": value for name, value in changes.items()}
    with pytest.raises(ConfigError, match=said):
        check_config(tiny.config(**changes))
