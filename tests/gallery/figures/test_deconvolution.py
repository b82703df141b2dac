"""Deconvolution: exact without noise, drowned with it; the reverse kernel never."""

import numpy as np
import pytest

from tests.gallery import known


@pytest.fixture(scope="module")
def made():
    return known.computed("deconvolution", alpha=0.9, highest=18.0)


def test_division_amplifies_and_the_reverse_kernel_does_not(made):
    _, numbers = made
    first, *_, last = numbers["restored"]
    assert first["error_divided"] < 1e-4 and last["error_divided"] > 1.0
    for one in numbers["restored"]:
        # Half of the integral of |noise|, of which the kernel keeps at most all.
        assert one["error_reversed"] <= one["noise"] * 0.8 * 12.0
    errors = np.array(numbers["errors"])
    ratio = errors[-1, 0] / errors[-3, 0]
    assert ratio == pytest.approx(100.0, rel=0.05)


def test_the_factor_is_the_inverse_of_the_noises_transform(made):
    _, numbers = made
    w = np.array(numbers["frequencies"])
    np.testing.assert_allclose(numbers["amplification"], np.exp(0.05 * w**2), rtol=1e-4)


def test_one_noise_leaves_no_empty_panel_and_its_words_follow_it(made):
    figure, numbers = made
    caption, panels = known.said_and_drawn(
        figure, numbers | {"restored": numbers["restored"][:1]}
    )
    assert len(panels) == 3 and "noise of 1e-12" in caption.sentence


def test_words_and_panels(made):
    caption, panels = known.said_and_drawn(*made)
    assert len(caption.table) == 5 and len(panels) == 6
