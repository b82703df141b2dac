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
    what = report.noun(result)
    return (
        f"{_in_nats(result)}{number(result['bits_per_dim'])} bits per dim,"
        f" s.e. {number(result['bits_per_dim_stderr'])} over draws and"
        f" {number(result['bits_per_dim_stderr_images'])} over {what} ({terms};"
        f" {result['num_examples']} {what}, {result['num_network_evaluations']:.4g} network"
        f" evaluations each{_left_out(result)})"
    )


def _in_nats(result: report.Report) -> str:
    """The nats of a density and its excess over the truth; of images nothing."""
    part = result.get(report.DENSITY)
    if part is None:
        return ""
    said = f"{number(part['nats_per_point']['nats'])} nats a point"
    if (excess := part.get("excess_over_the_truth")) is not None:
        said += (
            f", {number(excess['nats'])} over the truth (s.e. {number(excess['stderr'])}"
            f" over draws and {number(excess['stderr_points'])} over points; its entropy"
            f" {number(part['entropy_of_the_truth']['nats'])})"
        )
    return f"{said}; "


def _left_out(result: report.Report) -> str:
    num = len(result["failed"]["not_converged"])
    return f"; {num} more did not converge" if num else ""


def table(result: report.Report) -> str:
    """Every figure with its errors, as lines for a terminal."""
    what = report.noun(result)
    lines = [["", "bits/dim", "s.e. draws", f"s.e. {what}", "evaluations"]]

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
    text = [aligned(lines), *_table_of_density(result)]
    for single in report.each(result):
        text.append(f"{single['estimator']}: {single['convention']['figure']}")
        if single["num_pilot_evaluations"]:
            text.append(
                f"{single['estimator']}: {single['num_pilot_evaluations']} evaluations more in"
                " the pilot pass"
            )
        if index := single["failed"]["not_converged"]:
            text.append(
                f"{single['estimator']}: the solve of {listed(index, what)} did not converge;"
                " left out of every mean"
            )
    data = result["convention"]["data"]
    text.append(
        f"{data['name']}, {data['version']}, split {data['split']!r}, resizing"
        f" {data['resizing']}; weights {result['convention']['weights']}"
    )
    return "\n".join(text)


def _table_of_density(result: report.Report) -> list[str]:
    """The figures in nats of continuous data, and of the truth; of images nothing."""
    first = result.get(report.DENSITY)
    if first is None:
        return []
    lines = [["", "nats", "s.e. draws", "s.e. points"]]

    def line(name: str, figures: Mapping[str, Any]) -> None:
        ends = ("nats", "stderr", "stderr_points")
        lines.append([name, *(number(figures[end]) for end in ends)])

    for single in report.each(result):
        part = single[report.DENSITY]
        line(single["estimator"], part["nats_per_point"])
        if "excess_over_the_truth" in part:
            line("  over the truth", part["excess_over_the_truth"])
    if "entropy_of_the_truth" in first:
        entropy = first["entropy_of_the_truth"]
        error = number(entropy["stderr"]) if entropy["stderr"] else ""
        lines.append(["entropy of the truth", number(entropy["nats"]), error, ""])
    return [aligned(lines)]


def failure(result: report.Report) -> str:
    """One line on an estimator that has no mean to give; empty if each has one."""
    for single in report.each(result):
        name, failed = single["estimator"], single["failed"]
        what = report.noun(single)
        if index := failed["not_finite"]:
            split = single["convention"]["data"]["split"]
            return (
                f"{name}: the figure of {listed(index, what)} of split {split!r} is not a"
                " finite number, so that no mean is given."
            )
        if not single["num_examples"]:
            return (
                f"{name}: no solve converged ({listed(failed['not_converged'], what)}): raise"
                f" config.eval.{name}.max_steps, rtol or atol, or look at the weights."
            )
    return ""


def listed(index: Sequence[int], what: str = "images", most: int = 10) -> str:
    """Images, or whatever else in the plural, by their number, the first few of many."""
    shown = ", ".join(map(str, index[:most]))
    more = f" and {len(index) - most} more" if len(index) > most else ""
    return f"{what if len(index) > 1 else what.removesuffix('s')} {shown}{more}"


def number(value: float | None) -> str:
    """A figure, if it is known."""
    return "unknown" if value is None else f"{value:.4f}"
