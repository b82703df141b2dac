"""Config groups of what is learned: fields that no other part checks."""

import pytest

from ddpm_jax.config import model_options


@pytest.mark.parametrize("bounds", [(1.0,), (3.0, -3.0), (-50.0, 3.0), (0.0, 1.0, 2.0)])
def test_bounds_of_log_snr_are_two_numbers_that_increase(bounds):
    with pytest.raises(ValueError, match=r"^log_snr_bounds = .* write two numbers"):
        model_options.Model(log_snr_bounds=bounds)


def test_bounds_of_log_snr_may_be_left_to_the_schedule():
    assert model_options.Model().log_snr_bounds == ()
    assert model_options.Model(log_snr_bounds=(-5.0, 13.3)).log_snr_bounds[1] == 13.3


def test_a_chain_has_a_transition_and_no_chain_is_continuous_time():
    with pytest.raises(ValueError, match=r"^num_steps = 1: a chain needs 2 latents"):
        model_options.Schedule(num_steps=1)
    assert model_options.Schedule(num_steps=0).num_steps == 0
