"""Deconvolution: the step undone by a Fourier division, which any noise drowns."""

import dataclasses
import functools
import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.gallery import style
from ddpm_jax.gallery.figure import FROM_DENSITY, Caption, Figure, Numbers, Setting
from ddpm_jax.gallery.steps import OfSteps
from ddpm_jax.lab import deconvolution, operators

TITLE = "Deconvolution: a division that noise drowns"
THEOREM = (
    "The convolution with N(0, 1 - alpha) multiplies the Fourier transform by"
    " exp(-(1 - alpha) w^2 / 2); the division multiplies an error at the frequency w by the"
    " inverse of that, without a bound in w. The reverse kernel, which knows q, multiplies"
    " an error by 1 at most."
)

# The largest factor of a division that is drawn.
LARGEST = 1e100


@dataclasses.dataclass(frozen=True)
class Deconvolution(OfSteps):
    """Options of the figure."""

    ALPHAS = ("alpha",)

    alpha: float = option(
        0.97, "Share of the variance that the step keeps.", above=0.0, below=1.0
    )
    noises: tuple[float | int, ...] = option(
        (1e-12, 1e-9, 1e-6, 1e-3),
        "Deviation of the noise, of a density.",
        above=0.0,
        at_most=1.0,
    )
    highest: float = option(
        38.0, "Frequencies above are left out, radians per unit.", above=0.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        limit = math.sqrt(2.0 * math.log(LARGEST) / (1.0 - self.alpha))
        if self.highest > limit:
            raise ValueError(
                f"highest = {self.highest}: with alpha = {self.alpha} the division"
                f" multiplies there by more than {LARGEST:.0e}; write at most"
                f" {math.floor(10.0 * limit) / 10.0:g}, or a larger alpha."
            )


def compute(options: Deconvolution, setting: Setting) -> Numbers:
    """What is restored from noisy densities by division and by the reverse kernel."""
    grid, before = setting.grid, setting.density
    curve = setting.shown()
    after = operators.forward_kernel(grid, options.alpha).apply(before)
    reverse = operators.reverse_kernel(before, options.alpha)
    noise = np.random.Generator(np.random.Philox(setting.seed)).normal(size=grid.num)

    def restored(level: float) -> dict[str, object]:
        masses = after.masses + level * grid.spacing * noise
        divided = deconvolution.deconvolved(
            grid, masses, options.alpha, options.highest
        )
        kept = reverse.matrix @ masses
        return {
            "noise": level,
            "divided": divided[curve] / grid.spacing,
            "reversed": kept[curve] / grid.spacing,
            "error_divided": deconvolution.distance(divided, before),
            "error_reversed": deconvolution.distance(kept, before),
        }

    frequencies = np.linspace(0.0, options.highest, 60)
    return {
        "x": grid.points[curve],
        "q": before.values[curve],
        "q_1": after.values[curve],
        "alpha": options.alpha,
        "restored": [restored(level) for level in options.noises],
        "frequencies": frequencies,
        "amplification": [
            deconvolution.amplification(options.alpha, w) for w in frequencies
        ],
        "levels": (levels := np.geomspace(1e-14, 1e-2, 13)),
        "errors": [
            [one["error_divided"], one["error_reversed"]]
            for one in map(restored, levels)
        ],
    }


def tell(numbers: Numbers) -> Caption:
    """The words."""
    table = [
        (
            f"noise of {one['noise']:.0e}: error by division; by the reverse kernel",
            f"{one['error_divided']:.2g}; {one['error_reversed']:.2g}",
        )
        for one in numbers["restored"]
    ]
    largest = numbers["amplification"][-1]
    table.append(("largest factor of the division", f"{largest:.2g}"))
    most = max(numbers["restored"], key=lambda one: one["noise"])
    return Caption(
        "A step of noise is a convolution, and could be undone by a division of Fourier"
        f" transforms, were it not for errors: with noise of {most['noise']:.0e} on the noisy"
        f" density the division is wrong by {most['error_divided']:.2g}, half of the"
        " integral of the difference. The reverse kernel restores q from the same noisy"
        f" density with an error of {most['error_reversed']:.2g}.",
        f"Densities restored from noisy ones, at {len(numbers['restored'])} levels of noise, by"
        " division and by the reverse kernel, along the true one; the amplification by"
        " frequency, and both errors by noise.",
        table,
    )


@style.in_style
def draw(numbers: Numbers) -> Drawing:
    """The drawing."""
    restored = numbers["restored"]
    # The last column has the two curves; one density alone shares their row.
    if len(restored) == 1:
        drawing, panels = style.sheet(1, 3, 2.6)
        *places, factor, errors = panels[0]
    else:
        drawing, panels = style.sheet(2, (len(restored) + 1) // 2 + 1, 4.8)
        places = [*panels[0, :-1], *panels[1, :-1]]
        factor, errors = panels[:, -1]
    for axes in places[len(restored) :]:
        axes.set_axis_off()
    top = max(numbers["q"])
    reach = style.reach(numbers["x"], numbers["q"], 2.6)
    for axes, one in zip(places, restored, strict=False):
        axes.plot(numbers["x"], one["divided"], color=style.NORMAL, linewidth=0.8)
        style.curve(axes, numbers["x"], numbers["q"], style.TRUTH, linewidth=1.0)
        axes.plot(
            numbers["x"],
            one["reversed"],
            color=style.REVERSE,
            linestyle=(0, (3, 2)),
            linewidth=1.2,
        )
        axes.set_xlim(-reach, reach)
        axes.ticklabel_format(axis="y", scilimits=(-3, 3), useMathText=True)
        if one["error_divided"] < 1.0:
            axes.set_ylim(-0.3 * top, 1.5 * top)
        title = f"noise {_power(one['noise'])}: error {_short(one['error_divided'])}"
        style.name(axes, title, "x")
    style.say(places[0], 0.02, 0.92, "$q(x)$", style.TRUTH)
    style.say(places[0], 0.02, 0.84, "by division", style.NORMAL)
    style.say(places[0], 0.02, 0.76, "by the reverse kernel", style.REVERSE)
    _amplification(factor, numbers)
    _errors(errors, numbers)
    return drawing


def _short(value: float) -> str:
    """A number with two digits, as in print."""
    if 1e-3 < value < 1e3:
        return f"{value:.0f}" if value >= 10.0 else f"{value:.2g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    return rf"${mantissa} \cdot 10^{{{int(exponent)}}}$"


def _power(value: float) -> str:
    return f"$10^{{{np.log10(value):.0f}}}$" if value else "0"


def _amplification(axes: Axes, numbers: Numbers) -> None:
    axes.semilogy(numbers["frequencies"], numbers["amplification"], color=style.INK)
    title = rf"factor of the division, $\alpha$ = {numbers['alpha']:g}"
    style.name(axes, title, "frequency, radians per unit", "")


def _errors(axes: Axes, numbers: Numbers) -> None:
    errors = np.asarray(numbers["errors"])
    for column, colour, name in (
        (0, style.NORMAL, "by division"),
        (1, style.REVERSE, "by the reverse kernel"),
    ):
        axes.loglog(numbers["levels"], errors[:, column], color=colour)
        style.say(axes, 0.97, 0.62 - 0.5 * column, name, colour, ha="right")
    axes.axhline(1.0, color=style.PALE, linewidth=0.8, zorder=0)
    style.name(axes, "error of what is restored", "noise", "half of ∫ |restored - q|")


CHOICE = Choice(
    Deconvolution,
    lambda options: Figure(
        TITLE, THEOREM, functools.partial(compute, options), tell, draw
    ),
    FROM_DENSITY,
)
