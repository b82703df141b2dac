"""Contraction: a reverse step draws any two densities together, and by how much."""

import dataclasses
import functools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.gallery import style
from ddpm_jax.gallery.figure import FROM_DENSITY, Caption, Figure, Numbers, Setting
from ddpm_jax.gallery.steps import OfSteps, alphas_between
from ddpm_jax.lab import contraction, densities, divergences, operators
from ddpm_jax.lab.densities import Density, Grid

TITLE = "Contraction: a step back draws densities together"
THEOREM = (
    "eta_f <= eta_{TV}: a Markov kernel shrinks every f-divergence, JS included, at least by"
    " Dobrushin's coefficient, the largest total variation between two of its columns (Cohen"
    " et al. 1993). Iterated, errors fall like lambda_2^n. The reverse kernel is reversible:"
    " its eigenvalues are real and lie in [0, 1]."
)
# Pairs of densities, and the columns that the bound compares, lie in this range.
RANGE = (-1.5, 1.5)
# Below, the ends of the grid show: a total variation.
FLOOR = 1e-8


@dataclasses.dataclass(frozen=True)
class Contraction(OfSteps):
    """Options of the figure."""

    alphas: tuple[float | int, ...] = option(
        (0.2, 0.6, 0.9),
        "Share of the variance that a step keeps.",
        above=0.0,
        below=1.0,
    )
    num_pairs: int = option(150, "Pairs of random densities.", at_least=1)
    num_iterations: int = option(120, "Steps of one kernel.", at_least=8)


def random(grid: Grid, generator: np.random.Generator) -> Density:
    """A random rough density of some peaks, within the range."""
    made = densities.rough(
        grid,
        int(generator.integers(2**31)),
        num_peaks=int(generator.integers(1, 9)),
        reach=0.7 * RANGE[1],
        widths=(max(0.06, grid.spacing), 0.2),
    )
    inside = (grid.points >= RANGE[0]) & (grid.points <= RANGE[1])
    return densities.of_values(grid, np.where(inside, made.masses, 0.0))


def _pair(
    first: Density, second: Density, generator: np.random.Generator
) -> tuple[Density, Density]:
    """Two densities of which the second is mixed with the first by a random share."""
    share = np.sqrt(generator.uniform())
    mixed = share * second.masses + (1.0 - share) * first.masses
    return first, densities.of_values(first.grid, mixed)


def compute(options: Contraction, setting: Setting) -> Numbers:
    """Pairs before and after, the cloud and its bounds, the decay and its rate."""
    grid, before = setting.grid, setting.density
    generator = np.random.Generator(np.random.Philox(setting.seed))
    pairs = [
        _pair(random(grid, generator), random(grid, generator), generator)
        for _ in range(options.num_pairs)
    ]
    js_in = [divergences.js(*pair) for pair in pairs]
    stacked = [np.stack([one.masses for one in s], 1) for s in zip(*pairs, strict=True)]
    steps: list[dict[str, Any]] = []
    for alpha in options.alphas:
        kernel = operators.reverse_kernel(before, alpha)
        outs = [kernel.matrix @ masses for masses in stacked]
        js_out = [
            divergences.js(*(densities.of_values(grid, one) for one in pair))
            for pair in zip(*(out.T for out in outs), strict=True)
        ]
        eta = contraction.dobrushin(kernel, *RANGE)
        rate = float(contraction.eigenvalues(before, alpha)[1])
        decay, fitted = _decay(before, alpha, pairs[0][0], options.num_iterations)
        steps.append(
            {
                "alpha": alpha,
                "js_out": js_out,
                "dobrushin": eta,
                "lambda_2": rate,
                "decay": decay,
                "fitted_rate": fitted,
            }
        )
    curve = setting.shown()
    middle = len(options.alphas) // 2
    kernel = operators.reverse_kernel(before, options.alphas[middle])
    shown = int(np.argmin(np.abs(np.array(js_in) - 0.5)))
    # Those of the dots are among them, so that no straight piece of the curve misses a dot.
    coarse = setting.coarse()
    between = alphas_between(coarse.grid, 0.97, 0.004, 36)
    held = [a for a in options.alphas if a < between[-1]]
    alphas = np.unique(np.append(between, held))
    return {
        "x": grid.points[curve],
        "pair": [one.values[curve] for one in pairs[shown]],
        "pair_after": [kernel.apply(one).values[curve] for one in pairs[shown]],
        "pair_alpha": options.alphas[middle],
        "pair_js": [js_in[shown], steps[middle]["js_out"][shown]],
        "js_in": js_in,
        "steps": steps,
        "alphas": alphas,
        "lambda_2": [contraction.eigenvalues(coarse, a)[1] for a in alphas],
        "dobrushin": [
            contraction.dobrushin(operators.reverse_kernel(coarse, a), *RANGE)
            for a in alphas
        ],
    }


