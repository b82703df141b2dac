"""The fixed point of one reverse kernel: where its iteration leads, which is not q."""

import dataclasses
import functools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.core.randomness import seed_option
from ddpm_jax.gallery import style
from ddpm_jax.gallery.densities import smooth
from ddpm_jax.gallery.figure import REACH, Caption, Figure, Numbers, Setting
from ddpm_jax.gallery.steps import OfSteps, alphas_between
from ddpm_jax.lab import contraction, densities, divergences, operators
from ddpm_jax.lab.chains import Chain
from ddpm_jax.lab.densities import Density
from ddpm_jax.lab.operators import Kernel

TITLE = "Fixed point: one step back, repeated, does not end in q"
THEOREM = (
    "The reverse kernel of q and alpha is reversible with respect to"
    " pi(x) = q(x) q_t(x) / N(x; 0, 1), normalised, with q_t the density after the step: pi"
    " is its fixed point. For alpha -> 0 it is q, for alpha -> 1 it tends to"
    " q(x)^2 exp(x^2 / 2). Of q = N(0, s^2) its variance is"
    " s^2 (alpha s^2 + 1 - alpha) / (1 - alpha + 2 alpha s^2 - alpha s^4)."
)


@dataclasses.dataclass(frozen=True)
class FixedPoint(OfSteps):
    """Options of the figure."""

    ALPHAS = "alpha", "alphas", "small"
    EVERY = 2

    alpha: float = option(
        0.9, "Share of the variance that the repeated step keeps.", above=0.0, below=1.0
    )
    num_iterations: int = option(1200, "Repetitions.", at_least=4)
    alphas: tuple[float | int, ...] = option(
        (0.9, 0.97, 0.99, 0.997),
        "For which differences are listed.",
        above=0.0,
        below=1.0,
    )
    small: float = option(0.995, "Alpha of a sequence's steps.", above=0.0, below=1.0)
    num_small: int = option(10, "Steps of the sequence.", at_least=1)
    start: int = seed_option(11, "Seed of the density that iteration begins with.")


def compute(options: FixedPoint, setting: Setting) -> Numbers:
    """Iterates, distances to q and to the fixed point, by iteration and by alpha."""
    grid = setting.coarse_grid
    before = smooth(grid)
    curve = np.flatnonzero(np.abs(grid.points) <= REACH)
    start = densities.rough(
        grid, options.start, reach=2.0, widths=(2.0 * grid.spacing, 0.2)
    )
    finest = max(0.015, setting.grid.spacing)
    narrow = densities.rough(
        setting.grid, options.start, widths=(finest, max(finest, 0.05))
    )
    kernel = operators.reverse_kernel(before, options.alpha)
    law = contraction.stationary(before, options.alpha)
    along = contraction.iterated(kernel, start, options.num_iterations)
    shown = [0, 1, 20, options.num_iterations]
    by_alpha = alphas_between(grid, 0.95, 0.003, 14)
    chain = Chain(before, np.full(options.num_small, options.small))
    sequence = functools.reduce(
        Kernel.then,
        [chain.reverse_kernel(step) for step in reversed(range(options.num_small))],
    )
    product = float(options.small**options.num_small)
    return {
        "x": grid.points[curve],
        "q": before.values[curve],
        "fixed_point": law.values[curve],
        "limit": contraction.frozen_limit(before).values[curve],
        "near_limit": contraction.stationary(before, options.alphas[-1]).values[curve],
        "alpha": options.alpha,
        "lambda_2": contraction.eigenvalues(before, options.alpha)[1],
        "iterates": {str(n): along[n].values[curve] for n in shown},
        "js_to_q": [divergences.js(one, before) for one in along],
        "js_to_fixed_point": [divergences.js(one, law) for one in along],
        "alphas": options.alphas,
        "at_alphas": [_difference(before, alpha) for alpha in options.alphas],
        "narrow_at_alphas": [_difference(narrow, a)["to_q"] for a in options.alphas],
        "by_alpha": by_alpha,
        "difference": {
            "two smooth peaks": [_difference(before, a)["to_q"] for a in by_alpha],
            "narrow peaks": [_difference(narrow, a)["to_q"] for a in by_alpha],
        },
        "to_limit": [_difference(before, a)["to_limit"] for a in by_alpha],
        "small": options.small,
        "product": product,
        "passes": _passes(sequence, start, before, options.num_iterations),
        "passes_at_once": _passes(
            operators.reverse_kernel(before, product),
            start,
            before,
            options.num_iterations,
        ),
    }


