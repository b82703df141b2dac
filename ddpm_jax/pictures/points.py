"""Points as pictures: histograms on a line, the plane seen from above, over their truth.

A point is an image of shape (1, 1, D) of real numbers. Of D > 2 coordinates the first two are
shown. Samples that lie far outside are counted in their panel, not drawn.
"""

import dataclasses
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32
from matplotlib.axes import Axes

from ddpm_jax.pictures import canvas
from ddpm_jax.pictures.canvas import Picture

Points = Float[np.ndarray, "_ dimensions"]
Images = Float32[np.ndarray, "points 1 1 dimensions"]
Frames = Float32[np.ndarray, "frames points 1 1 dimensions"]
# A cell of a comparison: points, or None where there are none to show.
Cell = Images | None
NUM_BINS = 60
FINE = 160  # Places along a coordinate at which a density in the plane is drawn.
# The share of samples at either side that may be so far out that the rest would be a dot.
FAR = 0.002
MARGIN = 0.06
# How high a histogram may stand above the truth's peak before it is cut.
MOST_HEIGHT = 1.6
# Frames of a strip, whatever their number in a film.
MOST_COLUMNS = 8
PANEL = 1.7  # Inches of a panel among several.
LABEL_WIDTH = 16  # Letters that fit beside it.
# Square points of print (1/72 inch) that all markers of a square inch have together.
INK = 450.0
GREY = "0.35"


class Truth(NamedTuple):
    """The density that points were drawn from.

    Attributes:
      log_density: log density at each point, nats.
      points: many of its points, which say how far it reaches.
    """

    log_density: Callable[[Points], Float[np.ndarray, " points"]]
    points: Points


class Scene(NamedTuple):
    """The space that panels of a picture share.

    Attributes:
      low: lowest of each coordinate that is shown.
      high: highest of each.
      density: the truth at even places: [places], or [x_2, x_1]; None: it is not shown.
      top: the upper end of a histogram's axis.
    """

    low: Float[np.ndarray, " shown"]
    high: Float[np.ndarray, " shown"]
    density: np.ndarray | None
    top: float

    @property
    def is_a_line(self) -> bool:
        """Whether points have one coordinate."""
        return len(self.low) == 1


