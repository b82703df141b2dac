"""A report as text: one line for a log, what went wrong, a table for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from ddpm_jax.evaluation.results import report
from ddpm_jax.evaluation.results.table import aligned


def summary(found: report.Report) -> str:
    """One line for a person."""
    terms = ", ".join(
        f"{name} {number(term['bits_per_dim'])}"
        for name, term in found["terms"].items()
    )
    return (
        f"{number(found['bits_per_dim'])} bits per dim,"
        f" s.e. {number(found['bits_per_dim_stderr'])} over draws and"
        f" {number(found['bits_per_dim_stderr_images'])} over images ({terms};"
        f" {found['num_examples']} images, {found['num_network_evaluations']:.4g} network"
        f" evaluations each{_left_out(found)})"
    )


def _left_out(found: report.Report) -> str:
    num = len(found["failed"]["not_converged"])
    return f"; {num} more did not converge" if num else ""


def table(found: report.Report) -> str:
    """Every figure with its errors, as lines for a terminal."""
    lines = [["", "bits/dim", "s.e. draws", "s.e. images", "evaluations"]]

    def line(name: str, figures: Mapping[str, Any], evaluations: str = "") -> None:
        bits, draws = number(figures["bits_per_dim"]), number(figures["stderr"])
        images = number(figures["stderr_images"])
        lines.append([name, bits, draws, images, evaluations])

    for own in report.each(found):
        total = {
            "bits_per_dim": own["bits_per_dim"],
            "stderr": own["bits_per_dim_stderr"],
            "stderr_images": own["bits_per_dim_stderr_images"],
        }
        line(own["estimator"], total, f"{own['num_network_evaluations']:.4g}")
        for term, figures in own["terms"].items():
            line(f"  {term}", figures)
    for name, figures in found.get("gaps", {}).items():
        line(name, figures)
    text = [aligned(lines)]
    for own in report.each(found):
        text.append(f"{own['estimator']}: {own['convention']['figure']}")
        if own["num_pilot_evaluations"]:
            text.append(
                f"{own['estimator']}: {own['num_pilot_evaluations']} evaluations more in"
                " the pilot pass"
            )
        if index := own["failed"]["not_converged"]:
            text.append(
                f"{own['estimator']}: the solve of {listed(index)} did not converge;"
                " left out of every mean"
            )
    data = found["convention"]["data"]
    text.append(
        f"{data['name']}, {data['version']}, split {data['split']!r}, resizing"
        f" {data['resizing']}; weights {found['convention']['weights']}"
    )
    return "\n".join(text)


def failure(found: report.Report) -> str:
    """One line on an estimator that has no mean to give; empty if each has one."""
    for own in report.each(found):
        name, failed = own["estimator"], own["failed"]
        if index := failed["not_finite"]:
            split = own["convention"]["data"]["split"]
            return (
                f"{name}: the figure of {listed(index)} of split {split!r} is not a finite"
                " number, so that no mean is given."
            )
        if not own["num_examples"]:
            return (
                f"{name}: no solve converged ({listed(failed['not_converged'])}): raise"
                f" config.eval.{name}.max_steps, rtol or atol, or look at the weights."
            )
    return ""


def listed(index: Sequence[int], most: int = 10) -> str:
    """Images by their number, the first few of many."""
    shown = ", ".join(map(str, index[:most]))
    more = f" and {len(index) - most} more" if len(index) > most else ""
    return f"image{'s' if len(index) > 1 else ''} {shown}{more}"


def number(value: float | None) -> str:
    """A figure, if it is known."""
    return "unknown" if value is None else f"{value:.4f}"
