"""The setting of the gallery's tests: a small grid, on which a figure takes a moment."""

import json

from etils import epath

from ddpm_jax.gallery import densities, encoding, options
from ddpm_jax.gallery.figure import Setting
from ddpm_jax.lab.densities import Grid


def setting(num=241, seed=0, folder="unused"):
    """The smooth mixture on a grid from -6 to 6."""
    grid = Grid(-6.0, 6.0, num)
    return Setting(grid, densities.smooth(grid), seed, epath.Path(folder))


def config(name, **changes):
    """The gallery's config with changes to one figure's options."""
    c = options.default()
    c[name].update(changes)
    return c


def computed(name, num=241, **changes):
    """A figure of these options, and its numbers as its JSON file holds them."""
    figure = options.figure(config(name, **changes), name)
    numbers = encoding.plain(dict(figure.compute(setting(num))))
    return figure, json.loads(json.dumps(numbers, allow_nan=False))


def said_and_drawn(figure, numbers):
    """The caption, once its parts are there, and the drawing's panels."""
    caption = figure.tell(numbers)
    assert len(caption.sentence) > 80 and len(caption.alt) > 80
    assert all(len(row) == 2 and all(row) for row in caption.table) and caption.table
    return caption, figure.draw(numbers).axes
