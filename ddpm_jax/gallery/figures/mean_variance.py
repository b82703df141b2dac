"""The best variance of a reverse step, between the posterior's and the forward one's."""

import dataclasses
import functools
import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ddpm_jax.core.choice import Choice, Options, option
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.gallery import style
from ddpm_jax.gallery.densities import smooth
from ddpm_jax.gallery.figure import FROM_DENSITY, Caption, Figure, Numbers, Setting
from ddpm_jax.lab import chains, exact
from ddpm_jax.lab.densities import Density, Grid, standard_normal

TITLE = "Mean and variance: which noise a step back should add"
THEOREM = (
    "The best variance that does not depend on z_t is the posterior's and that of its mean,"
    " beta~ + (sqrt(abar_s) beta / (1 - abar_t))^2 mmse(t) (Bao et al. 2022, theorem 1)."
    " With mmse = 0, data at one point, it is beta~; with the mmse of N(0, 1) it is beta: the"
    " two extremes of Ho et al. 2020."
)


@dataclasses.dataclass(frozen=True)
class MeanVariance(Options):
    """Options of the figure."""

    steps: tuple[int, ...] = option(
        (1000, 20), "Latents of linear-beta chains.", at_least=4, at_most=1000
    )
    num_times: int = option(28, "Transitions that are shown of each.", at_least=2)


def point(grid: Grid) -> Density:
    """All mass at the grid's point nearest to 0."""
    masses = np.zeros(grid.num)
    masses[np.argmin(np.abs(grid.points))] = 1.0
    return Density(grid, masses)


def compute(options: MeanVariance, setting: Setting) -> Numbers:
    """Where the log of the best variance lies, by transition, for some densities."""
    grid = setting.grid
    given = f"q(x), {setting.name}"
    densities = {
        "N(0, 1)": standard_normal(grid),
        "two smooth peaks": smooth(grid),
        given: setting.density,
        "one point": point(grid),
    }
    log_snr = schedules.linear_beta(1000).log_snr
    parts = []
    for num_steps in options.steps:
        l_t = chains.log_snrs(log_snr, num_steps)
        # Noise that the grid resolves.
        first = max(1, int(np.argmax(l_t < -2.0 * math.log(grid.spacing))))
        ends = np.geomspace(first, num_steps - 1, options.num_times)
        steps = np.unique(ends.round().astype(int))
        noise = 1.0 / (1.0 + np.exp(l_t))
        removed = -np.expm1(np.diff(l_t))
        posterior = noise[steps - 1] * removed[steps - 1]
        forward = noise[steps] * removed[steps - 1]
        best = {
            name: [exact.reverse_variance(density, l_t[k - 1], l_t[k]) for k in steps]
            for name, density in densities.items()
        }
        parts.append(
            {
                "num_steps": num_steps,
                "step": steps,
                "posterior": posterior,
                "forward": forward,
                "best": best,
                "fraction": {
                    name: np.log(values / posterior) / np.log(forward / posterior)
                    for name, values in best.items()
                },
            }
        )
    curve = setting.shown()
    return {
        "chains": parts,
        "given": given,
        "given_variance": setting.density.variance,
        "x": grid.points[curve],
        "densities": {
            name: density.values[curve]
            for name, density in densities.items()
            if name != "one point"
        },
    }


def tell(numbers: Numbers) -> Caption:
    """The words."""
    table = []
    for part in numbers["chains"]:
        for name, values in part["fraction"].items():
            middle = values[len(values) // 2]
            table.append(
                (
                    f"T = {part['num_steps']}, step {part['step'][len(values) // 2]},"
                    f" {name}: place between beta~ (0) and beta (1)",
                    f"{abs(middle):.4f}",
                )
            )
    wider = (
        f" The density {numbers['given']}, of variance {numbers['given_variance']:.2f}, is"
        " wider than N(0, 1) and wants more than beta where noise is large."
        if numbers["given_variance"] > 1.0
        else ""
    )
    return Caption(
        "The best variance lies at beta for N(0, 1) and at beta~ for a single point, exactly;"
        " for narrower densities in between, at beta where the noise is finer than their"
        f" peaks, lower where peaks are told apart.{wider} With many steps the two are nearly"
        " the same but for the first ones; with few steps the choice matters throughout.",
        "For each chain the place of the best variance by step, as a line at 1 for the"
        " standard normal, a line at 0 for a point, and curves for other densities; and the"
        " ratio of the two extremes.",
        table,
    )


# Those of the densities but the config's, which has TRUTH.
COLOURS = {
    "N(0, 1)": style.NORMAL,
    "two smooth peaks": style.FIT,
    "one point": style.INK,
}


@style.in_style
def draw(numbers: Numbers) -> Drawing:
    """The drawing."""
    parts = numbers["chains"]
    drawing, panels = style.sheet(1, len(parts) + 1, 2.9)
    for axes, part in zip(panels[0], parts, strict=False):
        _fractions(axes, part, numbers["given"])
    _ratio(panels[0, -1], numbers)
    return drawing


def _fractions(axes: Axes, part: Numbers, given: str) -> None:
    for name, values in part["fraction"].items():
        axes.semilogx(part["step"], values, color=COLOURS.get(name, style.TRUTH))
    places = np.concatenate(list(part["fraction"].values()))
    highest = max(1.16, 1.1 * places.max())
    axes.set_ylim(min(-0.1, places.min() - 0.05), highest)
    # A curve far above beta rises where the names stand otherwise.
    names = ("N(0, 1)", given, "two smooth peaks", "one point")
    beside, x, ha = (0.93, 0.64, 0.56, 0.11), 0.97, "right"
    if highest > 1.16:
        beside, x, ha = (0.93, 0.85, 0.77, 0.69), 0.03, "left"
    for name, y in zip(names, beside, strict=True):
        style.say(axes, x, y, name, COLOURS.get(name, style.TRUTH), ha=ha)
    axes.set_yticks([0.0, 0.5, 1.0], [r"$\tilde\beta$", "", r"$\beta$"])
    style.name(axes, f"log of the best variance, T = {part['num_steps']}", "step t")


def _ratio(axes: Axes, numbers: Numbers) -> None:
    for part, look in zip(numbers["chains"], ("-", "--", ":"), strict=False):
        forward = np.asarray(part["forward"])
        x = np.asarray(part["step"]) / (part["num_steps"] - 1)
        ratio = np.asarray(part["posterior"]) / forward
        axes.semilogx(x, ratio, color=style.INK, linestyle=look, linewidth=1.0)
        best = np.asarray(part["best"][numbers["given"]]) / forward
        axes.semilogx(x, best, color=style.TRUTH, linestyle=look)
    style.say(axes, 0.03, 0.2, r"$\tilde\beta / \beta$", style.INK)
    style.say(axes, 0.03, 0.11, rf"best / $\beta$, {numbers['given']}", style.TRUTH)
    texts = ["solid", "dashed", "dotted"]
    known = ", ".join(
        f"{text} {part['num_steps']}"
        for text, part in zip(texts, numbers["chains"], strict=False)
    )
    style.say(axes, 0.03, 0.03, f"T: {known}", style.NORMAL)
    axes.set_ylim(0.0, max(1.06, 1.05 * axes.get_ylim()[1]))
    style.name(axes, "ratio of variances", "t")


CHOICE = Choice(
    MeanVariance,
    lambda options: Figure(
        TITLE, THEOREM, functools.partial(compute, options), tell, draw
    ),
    FROM_DENSITY,
)