def _difference(before: Density, alpha: float) -> dict[str, float]:
    """JS from the fixed point to the density and to the limit of alpha -> 1."""
    law = contraction.stationary(before, alpha)
    return {
        "to_q": divergences.js(law, before),
        "to_limit": divergences.js(law, contraction.frozen_limit(before)),
    }


def _passes(kernel: Kernel, start: Density, before: Density, num: int) -> list[float]:
    """JS to a density by the number of times that a kernel was applied."""
    along = contraction.iterated(kernel, start, num)
    return [divergences.js(one, before) for one in along]


def tell(numbers: Numbers) -> Caption:
    """The words."""
    differences = ", ".join(f"{one['to_q']:.3f}" for one in numbers["at_alphas"])
    narrow = ", ".join(f"{js:.3f}" for js in numbers["narrow_at_alphas"])
    alphas = ", ".join(f"{alpha:g}" for alpha in numbers["alphas"])
    table = [
        (
            f"alpha = {alpha:g}: JS from the fixed point to q; to the limit of alpha -> 1",
            f"{one['to_q']:.4f}; {one['to_limit']:.2g} bits",
        )
        for alpha, one in zip(numbers["alphas"], numbers["at_alphas"], strict=True)
    ]
    last = len(numbers["js_to_q"]) - 1
    table += [
        (f"JS to q after {last} iterations", f"{numbers['js_to_q'][-1]:.4f} bits"),
        (
            "JS to the fixed point then",
            f"{numbers['js_to_fixed_point'][-1]:.1g} bits",
        ),
    ]
    return Caption(
        "One reverse step, repeated, does not end in q: it ends in its stationary law pi,"
        f" which is sharper. For two smooth peaks the two are {differences} bits apart at"
        f" alpha = {alphas}; for many narrow peaks {narrow} bits, which may pass for an error"
        " of computation.",
        "A rough density that one reverse step, repeated, turns into two peaks narrower than"
        " those of q; the distance to q levels off while that to the fixed point falls"
        " to rounding; the difference by alpha, for a smooth and a rough density.",
        table,
    )


@style.in_style
def draw(numbers: Numbers) -> Drawing:
    """The drawing."""
    drawing, panels = style.sheet(2, 3, 5.0)
    _iterates(panels[0, 0], numbers)
    _ends(panels[0, 1], numbers)
    _by_iteration(panels[0, 2], numbers)
    _by_alpha(panels[1, 0], numbers)
    _limit(panels[1, 1], numbers)
    _sequence(panels[1, 2], numbers)
    return drawing


def _iterates(axes: Axes, numbers: Numbers) -> None:
    shades = (style.NORMAL, "#f0b48f", "#e38353", style.REVERSE)
    texts = []
    for (number, values), colour in zip(
        numbers["iterates"].items(), shades, strict=True
    ):
        axes.plot(numbers["x"], values, color=colour, linewidth=1.1)
        texts.append((f"n = {number}", colour))
    for place, (text, colour) in enumerate(texts):
        style.say(axes, 0.02, 0.92 - 0.08 * place, text, colour)
    _density(axes, rf"$R^n$ of a rough density, $\alpha$ = {numbers['alpha']:g}")


