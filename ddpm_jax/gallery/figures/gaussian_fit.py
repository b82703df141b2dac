"""Gaussian fits: what density a chain of conditional Gaussians restores."""

import dataclasses
import functools
import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.gallery import style
from ddpm_jax.gallery.figure import FROM_DENSITY, Caption, Figure, Numbers, Setting
from ddpm_jax.gallery.steps import OfSteps, alphas_between
from ddpm_jax.lab import divergences, gaussian_fits, operators
from ddpm_jax.lab.chains import Chain
from ddpm_jax.lab.densities import Density

TITLE = "Gaussian fits: what a model of Gaussians can restore"
THEOREM = (
    "Of all Gaussians the one with the mean and variance of q(z_{t-1} | z_t) has the least"
    " KL(q || p). What a chain of them loses falls as its steps become small, as each"
    " reverse step then becomes Gaussian (Feller 1949; Sohl-Dickstein et al. 2015)."
)
# Log SNR of the first and the last latent of the chains.
HIGHEST, LOWEST = 6.0, -7.0


@dataclasses.dataclass(frozen=True)
class GaussianFit(OfSteps):
    """Options of the figure."""

    alphas: tuple[float | int, ...] = option(
        (0.95, 0.99), "Share of the variance that a step keeps.", above=0.0, below=1.0
    )
    points: tuple[float | int, ...] = option(
        (-0.75, 0.1, 0.8), "The z_1 of the slices."
    )
    steps: tuple[int, ...] = option(
        (2, 4, 8, 16, 32, 64), "Latents of chains.", at_least=2
    )


def compute(options: GaussianFit, setting: Setting) -> Numbers:
    """Slices and their fits, what is restored, and the losses by alpha and by T."""
    grid, before = setting.grid, setting.density
    curve = setting.shown()
    one_step = []
    for alpha in options.alphas:
        kernel = operators.reverse_kernel(before, alpha)
        fit = gaussian_fits.fitted(kernel)
        after = operators.forward_kernel(grid, alpha).apply(before)
        restored = fit.apply(after)
        slices = [
            {
                "z_1": point,
                "exact": kernel.conditional(point).values[curve],
                "fit": fit.conditional(point).values[curve],
            }
            for point in options.points
        ]
        restored_losses = _losses(before, restored)
        one_step.append(
            {"alpha": alpha, "slices": slices, "restored": restored.values[curve]}
            | restored_losses
        )
    alphas = alphas_between(grid, 0.7, 0.004, 12)
    losses = []
    for alpha in alphas:
        fit = gaussian_fits.fitted(operators.reverse_kernel(before, alpha))
        after = operators.forward_kernel(grid, alpha).apply(before)
        losses.append(_losses(before, fit.apply(after)))
    chains = []
    coarse = setting.coarse()
    # The noise of the first latent is wider than a spacing.
    highest = min(HIGHEST, -2.0 * math.log(coarse.grid.spacing) - 0.1)
    log_snr = schedules.cosine(LOWEST, highest).log_snr
    for num_steps in options.steps:
        restored = gaussian_fits.restored(Chain.of(coarse, log_snr, num_steps))
        chains.append({"num_steps": num_steps} | _losses(coarse, restored))
    return {
        "x": grid.points[curve],
        "q": before.values[curve],
        "one_step": one_step,
        "alphas": alphas,
        "losses": losses,
        "chains": chains,
    }


def _losses(true: Density, restored: Density) -> dict[str, float]:
    return {
        "js": divergences.js(true, restored),
        "kl_bits": divergences.kl(true, restored) / math.log(2.0),
    }


