"""The config group of sampling: films and animations."""

import math

import pytest

from ddpm_jax.config import sample_options


@pytest.mark.parametrize("seconds", [0.0, -1.0, 3601.0, math.nan])
def test_an_animation_takes_up_to_an_hour(seconds):
    with pytest.raises(ValueError, match=r"^seconds = .* above 0, at most 3600"):
        sample_options.Film(seconds=seconds)


def test_an_animation_is_of_a_kind_there_is():
    with pytest.raises(ValueError, match=r"^animation = 'gig' .* Did you mean 'gif'"):
        sample_options.Film(animation="gig")
    with pytest.raises(ValueError, match=r"^format = 'pgn' .* Did you mean 'png'"):
        sample_options.Sample(format="pgn")
