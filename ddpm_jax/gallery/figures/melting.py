"""Melting: a rough density becomes N(0, 1), in a few large steps or along a schedule."""

import dataclasses
import functools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.schedules import Schedule
from ddpm_jax.gallery import style
from ddpm_jax.gallery.figure import FROM_DENSITY, Caption, Figure, Numbers, Setting
from ddpm_jax.gallery.noising import noised
from ddpm_jax.gallery.steps import OfSteps
from ddpm_jax.lab import divergences, exact, operators
from ddpm_jax.lab.densities import Density, standard_normal

TITLE = "Melting: every density becomes N(0, 1)"
THEOREM = (
    "z_t = sqrt(alpha_t) z_{t-1} + sqrt(1 - alpha_t) eps scales a density and blurs it."
    " In Hermite polynomials the k-th coefficient of q(z_t) / N(0, 1) shrinks by"
    " alpha^{k/2} a step, so that the distance to N(0, 1) falls by a constant factor."
)
# The schedules in continuous time run between these log SNRs.
LOWEST, HIGHEST = -7.0, 8.0
# Densities are shown when these shares of the variance are left of x, about.
SHOWN = (0.92, 0.8, 0.6, 0.4, 0.2)


@dataclasses.dataclass(frozen=True)
class Melting(OfSteps):
    """Options of the figure."""

    alphas: tuple[float | int, ...] = option(
        (0.6, 0.9), "Share of the variance that a step keeps.", above=0.0, below=1.0
    )
    num_steps: int = option(24, "Steps over which distances are shown.", at_least=2)
    num_times: int = option(90, "Columns of a heat map.", at_least=2)


def learned(density: Density, num: int = 33) -> Schedule:
    """The schedule that learning tends to: every time has the same share of the loss.

    A schedule that is learned in continuous time lessens the variance of the loss over t,
    which is least where -1/2 mmse dSNR/dt does not depend on t (Kingma et al. 2021,
    arXiv:2107.00630, appendix I.2).
    """
    # The noise of the finest level is a spacing.
    highest = min(HIGHEST, -2.0 * math.log(density.grid.spacing))
    log_snrs = np.linspace(highest, LOWEST, num)
    loss = [0.5 * math.exp(value) * exact.mmse(density, value) for value in log_snrs]
    steps = 0.5 * (np.array(loss)[1:] + np.array(loss)[:-1])
    share = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()

    def log_snr(t: Any) -> Any:
        return jnp.interp(t, jnp.asarray(share), jnp.asarray(log_snrs))

    def inverse(value: Any) -> Any:
        return jnp.interp(-value, jnp.asarray(-log_snrs), jnp.asarray(share))

    return Schedule(log_snr, inverse)


def compute(options: Melting, setting: Setting) -> Numbers:
    """The densities after each step, distances to N(0, 1), and heat maps over time."""
    grid, density = setting.grid, setting.density
    normal = standard_normal(grid)
    curve, rows = setting.shown(), setting.shown(0.05)
    chains = []
    for alpha in options.alphas:
        kernel = operators.forward_kernel(grid, alpha)
        steps = [density]
        for _ in range(options.num_steps):
            steps.append(kernel.apply(steps[-1]))
        distances = [divergences.js(one, normal) for one in steps]
        near = [n for n, js in enumerate(distances) if js < 0.01]
        kept = [max(1, round(math.log(share) / math.log(alpha))) for share in SHOWN]
        shown = sorted({0, *(min(n, options.num_steps) for n in kept)})
        chains.append(
            {
                "alpha": alpha,
                "js": distances,
                "steps_to_a_hundredth": near[0] if near else None,
                "shown": shown,
                "densities": [steps[n].values[curve] for n in shown],
            }
        )
    times = np.linspace(0.0, 1.0, options.num_times)
    maps = {}
    for name, schedule in _schedules(density).items():
        log_snr = np.asarray(schedule.log_snr(jnp.asarray(times)), np.float64)
        along = [noised(density, value) for value in log_snr]
        maps[name] = {
            "log_snr": log_snr,
            "js": [divergences.js(one, normal) for one in along],
            "map": np.stack([one.values[rows] for one in along], axis=1),
        }
    return {
        "x": grid.points[curve],
        "normal": normal.values[curve],
        "chains": chains,
        "t": times,
        "z": grid.points[rows],
        "schedules": maps,
    }


def _schedules(density: Density) -> dict[str, Schedule]:
    return {
        "linear beta": schedules.linear_beta(1000),
        "cosine": schedules.cosine(LOWEST, HIGHEST),
        "learned (its limit)": learned(density),
    }