def tell(numbers: Numbers) -> Caption:
    """The words."""
    table = [
        (
            f"one step of alpha = {one['alpha']:g}: JS; KL(q || restored)",
            f"{one['js']:.4f}; {one['kl_bits']:.4f} bits",
        )
        for one in numbers["one_step"]
    ]
    table += [
        (
            f"chain of {one['num_steps']} latents: JS; KL(q || restored)",
            f"{one['js']:.4f}; {one['kl_bits']:.4f} bits",
        )
        for one in numbers["chains"]
    ]
    first, last = numbers["chains"][0], numbers["chains"][-1]
    return Caption(
        "A Gaussian in the place of each q(x | z_1) has none of its peaks, and what it restores"
        " is smoother than q(x). With smaller steps the slices are nearly Gaussian, and less"
        f" is lost: along a whole chain {first['kl_bits']:.3f} bits with"
        f" {first['num_steps']} latents, {last['kl_bits']:.4f} with {last['num_steps']}.",
        "Slices of the reverse step with the Gaussians of their mean and variance, and the"
        " density restored from these along the true one, for each alpha; the loss by step"
        " size and by number of latents.",
        table,
    )


@style.in_style
def draw(numbers: Numbers) -> Drawing:
    """The drawing."""
    one_step = numbers["one_step"]
    reach = style.reach(numbers["x"], numbers["q"], 2.4)
    num_rows = max(2, len(one_step))
    drawing, panels = style.sheet(num_rows, 3, 2.45 * num_rows)
    for axes in [*panels[len(one_step) :, :2].flat, *panels[2:, 2]]:
        axes.set_axis_off()
    for row, one in zip(panels, one_step, strict=False):
        alpha = rf"$\alpha$ = {one['alpha']:g}"
        _slices(row[0], numbers["x"], one["slices"])
        row[0].set_xlim(-reach, reach)
        style.name(
            row[0], rf"$q(x | z_1)$ for {len(one['slices'])} $z_1$, {alpha}", "x"
        )
        style.curve(row[1], numbers["x"], numbers["q"], style.TRUTH)
        row[1].plot(numbers["x"], one["restored"], color=style.FIT)
        _density(row[1])
        row[1].set_xlim(-reach, reach)
        title = f"restored in one step: {one['kl_bits']:.3f} bits lost"
        style.name(row[1], title, "x")
    style.say(panels[0, 0], 0.02, 0.91, "exact", style.REVERSE)
    style.say(panels[0, 0], 0.02, 0.82, "Gaussian", style.FIT)
    style.say(panels[0, 1], 0.02, 0.91, "$q(x)$", style.TRUTH)
    style.say(panels[0, 1], 0.02, 0.82, "restored", style.FIT)
    _by_alpha(panels[0, 2], numbers)
    _by_steps(panels[1, 2], numbers)
    return drawing


def _slices(axes: Axes, x: Any, slices: list[dict[str, Any]]) -> None:
    for piece in slices:
        style.curve(axes, x, piece["exact"], style.REVERSE, linewidth=1.1)
        axes.plot(
            x, piece["fit"], color=style.FIT, linestyle=(0, (4, 2)), linewidth=1.1
        )
    _density(axes)


def _density(axes: Axes) -> None:
    style.without_y(axes)
    axes.set_ylim(top=1.15 * axes.get_ylim()[1])


def _by_alpha(axes: Axes, numbers: Numbers) -> None:
    lost = 1.0 - np.asarray(numbers["alphas"])
    axes.loglog(lost, [one["kl_bits"] for one in numbers["losses"]], color=style.FIT)
    for one in numbers["one_step"]:
        axes.plot(
            1.0 - one["alpha"], one["kl_bits"], "o", color=style.FIT, markersize=4
        )
    style.name(axes, "lost in one step", r"$1 - \alpha$", "KL(q ‖ restored), bits")


def _by_steps(axes: Axes, numbers: Numbers) -> None:
    num = [one["num_steps"] for one in numbers["chains"]]
    losses = [one["kl_bits"] for one in numbers["chains"]]
    axes.loglog(num, losses, color=style.FIT, marker="o", markersize=4)
    axes.set_xticks(num, [str(n) for n in num])
    axes.set_xticks([], minor=True)
    style.name(
        axes, "lost along a chain from N(0, 1)", "latents T", "KL(q ‖ restored), bits"
    )


CHOICE = Choice(
    GaussianFit,
    lambda options: Figure(
        TITLE, THEOREM, functools.partial(compute, options), tell, draw
    ),
    FROM_DENSITY,
)