def _ends(axes: Axes, numbers: Numbers) -> None:
    style.curve(axes, numbers["x"], numbers["q"], style.TRUTH)
    axes.plot(numbers["x"], numbers["fixed_point"], color=style.REVERSE)
    style.say(axes, 0.02, 0.92, "$q(x)$", style.TRUTH)
    style.say(axes, 0.02, 0.84, "fixed point", style.REVERSE)
    js = numbers["js_to_q"][-1]
    _density(axes, f"where it ends: {js:.3f} bits from q")


def _density(axes: Axes, title: str) -> None:
    style.without_y(axes)
    axes.set_xlim(-3.0, 3.0)
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])
    style.name(axes, title, "x")


def _by_iteration(axes: Axes, numbers: Numbers) -> None:
    n = np.arange(len(numbers["js_to_q"]))
    axes.semilogy(n, numbers["js_to_q"], color=style.TRUTH)
    axes.semilogy(n, numbers["js_to_fixed_point"], color=style.REVERSE)
    axes.set_ylim(1e-14, 3.0)
    axes.set_xlim(0.0, n[-1])
    axes.locator_params(axis="x", nbins=4)
    style.say(axes, 0.97, 0.92, "to q", style.TRUTH, ha="right")
    style.say(axes, 0.97, 0.6, "to the fixed point,", style.REVERSE, ha="right")
    rate = rf"as $\lambda_2^{{2n}}$, $\lambda_2$ = {numbers['lambda_2']:.3f}"
    style.say(axes, 0.97, 0.52, rate, style.REVERSE, ha="right")
    style.name(axes, "distance by iteration", "iterations n", "JS, bits")


def _by_alpha(axes: Axes, numbers: Numbers) -> None:
    lost = 1.0 - np.asarray(numbers["by_alpha"])
    pairs = zip(
        numbers["difference"].items(), (style.TRUTH, style.FORWARD), strict=True
    )
    for place, ((name, values), colour) in zip((0.85, 0.52), pairs, strict=True):
        axes.loglog(lost, values, color=colour)
        style.say(axes, 0.03, place, f"to q, {name}", colour)
    axes.loglog(lost, numbers["to_limit"], color=style.NORMAL, linestyle="--")
    style.say(axes, 0.46, 0.1, "to the limit,\ntwo smooth peaks", style.NORMAL)
    axes.set_ylim(1e-5, 0.3)
    style.name(axes, "from the fixed point", r"$1 - \alpha$", "JS, bits")


def _limit(axes: Axes, numbers: Numbers) -> None:
    style.curve(axes, numbers["x"], numbers["q"], style.TRUTH)
    axes.plot(numbers["x"], numbers["near_limit"], color=style.REVERSE)
    axes.plot(
        numbers["x"],
        numbers["limit"],
        color=style.INK,
        linestyle=(0, (1, 1.6)),
        linewidth=1.3,
    )
    alpha = numbers["alphas"][-1]
    style.say(axes, 0.02, 0.92, "$q(x)$", style.TRUTH)
    style.say(axes, 0.02, 0.84, rf"fixed point, $\alpha$ = {alpha:g}", style.REVERSE)
    style.say(axes, 0.02, 0.76, "$q^2 e^{x^2/2}$, normalised", style.INK)
    _density(axes, r"the limit $\alpha$ → 1")


def _sequence(axes: Axes, numbers: Numbers) -> None:
    num = 1 + np.arange(len(numbers["passes"]))
    axes.semilogx(num, numbers["passes"], color=style.REVERSE)
    axes.semilogx(
        num, numbers["passes_at_once"], color=style.INK, linestyle=(0, (1, 1.6))
    )
    many = f"sequence of steps of {numbers['small']:g}"
    style.say(axes, 0.97, 0.92, many, style.REVERSE, ha="right")
    once = f"one step of their product {numbers['product']:.3f}"
    style.say(axes, 0.97, 0.84, once, style.INK, ha="right")
    style.name(axes, "a sequence, repeated", "passes + 1", "JS to q, bits")


CHOICE = Choice(
    FixedPoint,
    lambda options: Figure(
        TITLE, THEOREM, functools.partial(compute, options), tell, draw
    ),
)