def _decay(
    before: Density, alpha: float, start: Density, num: int
) -> tuple[list[float], float]:
    """Total variation to the stationary law by iteration, and the rate of its fall.

    The rate is that of the last third above FLOOR.
    """
    kernel = operators.reverse_kernel(before, alpha)
    law = contraction.stationary(before, alpha)
    along = [
        divergences.total_variation(one, law)
        for one in contraction.iterated(kernel, start, num)
    ]
    held = [value for value in along if value > FLOOR]
    first = len(held) - max(2, len(held) // 3)
    rate = (held[-1] / held[first]) ** (1.0 / (len(held) - 1 - first))
    return along, rate


def tell(numbers: Numbers) -> Caption:
    """The words."""
    table = []
    for step in numbers["steps"]:
        ratio = [
            out / into
            for out, into in zip(step["js_out"], numbers["js_in"], strict=True)
        ]
        table.append(
            (
                f"alpha = {step['alpha']:g}: JS after / before, mean and largest; bound",
                f"{np.mean(ratio):.3f}, {max(ratio):.3f}; {step['dobrushin']:.4f}",
            )
        )
        table.append(
            (
                f"alpha = {step['alpha']:g}: rate of iteration, measured; lambda_2",
                f"{step['fitted_rate']:.4f}; {step['lambda_2']:.4f}",
            )
        )
    return Caption(
        "Any two densities are nearer to each other after a step back: every point of the"
        " cloud lies below the diagonal, as data processing says, and below its bound of"
        " Dobrushin. One kernel repeated forgets where it began by a factor of lambda_2 a"
        " step: nearly 1 for small steps (alpha -> 1), nearly 0 for large ones.",
        "Two random densities before and after a step back, nearer to each other afterwards; a"
        " cloud of many pairs, all below the diagonal, the lower the larger the step;"
        " distances that fall exponentially under iteration along lines of the second"
        " eigenvalue; and that eigenvalue by step size, from 0 to 1.",
        table,
    )


@style.in_style
def draw(numbers: Numbers) -> Drawing:
    """The drawing."""
    drawing = Drawing(figsize=(style.WIDTH, 5.4), layout="constrained")
    upper, lower = drawing.subfigures(2, 1, height_ratios=(1.0, 1.25))
    first, second = upper.subplots(1, 2)
    alpha = rf"$\alpha$ = {numbers['pair_alpha']:g}"
    for axes, name, title in (
        (first, "pair", "two densities"),
        (second, "pair_after", f"after a step back, {alpha}"),
    ):
        for values, colour in zip(
            numbers[name], (style.TRUTH, style.REVERSE), strict=True
        ):
            style.curve(axes, numbers["x"], values, colour)
        js = numbers["pair_js"][0 if name == "pair" else 1]
        style.without_y(axes)
        style.name(axes, f"{title}: JS {js:.2f} bits", "")
        axes.set_xlim(-3.0, 3.0)
    cloud, decay, rates = lower.subplots(1, 3)
    _cloud(cloud, numbers)
    _iteration(decay, numbers)
    _rates(rates, numbers)
    return drawing


def _cloud(axes: Axes, numbers: Numbers) -> None:
    for step, colour in zip(numbers["steps"], style.SERIES, strict=False):
        axes.plot(
            numbers["js_in"],
            step["js_out"],
            "o",
            color=colour,
            markersize=2.6,
            alpha=0.55,
            markeredgewidth=0.0,
        )
        bound = step["dobrushin"]
        axes.plot([0.0, 1.0], [0.0, bound], color=colour, linewidth=0.9)
    axes.plot([0.0, 1.0], [0.0, 1.0], color=style.NORMAL, linestyle=":", linewidth=1.0)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    axes.set_aspect("equal")
    for place, (step, colour) in enumerate(
        zip(numbers["steps"], style.SERIES, strict=False)
    ):
        name = rf"$\alpha$ = {step['alpha']:g}"
        style.say(axes, 0.05, 0.92 - 0.09 * place, name, colour)
    name = "dotted: as before\nlines: Dobrushin"
    style.say(axes, 0.05, 0.92 - 0.2 - 0.09 * place, name, style.NORMAL)
    style.name(axes, "pairs of densities", "JS before, bits", "JS after, bits")


def _iteration(axes: Axes, numbers: Numbers) -> None:
    for step, colour in zip(numbers["steps"], style.SERIES, strict=False):
        along = np.asarray(step["decay"])
        n = np.arange(len(along))
        axes.semilogy(n, along, ".", color=colour, markersize=4)
        # A line of the slope of lambda_2 through the last point above rounding.
        last = np.flatnonzero(along > FLOOR)[-1]
        line = along[last] * step["lambda_2"] ** (n - float(last))
        axes.semilogy(n[: last + 1], line[: last + 1], color=colour, linewidth=0.9)
    axes.set_ylim(FLOOR, 3.0)
    style.say(axes, 0.97, 0.92, r"lines: $\lambda_2^n$", style.INK, ha="right")
    style.name(
        axes,
        "one kernel repeated",
        "iterations n",
        "total variation to its fixed point",
    )


def _rates(axes: Axes, numbers: Numbers) -> None:
    lost = 1.0 - np.asarray(numbers["alphas"])
    axes.semilogx(lost, numbers["dobrushin"], color=style.NORMAL)
    axes.semilogx(lost, numbers["lambda_2"], color=style.INK)
    for step, colour in zip(numbers["steps"], style.SERIES, strict=False):
        at = 1.0 - step["alpha"]
        axes.plot(at, step["fitted_rate"], "o", color=colour, markersize=5)
    style.say(axes, 0.05, 0.3, r"$\lambda_2$", style.INK)
    style.say(axes, 0.05, 0.21, "dots: measured", style.INK)
    style.say(axes, 0.05, 0.12, "grey: Dobrushin", style.NORMAL)
    axes.set_ylim(0.0, 1.05)
    style.name(axes, "rate by step", r"$1 - \alpha$", "factor a step")


CHOICE = Choice(
    Contraction,
    lambda options: Figure(
        TITLE, THEOREM, functools.partial(compute, options), tell, draw
    ),
    FROM_DENSITY,
)