def tell(numbers: Numbers) -> Caption:
    """The words."""
    table = [
        (
            f"steps of alpha = {chain['alpha']:g} until JS to N(0, 1) is below 0.01 bits",
            str(chain["steps_to_a_hundredth"] or f"more than {len(chain['js']) - 1}"),
        )
        for chain in numbers["chains"]
    ]
    for name, part in numbers["schedules"].items():
        half = part["js"][len(part["js"]) // 2]
        table.append((f"JS to N(0, 1) at t = 1/2, {name}", f"{half:.2g} bits"))
    alphas = " and ".join(f"{chain['alpha']:g}" for chain in numbers["chains"])
    return Caption(
        "The peaks of a density blur and run together, and it tends to N(0, 1): by steps of"
        f" alpha = {alphas}, or along a schedule, each of which spends its time elsewhere."
        " The learned schedule's limit gives every part of the time the same share of the"
        " loss.",
        "Above, densities after some steps, one under another, down to the normal"
        " curve; beside them the distance to it by step, a falling line. Below, heat maps"
        " of the density over time for three schedules.",
        table,
    )


@style.in_style
def draw(numbers: Numbers) -> Drawing:
    """The drawing."""
    chains = numbers["chains"]
    drawing = Drawing(figsize=(style.WIDTH, 6.2), layout="constrained")
    upper, lower = drawing.subfigures(2, 1, height_ratios=(1.35, 1.0))
    ratios = [1.0] * len(chains) + [0.9]
    *ridges, decay = upper.subplots(1, len(ratios), width_ratios=ratios)
    for axes, chain in zip(ridges, chains, strict=True):
        _ridge(axes, numbers, chain)
        style.name(axes, rf"steps of $\alpha$ = {chain['alpha']:g}", "z")
    _decay(decay, chains)
    style.name(decay, "distance to N(0, 1)", "step", "Jensen-Shannon divergence, bits")
    panels = lower.subplots(1, len(numbers["schedules"]), sharey=True)
    pairs = zip(panels, numbers["schedules"].items(), strict=True)
    for axes, (name, part) in pairs:
        z = numbers["z"]
        style.heat(axes, part["map"], (0.0, 1.0, z[0], z[-1]), style.FORWARD)
        style.name(axes, f"$q(z_t)$, {name}", "t", "")
    panels[0].set_ylabel("z")
    return drawing


def _ridge(axes: Axes, numbers: Numbers, chain: dict[str, Any]) -> None:
    """Densities one under another, the first on top."""
    x, step = np.asarray(numbers["x"]), 0.55
    reach = max(4.0, float(np.abs(x).max()))
    names = []
    tops = [max(values) for values in chain["densities"]]
    for row, (number, values) in enumerate(
        zip(chain["shown"], chain["densities"], strict=True)
    ):
        base = -step * row
        # A rough density would hide those above it.
        height = base + 0.95 * np.asarray(values) / max(1.0, tops[row])
        colour = style.TRUTH if number == 0 else style.FORWARD
        axes.fill_between(x, base, height, color="white", zorder=row, linewidth=0)
        axes.fill_between(
            x, base, height, color=colour, alpha=0.18, zorder=row, linewidth=0
        )
        axes.plot(x, height, color=colour, zorder=row, linewidth=1.2)
        name = "$q(x)$" if number == 0 else f"$q(z_{{{number}}})$"
        names.append((base, name, colour))
    normal = base + 0.95 * np.asarray(numbers["normal"])
    axes.plot(x, normal, color=style.INK, linestyle=":", linewidth=1.0, zorder=99)
    look: dict[str, Any] = {
        "color": style.INK,
        "fontsize": 7.5,
        "ha": "right",
        "va": "top",
    }
    axes.text(reach, base - 0.04, "dotted: N(0, 1)", **look)
    axes.set_xlim(-reach, reach)
    bases, texts, colours = zip(*names, strict=True)
    axes.set_yticks(bases, texts)
    axes.tick_params(axis="y", length=0.0)
    for label, colour in zip(axes.get_yticklabels(), colours, strict=True):
        label.set_color(colour)
    axes.spines["left"].set_visible(False)


def _decay(axes: Axes, chains: list[dict[str, Any]]) -> None:
    for chain, colour in zip(chains, style.SERIES, strict=False):
        js = np.asarray(chain["js"])
        axes.semilogy(np.arange(len(js)), js, color=colour, marker=".", markersize=4)
        at = min(len(js) - 1, int(np.searchsorted(-js, -1e-3)))
        axes.annotate(
            rf"$\alpha$ = {chain['alpha']:g}",
            (at, js[at]),
            xytext=(5, 5),
            textcoords="offset points",
            color=colour,
            fontsize=7.5,
        )
    axes.set_ylim(bottom=1e-7)


CHOICE = Choice(
    Melting,
    lambda options: Figure(
        TITLE, THEOREM, functools.partial(compute, options), tell, draw
    ),
    FROM_DENSITY,
)
