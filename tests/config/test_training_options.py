"""Config groups of training: ranges of rates and decays."""

import math

import pytest

from ddpm_jax.config import training_options


@pytest.mark.parametrize("rate", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize("name", ["learning_rate", "schedule_learning_rate"])
def test_a_rate_is_a_number_above_zero(name, rate):
    with pytest.raises(ValueError, match=rf"^{name} = {rate}: write a number above 0"):
        training_options.Optimizer(**{name: rate})


@pytest.mark.parametrize("decay", [1.0, -0.1, math.nan])
def test_a_decay_is_below_one(decay):
    with pytest.raises(ValueError, match=rf"^decay = {decay}: .* such as 0.9999"):
        training_options.Ema(decay=decay)
    with pytest.raises(ValueError, match=r"^extra_decays = .* such as 0.9999"):
        training_options.Ema(extra_decays=(0.5, decay))
