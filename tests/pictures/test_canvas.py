"""Figures as pixels: of the size that is asked for, white where nothing is drawn."""

import numpy as np

from ddpm_jax.pictures import canvas


def test_pixels_are_the_figures_in_colour_and_its_size():
    figure = canvas.figure(2.0, 1.0)
    empty = canvas.pixels(figure)
    assert empty.shape == (110, 220, 3) and empty.dtype == np.uint8
    assert np.all(empty == 255)
    axes = figure.add_subplot()
    canvas.style(axes, "time", "length")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time", "length")
    drawn = canvas.pixels(figure)
    assert drawn.shape == empty.shape and drawn.min() < 50
    # A copy, which a later drawing does not change.
    axes.remove()
    canvas.pixels(figure)
    assert drawn.min() < 50
