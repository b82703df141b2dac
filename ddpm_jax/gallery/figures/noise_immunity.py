"""Noise immunity: an error in q(z_1) that a reverse step lessens."""

import dataclasses
import functools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.gallery import style
from ddpm_jax.gallery.figure import FROM_DENSITY, Caption, Figure, Numbers, Setting
from ddpm_jax.gallery.perturbation import perturbed
from ddpm_jax.gallery.steps import OfSteps, alphas_between
from ddpm_jax.lab import divergences, operators
from ddpm_jax.lab.chains import Chain
from ddpm_jax.lab.densities import Density

TITLE = "Noise immunity: an error shrinks on the way back"
THEOREM = (
    "Data processing: no Markov kernel increases an f-divergence, so that JS(Rp, Rq) <="
    " JS(p, q). Reverse steps compose as forward steps do: the reverses of alpha_1 and"
    " alpha_2, one after the other, are the reverse of alpha_1 alpha_2."
)


@dataclasses.dataclass(frozen=True)
class NoiseImmunity(OfSteps):
    """Options of the figure."""

    ALPHAS = "alphas", "small"

    alphas: tuple[float | int, ...] = option(
        (0.9, 0.98), "Share of the variance that a step keeps.", above=0.0, below=1.0
    )
    error: float = option(
        0.2, "JS of the error in q(z_1), bits.", above=0.0, at_most=0.8
    )
    width: float = option(
        0.1, "The length over which the error changes.", above=0.0, finite=True
    )
    num_small: int = option(5, "Small steps beside one of their product.", at_least=1)
    small: float = option(0.98, "Alpha of the small steps.", above=0.0, below=1.0)


def compute(options: NoiseImmunity, setting: Setting) -> Numbers:
    """Errors before and after reverse steps, by alpha, and along small steps."""
    grid, before = setting.grid, setting.density
    curve = setting.shown()

    def spoilt(density: Density) -> Density:
        return perturbed(density, options.error, options.width, setting.seed)

    steps = []
    for alpha in options.alphas:
        after = operators.forward_kernel(grid, alpha).apply(before)
        given = spoilt(after)
        restored = operators.reverse_kernel(before, alpha).apply(given)
        steps.append(
            {
                "alpha": alpha,
                "after": after.values[curve],
                "given": given.values[curve],
                "restored": restored.values[curve],
                "js_before": divergences.js(given, after),
                "js_after": divergences.js(restored, before),
            }
        )
    alphas = alphas_between(grid, 0.9, 0.003, 16)
    by_alpha = []
    for alpha in alphas:
        after = operators.forward_kernel(grid, alpha).apply(before)
        restored = operators.reverse_kernel(before, alpha).apply(spoilt(after))
        by_alpha.append(divergences.js(restored, before))
    chain = Chain(before, np.full(options.num_small, options.small))
    given = spoilt(chain.marginals[-1])
    product = float(options.small**options.num_small)
    at_once = operators.reverse_kernel(before, product).apply(given)
    along = [options.error]
    for step in reversed(range(options.num_small)):
        given = chain.reverse_kernel(step).apply(given)
        along.append(divergences.js(given, chain.marginals[step]))
    return {
        "x": grid.points[curve],
        "before": before.values[curve],
        "error": options.error,
        "steps": steps,
        "alphas": alphas,
        "js_by_alpha": by_alpha,
        "small": options.small,
        "product": product,
        "js_along_small": along,
        "js_at_once": divergences.js(at_once, before),
        "difference": divergences.total_variation(at_once, given),
    }


def tell(numbers: Numbers) -> Caption:
    """The words."""
    after = ", ".join(
        f"{step['js_after']:.3f} bits after alpha = {step['alpha']:g}"
        for step in numbers["steps"]
    )
    num = len(numbers["js_along_small"]) - 1
    table = [
        (f"JS after the reverse of alpha = {s['alpha']:g}", f"{s['js_after']:.4f} bits")
        for s in numbers["steps"]
    ]
    table += [
        (
            f"after {num} reverses of {numbers['small']:g}",
            f"{numbers['js_along_small'][-1]:.4f} bits",
        ),
        (
            f"after one of their product {numbers['product']:.4f}",
            f"{numbers['js_at_once']:.4f} bits",
        ),
        ("total variation between these two", f"{numbers['difference']:.1g}"),
    ]
    return Caption(
        f"The same error of {numbers['error']:g} bits is put on q(z_1), and shrinks with"
        f" the step back: {after}. {num} small steps of {numbers['small']:g} do exactly what"
        f" one of their product {numbers['product']:.3f} does.",
        "For each alpha the density of z_1 with and without a jagged error, and the density"
        " of x restored from the first beside the true one. Beside them the error that is"
        f" left by alpha, and as it falls along {num} small steps to the value that one large"
        " step leaves.",
        table,
    )


