"""The look that all figures share: colours, fonts, and panels without clutter."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Drawing

# The same things have the same colours in all figures; they differ for the colour-blind too.
TRUTH = "#0b5fa5"  # q(x), or the density before a step.
FORWARD = "#12876b"  # The density after a step of noise.
REVERSE = "#d2571e"  # What a reverse kernel makes.
FIT = "#8e3a9d"  # What a fit or a network makes.
NORMAL = "#8a8f98"  # N(0, 1), and whatever is for comparison.
INK, PALE = "#23272e", "#d9dce1"
# Further curves of one kind, in an order.
SERIES = (TRUTH, REVERSE, FORWARD, FIT, "#b8860b", "#5b6470")

WIDTH, DPI = 8.0, 160  # Inches of every figure, and dots of its PNG per inch.
RC: dict[Any, Any] = {
    "svg.hashsalt": "ddpm_jax",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.titlepad": 5.0,
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#6b717b",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": "#4a4f58",
    "ytick.color": "#4a4f58",
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
}


def sheet(
    num_rows: int, num_columns: int, height: float, **layout: Any
) -> tuple[Drawing, np.ndarray]:
    """A drawing of panels, [num_rows, num_columns].

    Args:
      num_rows, num_columns: of panels.
      height: in inches.
      layout: further keywords of `Figure.subplots`.
    """
    drawing = Drawing(figsize=(WIDTH, height), layout="constrained")
    axes = drawing.subplots(num_rows, num_columns, squeeze=False, **layout)
    return drawing, axes


def in_style(draw: Any) -> Any:
    """A function that draws, with the look of the gallery."""

    def drawn(numbers: Any) -> Drawing:
        with matplotlib.rc_context(RC):
            return draw(numbers)

    return drawn


def name(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Writes a panel's title and the names of its axes."""
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def curve(
    axes: Axes, x: Sequence[float], y: Sequence[float], colour: str, **look: Any
) -> None:
    """Draws a density as a curve over a pale area."""
    axes.fill_between(x, y, color=colour, alpha=0.12, linewidth=0.0)
    axes.plot(x, y, color=colour, **look)


def without_y(axes: Axes) -> None:
    """Leaves out the vertical axis of a density, whose height is its area's."""
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_ylim(bottom=0.0)


def reach(x: Sequence[float], density: Sequence[float], least: float) -> float:
    """Half of the width, around 0, of a panel that shows all of a density.

    Args:
      x: points.
      density: its values there.
      least: the half that is shown at least.
    """
    values = np.asarray(density)
    return max(least, float(np.abs(np.asarray(x))[values > 0.005 * values.max()].max()))


def say(axes: Axes, x: float, y: float, text: str, colour: str, **look: Any) -> None:
    """Writes a label beside what it names, at x and y in parts of the panel."""
    keywords: dict[str, Any] = {
        "fontsize": 7.5,
        "color": colour,
        "transform": axes.transAxes,
    } | look
    axes.text(x, y, text, **keywords)


def from_white(colour: str) -> LinearSegmentedColormap:
    """A map from white by a colour to its dark shade, for heat maps of densities."""
    red, green, blue = matplotlib.colors.to_rgb(colour)
    dark = matplotlib.colors.to_hex((0.35 * red, 0.35 * green, 0.35 * blue))
    return LinearSegmentedColormap.from_list("", ["white", colour, dark])


def heat(
    axes: Axes, values: Any, extent: tuple[float, float, float, float], colour: str
) -> None:
    """Draws a heat map, [rows, columns] from below, as an image.

    Args:
      axes: the panel.
      values: non-negative numbers; the largest two in a thousand are as dark as one colour.
      extent: left, right, bottom and top of the map.
      colour: that of half the darkness.
    """
    values = np.asarray(values, np.float64)
    top = float(np.quantile(values, 0.998))
    axes.imshow(
        values,
        extent=extent,
        cmap=from_white(colour),
        vmin=0.0,
        vmax=top or 1.0,
        aspect="auto",
        origin="lower",
        interpolation="bilinear",
    )