@dataclasses.dataclass(frozen=True)
class PointPlots:
    """Pictures of points.

    Attributes:
      truth: the density beside which they are shown; None: it is not known.
      num_values: 0, as they are real numbers.
      most_alone: samples in a picture of one set.
      most_beside: samples of each set in a picture of several.
    """

    truth: Truth | None = None
    num_values: int = dataclasses.field(default=0, init=False)
    most_alone: int = dataclasses.field(default=10_000, init=False)
    most_beside: int = dataclasses.field(default=4_000, init=False)

    def grid(self, samples: Images, period: int = 1) -> Picture:
        """One plot of all samples.

        Args:
          samples: points.
          period: after how many samples the next of the same class follows; the classes
            have colours.
        """
        points = _flat(samples)
        scene = self._scene(points)
        figure = canvas.figure(6.4, 4.2 if scene.is_a_line else 6.0)
        axes = figure.add_subplot()
        _panel(axes, points, scene, period)
        names = ("x", "density") if scene.is_a_line else ("$x_1$", "$x_2$")
        canvas.style(axes, *names)
        if scene.is_a_line and self.truth is not None:
            axes.legend(frameon=False, loc="upper left")
        return canvas.pixels(figure)

    def strip(self, frames_of_x: Frames, frames_of_z: Frames) -> Picture:
        """The trajectory from noise to samples: estimates above latents, some of the frames.

        Args:
          frames_of_x: estimates of the points along the trajectory.
          frames_of_z: latents along it.
        """
        num = len(frames_of_x)
        shown = np.unique(np.linspace(0, num - 1, min(num, MOST_COLUMNS)).round())
        numbers = [int(i) for i in shown]
        cells = {
            "$\\hat{x}$": [frames_of_x[i] for i in numbers],
            "$z_t$": [frames_of_z[i] for i in numbers],
        }
        return self.comparison(cells, [f"frame {i + 1}" for i in numbers])

    def frames(self, frames_of_x: Frames, frames_of_z: Frames) -> Sequence[Picture]:
        """The pictures of an animation: latents on the left, estimates on the right."""
        scene = self._scene(_flat(frames_of_x[-1]), _flat(frames_of_z))
        pictures = []
        for x_hat, z in zip(frames_of_x, frames_of_z, strict=True):
            figure = canvas.figure(7.2, 3.0 if scene.is_a_line else 3.9)
            left, right = figure.subplots(1, 2)
            for axes, part, title in (
                (left, z, "$z_t$"),
                (right, x_hat, "$\\hat{x}$"),
            ):
                _panel(axes, _flat(part), scene)
                axes.set_title(title, loc="left", fontsize="small")
            pictures.append(canvas.pixels(figure))
        return pictures

    def comparison(
        self, cells: Mapping[str, Sequence[Cell]], column_names: Sequence[str]
    ) -> Picture:
        """A table of plots with equal axes, such as of samplers by numbers of steps.

        Args:
          cells: for each row's name, its points in every column.
          column_names: headings of the columns.
        """
        there = [cell for row in cells.values() for cell in row if cell is not None]
        scene = self._scene(*map(_flat, there))
        height = 0.8 if scene.is_a_line else 1.0
        size = PANEL * len(column_names) + 0.5, height * PANEL * len(cells) + 0.2
        figure = canvas.figure(*size)
        panels = figure.subplots(len(cells), len(column_names), squeeze=False)
        for row, (name, of_row) in zip(panels, cells.items(), strict=True):
            for axes, cell in zip(row, of_row, strict=True):
                if cell is None:
                    axes.text(0.5, 0.5, "-", transform=axes.transAxes, ha="center")
                    axes.set(xticks=[], yticks=[])
                    axes.spines[:].set_visible(False)
                else:
                    _panel(axes, _flat(cell), scene)
                axes.tick_params(labelsize="x-small")
                axes.label_outer()
            row[0].set_ylabel(textwrap.fill(name, LABEL_WIDTH))
        for axes, heading in zip(panels[0], column_names, strict=True):
            axes.set_title(heading, fontsize="medium")
        return canvas.pixels(figure)

    def _scene(self, *sets: Points) -> Scene:
        """The space that holds the truth and nearly all points of these sets."""
        ranges = [_ends(part, FAR) for part in sets]
        if self.truth is not None:
            ranges.append(_ends(self.truth.points, 0.0))
        low = np.min([ends[0] for ends in ranges], axis=0)
        high = np.max([ends[1] for ends in ranges], axis=0)
        margin = np.maximum(MARGIN * (high - low), 1e-3)
        low, high = low - margin, high + margin
        density = self._density(low, high)
        highest = max(
            (_histogram(part, len(part), low, high).max() for part in sets), default=0.0
        )
        if density is not None:
            peak = density.max()
            highest = min(max(highest, peak), MOST_HEIGHT * peak)
        return Scene(low, high, density, 1.05 * float(highest) or 1.0)

    def _density(self, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        if self.truth is None or self.truth.points.shape[1] > 2:
            return None
        num = FINE if len(low) == 2 else 4 * FINE
        axes = [np.linspace(*ends, num) for ends in zip(low, high, strict=True)]
        places = np.stack(np.meshgrid(*axes), axis=-1)
        values = np.exp(self.truth.log_density(places.reshape(num ** len(low), -1)))
        return values.reshape(places.shape[:-1])


def _ends(points: Points, share: float) -> np.ndarray:
    """(lowest, highest) of each shown coordinate, but for a share of points at either end."""
    shown = points[np.isfinite(points).all(axis=1), :2]
    if not len(shown):
        return np.zeros((2, points[:, :2].shape[1]))
    return np.quantile(shown, [share, 1.0 - share], axis=0)


def _panel(axes: Axes, points: Points, scene: Scene, period: int = 1) -> None:
    """Draws points into axes, over the truth."""
    shown = points[:, :2]
    is_inside = np.all((shown >= scene.low) & (shown <= scene.high), axis=1)
    if num_far := int(np.sum(~is_inside)):
        axes.annotate(
            f"{num_far} beyond",
            (0.98, 0.98),
            xycoords="axes fraction",
            horizontalalignment="right",
            verticalalignment="top",
            fontsize="x-small",
        )
    classes = np.arange(len(points)) % period
    parts = [shown[is_inside & (classes == number)] for number in range(period)]
    if scene.is_a_line:
        _line(axes, parts, len(points), scene)
    else:
        _plane(axes, parts, scene)


def _line(axes: Axes, parts: Sequence[Points], num: int, scene: Scene) -> None:
    """Draws a histogram, whose area is the share of the points that it shows."""
    ends = float(scene.low[0]), float(scene.high[0])
    edges = np.linspace(*ends, NUM_BINS + 1)
    below = np.zeros(NUM_BINS)
    label: str | None = "samples"
    for part in parts:
        density = _histogram(part, num, scene.low, scene.high)
        axes.stairs(
            below + density, edges, baseline=below, fill=True, alpha=0.6, label=label
        )
        below, label = below + density, None
    if scene.density is not None:
        x = np.linspace(*ends, scene.density.size)
        axes.plot(x, scene.density, color=GREY, linewidth=1.4, label="truth")
    axes.set(xlim=ends, ylim=(0.0, scene.top))


def _histogram(
    points: Points, num: int, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """The density in each bin of the first coordinate, of points that are a part of `num`."""
    counts, edges = np.histogram(points[:, 0], NUM_BINS, (low[0], high[0]))
    return counts / (max(1, num) * np.diff(edges))


def _plane(axes: Axes, parts: Sequence[Points], scene: Scene) -> None:
    """Draws points of the plane, over the truth's density in grey."""
    (left, bottom), (right, top) = scene.low, scene.high
    if scene.density is not None:
        axes.imshow(
            scene.density,
            extent=(left, right, bottom, top),
            origin="lower",
            cmap="Greys",
            vmax=2.5 * scene.density.max(),
            interpolation="bilinear",
        )
    area = axes.bbox.width * axes.bbox.height / canvas.DPI**2
    size = np.clip(INK * area / max(1, sum(map(len, parts))), 0.4, 12.0)
    for part in parts:
        axes.scatter(*part.T, s=float(size), alpha=0.6, linewidths=0)
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")


def _flat(images: Float[np.ndarray, "*_ dimensions"]) -> Points:
    """Points as rows."""
    return images.reshape(-1, images.shape[-1]).astype(np.float64)
