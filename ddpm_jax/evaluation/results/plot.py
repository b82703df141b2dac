"""Figures of runs beside each other as a picture, by matplotlib."""

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ddpm_jax.evaluation.results import pairs
from ddpm_jax.evaluation.results.saved import Result

# Colours of the standard errors over draws and over images.
DRAWS: dict[str, Any] = {"elinewidth": 3.0, "capsize": 0.0, "color": "C0"}
IMAGES: dict[str, Any] = {"elinewidth": 1.0, "capsize": 3.0, "color": "0.45"}
# The ratio of two figures from which the axis is logarithmic.
WIDE = 20.0
# Letters that fit above a panel.
TITLE_WIDTH = 75


def png(groups: Sequence[Sequence[Result]]) -> bytes:
    """The picture that `draw` makes, as a file's bytes."""
    stream = io.BytesIO()
    FigureCanvasAgg(draw(groups)).print_png(stream)
    return stream.getvalue()


def draw(groups: Sequence[Sequence[Result]]) -> Figure:
    """Two panels for each group of comparable results, a row for each result.

    On the left bits per dim, on the right their difference to the group's first.
    """
    rows = [len(group) for group in groups]
    height = 0.3 * sum(rows) + 1.5 * len(rows)
    figure = Figure(figsize=(10.0, height), dpi=110, layout="constrained")
    panels = figure.subplots(len(rows), 2, squeeze=False, height_ratios=rows)
    for (left, right), group in zip(panels, groups, strict=True):
        _figures(left, group)
        _differences(right, group)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    if handles:
        panels[0, 0].legend(handles, labels, fontsize="small")
    return figure


def _figures(axes: Axes, group: Sequence[Result]) -> None:
    _frame(axes, group, "bits per dim")
    c = group[0].convention
    kind = (
        f"{c['figure']}, {group[0].estimator}, {c['data']['name']}, x_hat {c['x_hat']}"
    )
    axes.set_title(textwrap.fill(kind, TITLE_WIDTH), loc="left", fontsize="small")
    axes.set_yticks(range(len(group)), [result.name for result in group])
    for row, result in enumerate(group):
        errors = (result.stderr, result.stderr_images)
        _point(axes, row, result.bits_per_dim, *errors, group[0].noun)
    if _is_wide([result.bits_per_dim for result in group]):
        axes.set_xscale("log")


def _differences(axes: Axes, group: Sequence[Result]) -> None:
    if len(group) == 1:
        axes.set_axis_off()
        return
    _frame(axes, group, f"difference to {group[0].name}")
    axes.set_yticks(range(len(group)), [""] * len(group))
    axes.axvline(0.0, color="0.6", linewidth=1.0)
    differences = []
    for row, result in enumerate(group[1:], start=1):
        difference = pairs.difference(result, group[0])
        if difference is not None:
            differences.append(difference.bits_per_dim)
            _point(
                axes,
                row,
                difference.bits_per_dim,
                difference.stderr,
                difference.stderr_images,
            )
    if _is_wide([result.bits_per_dim for result in group]):
        sizes = [abs(value) for value in differences if value]
        axes.set_xscale("symlog", linthresh=float(np.median(sizes)))


def _is_wide(values: Sequence[float | None]) -> bool:
    """Whether all are above 0 and the largest leaves no room for the others."""
    finite = [value for value in values if value is not None]
    return len(finite) > 1 and 0.0 < WIDE * min(finite) < max(finite)


def _frame(axes: Axes, group: Sequence[Result], what: str) -> None:
    axes.set_xlabel(what)
    axes.set_ylim(len(group) - 0.4, -0.6)  # The first on top.
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _point(
    axes: Axes,
    row: int,
    value: float | None,
    stderr: float | None,
    stderr_images: float | None,
    what: str = "",
) -> None:
    if value is None:
        return
    labels = (f"s.e. over {what}", "s.e. over draws") if row == 0 else (None, None)
    for error, style, label in zip(
        (stderr_images, stderr), (IMAGES, DRAWS), labels, strict=True
    ):
        if error is not None:
            axes.errorbar(value, row, xerr=error, label=label, **style)
    axes.plot(value, row, "o", markersize=3.5, color="C0")
