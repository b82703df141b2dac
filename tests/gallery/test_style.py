"""The look of figures."""

import matplotlib
import numpy as np

from ddpm_jax.gallery import style


def test_a_style_holds_while_a_figure_is_drawn_and_no_longer():
    before = matplotlib.rcParams["axes.titlesize"]

    @style.in_style
    def draw(numbers):
        assert matplotlib.rcParams["svg.hashsalt"] == "ddpm_jax"
        return numbers

    assert draw(3) == 3
    assert matplotlib.rcParams["axes.titlesize"] == before
    assert matplotlib.rcParams["svg.hashsalt"] is None


def test_a_heat_map_is_an_image_of_its_values_from_below():
    _, panels = style.sheet(1, 1, 2.0)
    axes = panels[0, 0]
    style.heat(axes, [[0.0, 1.0], [0.0, 0.0]], (0.0, 2.0, -1.0, 1.0), style.TRUTH)
    (image,) = axes.get_images()
    assert image.get_extent() == [0.0, 2.0, -1.0, 1.0] and image.origin == "lower"
    white, dark = image.cmap([0.0, 1.0])
    assert tuple(white[:3]) == (1.0, 1.0, 1.0) and dark[:3].sum() < 0.6


def test_a_density_has_no_vertical_axis_and_begins_at_zero():
    _, panels = style.sheet(1, 1, 2.0)
    axes = panels[0, 0]
    style.curve(axes, [0.0, 1.0], [0.5, 1.0], style.FIT)
    style.without_y(axes)
    assert axes.get_ylim()[0] == 0.0 and len(axes.get_yticks()) == 0


def test_a_panel_reaches_as_far_as_the_density():
    x = np.linspace(-6.0, 6.0, 121)
    near, far = (np.exp(-0.5 * np.square((x - mean) / 0.2)) for mean in (0.0, -4.0))
    assert style.reach(x, near, 2.4) == 2.4
    assert 4.4 < style.reach(x, near + far, 2.4) < 5.0


def test_colours_tell_things_apart():
    colours = [style.TRUTH, style.FORWARD, style.REVERSE, style.FIT, style.NORMAL]
    rgb = np.array([matplotlib.colors.to_rgb(colour) for colour in colours])
    apart = np.abs(rgb[:, None] - rgb[None]).max(axis=-1)
    assert np.all(apart[~np.eye(len(rgb), dtype=bool)] > 0.2)
