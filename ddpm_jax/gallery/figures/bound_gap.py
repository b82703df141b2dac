"""The gap of the bound: what a chain's ELBO loses to the likelihood, and where."""

import dataclasses
import functools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ddpm_jax.core.choice import Choice, Options, option
from ddpm_jax.diffusion.model import LogSnr
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.gallery import style
from ddpm_jax.gallery.densities import smooth
from ddpm_jax.gallery.figure import Caption, Figure, Numbers, Setting
from ddpm_jax.lab import chains, exact
from ddpm_jax.lab.densities import Grid

TITLE = "The gap of the bound: where a chain wastes nats"
THEOREM = (
    "With the posterior's variance a transition costs (SNR_s - SNR_t) mmse / 2, with the best"
    " one log(1 + (SNR_s - SNR_t) mmse) / 2. Where noise is finer than the density's"
    " structure SNR mmse is 1, and these are (e^d - 1) / 2 and d / 2 for a drop d of log SNR:"
    " the first is far too much where a step drops by d near 1."
)
# The variances of the chains, as fractions; None is the best.
VARIANCES = {"posterior": 0.0, "best": None}


@dataclasses.dataclass(frozen=True)
class BoundGap(Options):
    """Options of the figure."""

    steps: tuple[int, ...] = option(
        (10, 30, 100, 300, 1000), "Latents T of chains.", at_least=3, at_most=4000
    )
    log_snr_max: float = option(
        9.2, "Log SNR of z_0; of linear beta it is 9.21.", at_least=0.0, at_most=9.21
    )
    spacing: float = option(
        0.01, "Spacing of the grid, at most the noise of z_0.", above=0.0
    )
    first: int = option(20, "Transitions counted as the first ones.", at_least=1)


def compute(options: BoundGap, setting: Setting) -> Numbers:
    """Gaps by T, schedule and variance; and the terms of the longest chain."""
    low, high = setting.grid.low, setting.grid.high
    grid = Grid(low, high, round((high - low) / options.spacing) + 1)
    density = smooth(grid)
    log_snrs = _schedules(options)
    places = [(name, num) for name in log_snrs for num in options.steps]
    latents = [chains.log_snrs(log_snrs[name], num) for name, num in places]
    errors = exact.mmses(density, np.concatenate(latents))
    parts = np.split(errors, np.cumsum([len(one) for one in latents])[:-1])
    known = dict(zip(places, parts, strict=True))

    def bound(name: str, num_steps: int, variance: float | None) -> exact.Bound:
        return exact.bound(
            density,
            log_snrs[name],
            num_steps,
            variance,
            decoder_uses_network=False,
            errors=known[name, num_steps],
        )

    longest = max(options.steps)
    gaps: dict[str, Any] = {}
    for name in log_snrs:
        gaps[name] = {
            kind: [
                bound(name, num, variance).total - density.entropy
                for num in options.steps
            ]
            for kind, variance in VARIANCES.items()
        }
        wasteful, best = bound(name, longest, 0.0), bound(name, longest, None)
        # The best variance leaves next to nothing: the difference is the waste of a term.
        waste = wasteful.transitions - best.transitions
        l_t = chains.log_snrs(log_snrs[name], longest)
        shown = np.unique(np.geomspace(1, longest - 1, 90).round().astype(int)) - 1
        gaps[name] |= {
            "waste": waste[shown],
            "waste_of_first": float(waste[: options.first].sum()),
            "waste_of_all": float(waste.sum()),
            "prior": wasteful.prior,
            "reconstruction": wasteful.reconstruction,
            "drops": -np.diff(l_t)[shown],
            "largest_drop": float(-np.diff(l_t).min()),
            "transitions": shown + 1,
        }
    return {
        "entropy": density.entropy,
        "steps": options.steps,
        "first": options.first,
        "longest": longest,
        "schedules": gaps,
    }


def _schedules(options: BoundGap) -> dict[str, LogSnr]:
    ends = -options.log_snr_max, options.log_snr_max
    return {
        "linear beta": schedules.linear_beta(1000).log_snr,
        "cosine": schedules.cosine(*ends).log_snr,
        "linear log SNR": schedules.linear_log_snr(*ends).log_snr,
    }


def tell(numbers: Numbers) -> Caption:
    """The words."""
    longest = numbers["longest"]
    place = numbers["steps"].index(longest)
    table = []
    for name, part in numbers["schedules"].items():
        table += [
            (
                f"{name}, T = {numbers['longest']}: gap with the posterior's variance;"
                " with the best",
                f"{part['posterior'][place]:.4f}; {part['best'][place]:.4f} nats",
            ),
            (
                f"{name}: of that in the first {numbers['first']} transitions;"
                " the largest drop of log SNR",
                f"{part['waste_of_first']:.4f} nats; {part['largest_drop']:.3f}",
            ),
        ]
    linear = numbers["schedules"]["linear beta"]
    lost, first = linear["posterior"][place], min(numbers["first"], longest - 1)
    return Caption(
        f"With the posterior's variance {longest} steps of linear beta lose {lost:.2g} nats of"
        f" likelihood, of which {linear['waste_of_first']:.2g} nats in the first {first} of"
        f" {longest - 1} transitions: log SNR drops by {linear['drops'][0]:.2f} in the first"
        f" alone. With the best variance {linear['best'][place]:.2g} nats are lost.",
        "The gap between bound and likelihood by number of steps for three schedules, with"
        " the posterior's variance and with the best; the loss of each transition and the"
        " drop of log SNR in it.",
        table,
    )


@style.in_style
def draw(numbers: Numbers) -> Drawing:
    """The drawing."""
    drawing, panels = style.sheet(1, 3, 3.0)
    gap, waste, drop = panels[0]
    for place, ((name, part), colour) in enumerate(
        zip(numbers["schedules"].items(), style.SERIES, strict=False)
    ):
        gap.loglog(numbers["steps"], part["posterior"], color=colour, marker="o", ms=3)
        gap.loglog(
            numbers["steps"], part["best"], color=colour, marker="o", ms=3, ls="--"
        )
        waste.loglog(part["transitions"], part["waste"], color=colour)
        drop.loglog(part["transitions"], part["drops"], color=colour)
        style.say(waste, 0.03, 0.24 - 0.09 * place, name, colour)
    style.say(gap, 0.97, 0.92, "posterior's variance", style.INK, ha="right")
    style.say(gap, 0.03, 0.04, "dashed: best variance", style.INK)
    linear = numbers["schedules"]["linear beta"]
    _note(gap, numbers["steps"][-1], linear["posterior"][-1])
    style.name(gap, "ELBO gap by T", "latents T", "nats")
    waste.set_ylim(1e-9, 1.0)
    style.name(
        waste,
        f"waste of each transition, T = {numbers['longest']}",
        "transition",
        "nats",
    )
    style.name(drop, "drop of log SNR in it", "transition", "d")
    return drawing


def _note(axes: Axes, x: float, y: float) -> None:
    axes.annotate(
        f"{y:.2f} nats",
        (x, y),
        xytext=(6, -2),
        textcoords="offset points",
        color=style.TRUTH,
        fontsize=7.5,
        ha="left",
    )
    # Room for it beside the curves.
    axes.set_xlim(right=9.0 * x)


CHOICE = Choice(
    BoundGap,
    lambda options: Figure(
        TITLE, THEOREM, functools.partial(compute, options), tell, draw
    ),
)
