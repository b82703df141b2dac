"""The reverse step q(z_{t-1} | z_t): a Gaussian times q(z_{t-1}), and when it is Gaussian."""

import dataclasses
import functools
import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.gallery import style
from ddpm_jax.gallery.figure import FROM_DENSITY, Caption, Figure, Numbers, Setting
from ddpm_jax.gallery.steps import OfSteps
from ddpm_jax.lab import divergences, gaussian_fits, operators
from ddpm_jax.lab.densities import Density

TITLE = "Reverse: what one step back looks like"
THEOREM = (
    "By Bayes, q(z_{t-1} | z_t) is proportional to N(z_{t-1}; z_t / sqrt(alpha),"
    " (1 - alpha) / alpha) q(z_{t-1}): a Gaussian window on the density. As alpha -> 1 the"
    " window is narrow and the product nearly Gaussian; as alpha -> 0 it is q(z_{t-1}),"
    " whatever z_t."
)


@dataclasses.dataclass(frozen=True)
class Reverse(OfSteps):
    """Options of the figure."""

    alphas: tuple[float | int, ...] = option(
        (0.6, 0.97), "Share of the variance that a step keeps.", above=0.0, below=1.0
    )
    points: tuple[float | int, ...] = option((-1.3, 0.2, 1.2), "The z_t of the slices.")


def compute(options: Reverse, setting: Setting) -> Numbers:
    """Slices of the kernel, its map with its mean, and its distance from Gaussians."""
    grid, before = setting.grid, setting.density
    curve, cells = setting.shown(), setting.shown(0.05)
    steps = []
    for alpha in options.alphas:
        kernel = operators.reverse_kernel(before, alpha)
        after = operators.forward_kernel(grid, alpha).apply(before)
        gaussians = gaussian_fits.fitted(kernel)
        columns = np.flatnonzero(after.values > 1e-3 * after.values.max())
        columns = columns[:: max(1, len(columns) // 60)]
        weights = after.masses[columns] / after.masses[columns].sum()
        js = [_js(kernel, gaussians, grid.points[column]) for column in columns]
        slices = []
        for point in options.points:
            exact, fit = kernel.conditional(point), gaussians.conditional(point)
            slices.append(
                {
                    "z_t": point,
                    "window": _window(grid.points[curve], point, alpha),
                    "density": exact.values[curve],
                    "gaussian": fit.values[curve],
                    "js": divergences.js(exact, fit),
                }
            )
        steps.append(
            {
                "alpha": alpha,
                "slices": slices,
                "map": kernel.matrix[np.ix_(cells, cells)] / grid.spacing,
                "means": kernel.means[cells],
                "after": after.values[cells],
                "mean_js": float(weights @ js),
            }
        )
    return {
        "x": grid.points[curve],
        "before": before.values[curve],
        "z": grid.points[cells],
        "steps": steps,
    }


def _window(x: np.ndarray, point: float, alpha: float) -> np.ndarray:
    """The Gaussian function of z_{t-1} that a value of z_t is, as a density."""
    std = math.sqrt((1.0 - alpha) / alpha)
    away = (x - point / math.sqrt(alpha)) / std
    return np.exp(-0.5 * np.square(away)) / (std * math.sqrt(2.0 * math.pi))


def _js(kernel: Any, gaussians: Any, point: float) -> float:
    exact: Density = kernel.conditional(point)
    return divergences.js(exact, gaussians.conditional(point))


def tell(numbers: Numbers) -> Caption:
    """The words."""
    num = len(numbers["steps"][0]["slices"])
    alphas = ", ".join(f"{step['alpha']:g}" for step in numbers["steps"])
    return Caption(
        "A step back multiplies the density by a Gaussian window around z_t. Where the window"
        " is wide it holds several peaks, and the product has them all; where it is narrow"
        " the product is nearly a Gaussian and its mean nearly a line, except where peaks are"
        " as close to each other as the window is wide.",
        f"For steps of alpha = {alphas}: slices of the reverse step at {num} places z_t with"
        " window, density and their product; and the step as a heat map with the curve of"
        " its mean.",
        [
            (
                f"JS of q(z_{{t-1}} | z_t) from its Gaussian, mean over z_t,"
                f" alpha = {step['alpha']:g}",
                f"{step['mean_js']:.3g} bits",
            )
            for step in numbers["steps"]
        ],
    )


@style.in_style
def draw(numbers: Numbers) -> Drawing:
    """The drawing."""
    steps = numbers["steps"]
    num_slices = len(steps[0]["slices"])
    drawing, panels = style.sheet(
        len(steps),
        num_slices + 1,
        0.3 + 2.15 * len(steps),
        width_ratios=[1.0] * num_slices + [1.15],
    )
    for row, step in zip(panels, steps, strict=True):
        for axes, piece in zip(row, step["slices"], strict=False):
            _slice(axes, numbers, piece)
            title = rf"$\alpha$ = {step['alpha']:g}, $z_t$ = {piece['z_t']:g}"
            style.name(axes, title, "$z_{t-1}$")
        _map(row[-1], numbers["z"], step)
    names = {
        "$q(z_{t-1})$": style.TRUTH,
        "window": style.NORMAL,
        "$q(z_{t-1} | z_t)$": style.REVERSE,
        "its Gaussian": style.FIT,
    }
    for place, (name, colour) in enumerate(names.items()):
        style.say(panels[0, 0], 0.52, 0.8 - 0.09 * place, name, colour)
    return drawing


def _slice(axes: Axes, numbers: Numbers, piece: dict[str, Any]) -> None:
    x = numbers["x"]
    # Of these two only the shape matters.
    for values, height, colour, alpha in (
        (numbers["before"], 0.5, style.TRUTH, 0.6),
        (piece["window"], 0.3, style.NORMAL, 1.0),
    ):
        scaled = height * np.asarray(values) / max(values)
        axes.plot(x, scaled, color=colour, alpha=alpha, linewidth=0.9)
    top = max(max(piece["density"]), max(piece["gaussian"]))
    style.curve(axes, x, np.asarray(piece["density"]) / top, style.REVERSE)
    gaussian = np.asarray(piece["gaussian"]) / top
    axes.plot(x, gaussian, color=style.FIT, linestyle=(0, (4, 2)), linewidth=1.1)
    style.say(axes, 1.0, 0.94, f"JS {piece['js']:.2g} bits", style.FIT, ha="right")
    style.without_y(axes)
    half = style.reach(x, numbers["before"], 3.2)
    axes.set_ylim(0.0, 1.25)
    axes.set_xlim(-half, half)


def _map(axes: Axes, z: list[float], step: dict[str, Any]) -> None:
    z_array, after = np.asarray(z), np.asarray(step["after"])
    # The kernel's columns where there is next to nothing to come from mean little.
    seen = after > 1e-3 * after.max()
    style.heat(axes, step["map"], (z[0], z[-1], z[0], z[-1]), style.REVERSE)
    axes.plot(z_array[seen], np.asarray(step["means"])[seen], color=style.INK)
    half = style.reach(z, step["after"], 3.2)
    axes.set_xlim(-half, half)
    axes.set_ylim(-half, half)
    style.say(axes, 0.04, 0.93, "line: the mean", style.INK)
    title = rf"$q(z_{{t-1}} | z_t)$, $\alpha$ = {step['alpha']:g}"
    style.name(axes, title, "$z_t$", "$z_{t-1}$")


CHOICE = Choice(
    Reverse,
    lambda options: Figure(
        TITLE, THEOREM, functools.partial(compute, options), tell, draw
    ),
    FROM_DENSITY,
)
