"""The config group of evaluation."""

import pytest

from ddpm_jax.config import eval_options


@pytest.mark.parametrize(
    ("name", "value"), [("num_draws", 0), ("step", -2), ("batch_size", 0)]
)
def test_numbers_have_a_least_value(name, value):
    with pytest.raises(ValueError, match=rf"^{name} = {value}: write -?\d or more"):
        eval_options.Eval(**{name: value})
