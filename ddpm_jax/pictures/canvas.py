"""Figures of matplotlib as arrays of pixels."""

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Picture = UInt8[np.ndarray, "height width 3"]
DPI = 110


def figure(width: float, height: float) -> Figure:
    """An empty figure, of so many inches."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def style(axes: Axes, x: str, y: str) -> None:
    """Names the axes, and draws a pale grid and two of the four sides."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def pixels(drawn: Figure) -> Picture:
    """A figure's pixels, in colour."""
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
