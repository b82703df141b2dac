"""A report as text: one line for a log, what went wrong, a table for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from ddpm_jax.evaluation.results import report
from ddpm_jax.evaluation.results.table import aligned


def summary(result: report.Report) -> str:
    """One line for a person."""
    terms = ", ".join(
        f"{name} {number(term['bits_per_dim'])}"
        for name, term in result["terms"].items()
    )
    return (
        f"{number(result['bits_per_dim'])} bits per dim,"
        f" s.e. {number(result['bits_per_dim_stderr'])} over draws and"
        f" {number(result['bits_per_dim_stderr_images'])} over images ({terms};"
        f" {result['num_examples']} images, {result['num_network_evaluations']:.4g} network"
        f" evaluations each{_left_out(result)})"
    )


def _left_out(result: report.Report) -> str:
    num = len(result["failed"]["not_converged"])
    return f"; {num} more did not converge" if num else ""


def table(result: report.Report) -> str:
    """Every figure with its errors, as lines for a terminal."""
    lines = [["", "bits/dim", "s.e. draws", "s.e. images", "evaluations"]]

    def line(name: str, figures: Mapping[str, Any], evaluations: str = "") -> None:
        bits, draws = number(figures["bits_per_dim"]), number(figures["stderr"])
        images = number(figures["stderr_images"])
        lines.append([name, bits, draws, images, evaluations])

    for single in report.each(result):
        total = {
            "bits_per_dim": single["bits_per_dim"],
            "stderr": single["bits_per_dim_stderr"],
            "stderr_images": single["bits_per_dim_stderr_images"],
        }
        line(single["estimator"], total, f"{single['num_network_evaluations']:.4g}")
        for term, figures in single["terms"].items():
            line(f"  {term}", figures)
    for name, figures in result.get("gaps", {}).items():
        line(name, figures)
    text = [aligned(lines)]
    for single in report.each(result):
        text.append(f"{single['estimator']}: {single['convention']['figure']}")
        if single["num_pilot_evaluations"]:
            text.append(
                f"{single['estimator']}: {single['num_pilot_evaluations']} evaluations more in"
                " the pilot pass"
            )
        if index := single["failed"]["not_converged"]:
            text.append(
                f"{single['estimator']}: the solve of {listed(index)} did not converge;"
                " left out of every mean"
            )
    data = result["convention"]["data"]
    text.append(
        f"{data['name']}, {data['version']}, split {data['split']!r}, resizing"
        f" {data['resizing']}; weights {result['convention']['weights']}"
    )
    return "\n".join(text)


def failure(result: report.Report) -> str:
    """One line on an estimator that has no mean to give; empty if each has one."""
    for single in report.each(result):
        name, failed = single["estimator"], single["failed"]
        if index := failed["not_finite"]:
            split = single["convention"]["data"]["split"]
            return (
                f"{name}: the figure of {listed(index)} of split {split!r} is not a finite"
                " number, so that no mean is given."
            )
        if not single["num_examples"]:
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