@style.in_style
def draw(numbers: Numbers) -> Drawing:
    """The drawing."""
    steps = numbers["steps"]
    num_rows = max(2, len(steps))
    drawing, panels = style.sheet(num_rows, 3, 0.3 + 2.1 * num_rows)
    for axes in panels[len(steps) :, :2].flat:
        axes.set_axis_off()
    for row, step in zip(panels, steps, strict=False):
        _pair(row[0], numbers["x"], step["after"], step["given"], style.FORWARD)
        alpha = rf"$\alpha$ = {step['alpha']:g}"
        title = f"$q(z_1)$, {alpha}: error {step['js_before']:.2f} bits"
        style.name(row[0], title, "$z_1$")
        _pair(row[1], numbers["x"], numbers["before"], step["restored"], style.TRUTH)
        title = f"$q(x)$ restored: {step['js_after']:.3f} bits"
        style.name(row[1], title, "x")
    style.say(panels[0, 0], 0.02, 0.9, "without error", style.FORWARD)
    style.say(panels[0, 0], 0.02, 0.81, "with error", style.REVERSE)
    style.say(panels[0, 1], 0.02, 0.9, "$q(x)$", style.TRUTH)
    style.say(panels[0, 1], 0.02, 0.81, "from the error", style.REVERSE)
    _by_alpha(panels[0, 2], numbers)
    _along(panels[1, 2], numbers)
    for axes in panels[2:, 2]:
        axes.set_axis_off()
    return drawing


def _pair(axes: Axes, x: Any, true: Any, spoilt: Any, colour: str) -> None:
    axes.plot(x, spoilt, color=style.REVERSE, linewidth=0.9)
    style.curve(axes, x, true, colour, linewidth=1.3)
    style.without_y(axes)
    half = style.reach(x, true, 3.2)
    axes.set_xlim(-half, half)
    axes.set_ylim(top=1.28 * max(*true, *spoilt))


def _by_alpha(axes: Axes, numbers: Numbers) -> None:
    lost = 1.0 - np.asarray(numbers["alphas"])
    axes.semilogx(lost, numbers["js_by_alpha"], color=style.REVERSE)
    for step in numbers["steps"]:
        at = 1.0 - step["alpha"], step["js_after"]
        axes.plot(*at, "o", color=style.REVERSE, markersize=4)
        name = rf"$\alpha$ = {step['alpha']:g}"
        look: dict[str, Any] = {"color": style.REVERSE, "fontsize": 7.5}
        axes.annotate(name, at, xytext=(5, 3), textcoords="offset points", **look)
    axes.axhline(numbers["error"], color=style.NORMAL, linestyle="--", linewidth=1.0)
    style.say(axes, 0.98, 0.84, "before the step", style.NORMAL, ha="right")
    axes.set_ylim(0.0, 1.1 * numbers["error"])
    style.name(axes, "error that is left", r"$1 - \alpha$", "JS, bits")


def _along(axes: Axes, numbers: Numbers) -> None:
    along = numbers["js_along_small"]
    axes.plot(range(len(along)), along, color=style.REVERSE, marker="o", markersize=4)
    last, left = len(along) - 1, numbers["js_at_once"]
    axes.annotate(
        "",
        (last, left),
        xytext=(0, along[0]),
        arrowprops={
            "arrowstyle": "->",
            "color": style.FIT,
            "connectionstyle": "arc3,rad=-0.35",
            "linewidth": 1.2,
        },
    )
    style.say(
        axes,
        0.98,
        0.9,
        rf"one step of {numbers['product']:.3f}",
        style.FIT,
        ha="right",
    )
    axes.set_ylim(0.0, 1.1 * along[0])
    axes.set_xticks(range(len(along)))
    title = rf"{last} small steps of {numbers['small']:g}, or one"
    style.name(axes, title, "steps back", "JS, bits")


CHOICE = Choice(
    NoiseImmunity,
    lambda options: Figure(
        TITLE, THEOREM, functools.partial(compute, options), tell, draw
    ),
    FROM_DENSITY,
)
