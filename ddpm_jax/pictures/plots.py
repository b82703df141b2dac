"""Curves plotted by matplotlib, as pictures."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ddpm_jax.pictures import canvas
from ddpm_jax.pictures.canvas import Picture

Curve = Float[np.ndarray, " points"]


@dataclasses.dataclass(frozen=True)
class Estimates:
    """Means over repeats, and their standard errors: NaN where there is but one."""

    mean: Curve
    stderr: Curve


def log_snr(t: Curve, curves: Mapping[str, Curve], learned: str) -> Picture:
    """A plot of schedules over time, with the one named `learned` in front."""
    figure, axes = _figure("t", "log SNR")
    for name, values in curves.items():
        is_learned = name == learned
        axes.plot(
            t,
            values,
            label=name,
            linewidth=2.4 if is_learned else 1.2,
            linestyle="-" if is_learned else "--",
            zorder=3 if is_learned else 2,
        )
    axes.legend()
    return canvas.pixels(figure)


def loss_by_log_snr(
    log_snr: Curve, mean: Curve, stderr: Curve, std: Curve, what: str
) -> Picture:
    """A plot of the loss per unit of log SNR, two standard errors around it, and its spread.

    Args:
      log_snr: log SNRs in increasing order.
      mean: mean loss there, bits per dim per unit of log SNR.
      stderr: standard error of the mean.
      std: standard deviation of single losses.
      what: the losses in words, such as "the last losses".
    """
    figure, axes = _figure("log SNR", "bits per dim per unit of log SNR")
    axes.fill_between(
        log_snr,
        mean - 2.0 * stderr,
        mean + 2.0 * stderr,
        alpha=0.35,
        linewidth=0,
        label="two standard errors",
    )
    axes.plot(log_snr, mean, linewidth=1.8, label=f"mean of {what}")
    axes.plot(log_snr, std, linewidth=1.2, linestyle="--", label="their deviation")
    axes.set_ylim(bottom=0.0)
    axes.legend()
    return canvas.pixels(figure)


def accuracy_by_log_snr(
    log_snr: Curve, accuracy: Curve, stderr: Curve, chance: float
) -> Picture:
    """A plot of a classifier's accuracy over log SNR, with two standard errors.

    Args:
      log_snr: log SNRs in any order.
      accuracy: accuracy there, in [0, 1].
      stderr: its standard error.
      chance: accuracy of a guess.
    """
    figure, axes = _figure("log SNR", "accuracy")
    axes.errorbar(
        log_snr, accuracy, yerr=2.0 * stderr, marker="o", markersize=4, linewidth=1.8
    )
    axes.axhline(chance, linewidth=1.2, linestyle="--", color="grey", label="a guess")
    axes.set_ylim(0.0, 1.02)
    axes.legend()
    return canvas.pixels(figure)


def trade_off(
    scale: Curve, shares: Mapping[str, Estimates], distance: Estimates
) -> Picture:
    """A plot of the gains and costs of guidance, in two panels over the same scales.

    Bars are two standard errors to either side.

    Args:
      scale: guidance scales in increasing order.
      shares: figures in [0, 1] by name, such as accuracy and recall; in the upper panel.
      distance: Frechet distance, in the lower panel.
    """
    figure = canvas.figure(6.4, 6.4)
    upper, lower = figure.subplots(2, sharex=True)
    for name, share in shares.items():
        _bars(upper, scale, share, name)
    # Room for markers at 0 and 1.
    upper.set_ylim(-0.03, 1.03)
    upper.legend()
    canvas.style(upper, "", "share")
    # A colour that is none of the shares'.
    _bars(lower, scale, distance, "Frechet distance", color="black")
    lower.set_ylim(bottom=0.0)
    canvas.style(lower, "guidance scale", "Frechet distance")
    return canvas.pixels(figure)


def _bars(
    axes: Axes, x: Curve, y: Estimates, label: str, color: str | None = None
) -> None:
    axes.errorbar(
        x, y.mean, 2.0 * y.stderr, marker="o", capsize=3, label=label, color=color
    )


def _figure(x: str, y: str) -> tuple[Figure, Axes]:
    figure = canvas.figure(6.4, 4.2)
    axes = figure.add_subplot()
    canvas.style(axes, x, y)
    return figure, axes
