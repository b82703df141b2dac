"""What an evaluation found: figures with their errors, and the convention they hold by.

Two errors are kept apart: that of this estimate of this test set's mean (over draws of
noise), and that of the test set as a sample (over images).
"""

import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

from ddpm_jax import estimators
from ddpm_jax.config import Config
from ddpm_jax.data.sources import Source
from ddpm_jax.diffusion.estimate import Estimate
from ddpm_jax.training import files

Report = dict[str, Any]
# Of each image, [n]: index, evaluations, converged, nats.<term> and variance.<term>, both
# with "total"; halves [n, 2]. Of a batch: profile [1, 3, NUM_BINS], count, sum and sum of
# squares of the loss per unit of log SNR, and ends [1, 2], the log SNRs it lies between.
Rows = dict[str, np.ndarray]
# The bound among a run's metrics.
HEADLINE = "eval/bits_per_dim"
FOLDER = "eval"
# Of log SNR, in the picture of the loss.
NUM_BINS = 32
# By config.decoder.name and .mean, in a report's words.
DECODERS = {
    (name, mean): f"{words} around {centre}"
    for name, words in (
        ("discretized_gaussian", "discretised Gaussian"),
        ("categorical", "categorical over the pixel values"),
    )
    for mean, centre in (
        ("x_hat", "x_hat(z_0), its scale after the reverse variance"),
        ("z_0", "z_0 / alpha_0, of scale sigma_0 / alpha_0"),
    )
}


def rows_of(
    estimate: Estimate, ends: np.ndarray, index: np.ndarray, kept: np.ndarray
) -> Rows:
    """What is remembered of a batch, the examples that fill it up left out.

    Args:
      estimate: of the whole batch, on the host.
      ends: log SNR at t = 0 and t = 1.
      index: of each example in the data set.
      kept: False for what fills up the batch.
    """
    rows = {
        "index": index.astype(np.int64),
        "evaluations": np.asarray(estimate.num_evaluations, np.float64),
        "converged": np.asarray(estimate.converged),
        "halves": np.asarray(estimate.halves, np.float64).T,
        "variance.total": np.asarray(estimate.total_variance, np.float64),
    }
    terms = estimate.terms._asdict().items()
    nats = {f"nats.{name}": np.asarray(values, np.float64) for name, values in terms}
    rows |= nats | {"nats.total": np.sum(list(nats.values()), axis=0)}
    for name, values in estimate.draw_variance._asdict().items():
        rows[f"variance.{name}"] = np.asarray(values, np.float64)
    rows = {name: values[kept] for name, values in rows.items()}
    if estimate.profile is not None:
        log_snr = np.asarray(estimate.profile.log_snr, np.float64)[:, kept].ravel()
        loss = np.asarray(estimate.profile.per_log_snr, np.float64)[:, kept].ravel()
        high, low = np.asarray(ends, np.float64)
        edges = np.linspace(low, high, NUM_BINS + 1)
        place = np.clip(np.searchsorted(edges, log_snr) - 1, 0, NUM_BINS - 1)
        powers = [np.bincount(place, loss**p, NUM_BINS) for p in (0, 1, 2)]
        rows["profile"] = np.stack(powers)[None]
        rows["ends"] = np.array([[low, high]])
    return rows


def joined(rows: Sequence[Rows]) -> Rows:
    """The rows of all batches as those of one."""
    return {name: np.concatenate([batch[name] for batch in rows]) for name in rows[0]}


def make(config: Config, name: str, source: Source, rows: Rows, step: int) -> Report:
    """Means over images in bits per dim.

    Args:
      config: of the run.
      name: of the estimator.
      source: the images that were measured.
      rows: of each of them.
      step: of the weights.
    """
    unit = math.prod(source.shape) * math.log(2.0)
    converged = rows["converged"]
    finite = np.isfinite(rows["nats.total"])
    good = converged & finite
    terms = [
        key.removeprefix("nats.")
        for key in rows
        if key.startswith("nats.") and key != "nats.total"
    ]

    def figures(term: str) -> dict[str, float | None]:
        # A figure that is not a number is none: the mean of the others would be another's.
        if not np.any(good) or np.any(converged & ~finite):
            return dict.fromkeys(("bits_per_dim", "stderr", "stderr_images"))
        values = rows[f"nats.{term}"][good] / unit
        variance = np.sum(rows[f"variance.{term}"][good]) / unit**2
        return {
            "bits_per_dim": values.mean(),
            "stderr": None if np.isnan(variance) else _root(variance) / values.size,
            "stderr_images": _stderr(values),
        }

    total = figures("total")
    pilot = config.eval.pilot_examples if name == "stratified" else 0
    return {
        "estimator": name,
        "bits_per_dim": total["bits_per_dim"],
        "bits_per_dim_stderr": total["stderr"],
        "bits_per_dim_stderr_images": total["stderr_images"],
        "terms": {term: figures(term) for term in terms},
        "num_examples": int(np.sum(good)),
        "num_dims": math.prod(source.shape),
        "num_draws": config.eval.ode.num_draws
        if name == "ode"
        else config.eval.num_draws,
        "num_network_evaluations": float(rows["evaluations"].mean()),
        "num_pilot_evaluations": min(pilot, len(source))
        * estimators.pilot_draws(config)
        if pilot
        else 0,
        "failed": {
            "not_converged": rows["index"][~converged].tolist(),
            "not_finite": rows["index"][converged & ~finite].tolist(),
        },
        "convention": convention(config, name, source, step),
    }


def convention(config: Config, name: str, source: Source, step: int) -> dict[str, Any]:
    """All that must agree before two figures may stand side by side."""
    options = config.eval.ode.to_dict() if name == "ode" else {}
    return {
        "data": dict(source.identity),
        "figure": estimators.figure(config, name),
        "estimator": name,
        **({"options": options} if options else {}),
        "num_latents": config.schedule.num_steps or "infinitely many",
        "schedule": config.schedule.name,
        "prediction": config.prediction,
        "reverse_variance": config.reverse_variance,
        "decoder": DECODERS[config.decoder.name, config.decoder.mean],
        "weights": _weights_name(config),
        "x_hat": "clipped to [-1, 1]" if config.eval.clip else "not clipped",
        "stderr": "over draws of noise, the images fixed; stderr_images: over images",
        "step": step,
    }


def _weights_name(config: Config) -> str:
    if config.eval.weights == "ema":
        return f"ema:{config.ema.decay}"
    return config.eval.weights


def merged(reports: Mapping[str, Report], gaps: Mapping[str, Any]) -> Report:
    """The first report, with the others, and the differences, inside."""
    first, *others = reports.values()
    if not others:
        return first
    also = {other["estimator"]: other for other in others}
    return {**first, "also": also, "gaps": dict(gaps)}


def gaps(rows: Mapping[str, Rows], num_dims: int) -> dict[str, Any]:
    """Of each estimator from the first, image by image, in bits per dim.

    Returns:
      "<name> - <first>" -> its mean over the images that both have, and the standard errors
      of that: over images, and over draws where both know theirs. Their draws are independent.
    """
    (first, base), *others = rows.items()
    unit = num_dims * math.log(2.0)
    found = {}
    for name, own in others:
        good = base["converged"] & own["converged"]
        difference = (own["nats.total"] - base["nats.total"])[good] / unit
        variance = np.sum((own["variance.total"] + base["variance.total"])[good])
        error = _root(variance) / unit / max(difference.size, 1)
        found[f"{name} - {first}"] = {
            "bits_per_dim": float(difference.mean()) if difference.size else None,
            "stderr": None if np.isnan(variance) else error,
            "stderr_images": _stderr(difference),
            "num_examples": int(difference.size),
        }
    return found


def _root(variance: float) -> float:
    return math.sqrt(max(variance, 0.0))


def _stderr(values: np.ndarray) -> float | None:
    """Of the mean of independent values."""
    return (
        float(values.std(ddof=1) / math.sqrt(values.size)) if values.size > 1 else None
    )


def loss_by_log_snr(rows: Rows, num_dims: int) -> tuple[np.ndarray, ...] | None:
    """Where the bound comes from, as `plots.loss_by_log_snr` takes it, in bits per dim.

    Returns:
      Log SNR, mean of the loss per unit of it, that mean's standard error, and the standard
      deviation of single draws; None where the estimator does not know.
    """
    if "profile" not in rows:
        return None
    num, total, square = rows["profile"].sum(axis=0)
    low, high = rows["ends"][0]
    edges = np.linspace(low, high, NUM_BINS + 1)
    seen = num > 1
    num, total, square = num[seen], total[seen], square[seen]
    mean = total / num
    std = np.sqrt(np.maximum(square / num - mean**2, 0.0) * num / (num - 1))
    centre = 0.5 * (edges[1:] + edges[:-1])[seen]
    unit = num_dims * math.log(2.0)
    return centre, mean / unit, std / np.sqrt(num) / unit, std / unit


def write(
    path: epath.Path, step: int, found: Report, rows: Mapping[str, Rows]
) -> epath.Path:
    """Writes eval/<step>.json, and of each estimator eval/<step>_<estimator>.npz, whole.

    The latter hold each image's figure, so that runs can be compared image by image.
    """
    file = path / FOLDER / f"{step}.json"
    if jax.process_index() == 0:
        file.parent.mkdir(parents=True, exist_ok=True)
        for name, own in rows.items():
            buffer = io.BytesIO()
            np.savez(
                buffer,
                index=own["index"][own["converged"]],
                nats=own["nats.total"][own["converged"]],
                halves=own["halves"][own["converged"]].T,
                num_dims=found["num_dims"],
            )
            images = file.with_name(f"{step}_{name}.npz")
            files.replace_bytes(images, buffer.getvalue())
        files.replace_text(file, json.dumps(found, indent=2) + "\n")
    return file


def each(found: Report) -> list[Report]:
    """The report of every estimator, the first one first."""
    return [found, *found.get("also", {}).values()]


def not_finite(found: Report) -> str:
    """One line on the images whose figure is not a number; empty if there are none."""
    for own in each(found):
        if index := own["failed"]["not_finite"]:
            split = own["convention"]["data"]["split"]
            return (
                f"{own['estimator']}: the figure of {_listed(index)} of split {split!r} is"
                " not a finite number, so that no mean is given."
            )
    return ""


def _listed(index: Sequence[int], most: int = 10) -> str:
    """Images by their number, the first few of many."""
    shown = ", ".join(map(str, index[:most]))
    more = f" and {len(index) - most} more" if len(index) > most else ""
    return f"image{'s' if len(index) > 1 else ''} {shown}{more}"


def scalars(found: Report) -> dict[str, float | None]:
    """The figures as a row of metrics: those of the first estimator under the bound's name."""
    row: dict[str, float | None] = {}
    for own in each(found):
        name = HEADLINE if own is found else f"{HEADLINE}_{own['estimator']}"
        prefix = "eval/" if own is found else f"eval/{own['estimator']}_"
        row |= {
            name: own["bits_per_dim"],
            f"{name}_stderr": own["bits_per_dim_stderr"],
            f"{name}_stderr_images": own["bits_per_dim_stderr_images"],
        }
        row |= {
            f"{prefix}{term}_bits_per_dim": figures["bits_per_dim"]
            for term, figures in own["terms"].items()
        }
    return row


def summary(found: Report) -> str:
    """One line for a person."""
    terms = ", ".join(
        f"{name} {_number(term['bits_per_dim'])}"
        for name, term in found["terms"].items()
    )
    return (
        f"{_number(found['bits_per_dim'])} bits per dim,"
        f" s.e. {_number(found['bits_per_dim_stderr'])} over draws and"
        f" {_number(found['bits_per_dim_stderr_images'])} over images ({terms};"
        f" {found['num_examples']} images, {found['num_network_evaluations']:.4g} network"
        " evaluations each)"
    )


def table(found: Report) -> str:
    """Every figure with its errors, as lines for a terminal."""
    lines = [("", "bits/dim", "s.e. draws", "s.e. images", "evaluations")]

    def line(name: str, figures: Mapping[str, Any], evaluations: str = "") -> None:
        bits, draws = _number(figures["bits_per_dim"]), _number(figures["stderr"])
        images = _number(figures["stderr_images"])
        lines.append((name, bits, draws, images, evaluations))

    for own in each(found):
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
    widths = [max(len(row[column]) for row in lines) for column in range(5)]
    text = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in lines
    ]
    for own in each(found):
        text.append(f"{own['estimator']}: {own['convention']['figure']}")
        if own["num_pilot_evaluations"]:
            text.append(
                f"{own['estimator']}: {own['num_pilot_evaluations']} evaluations more in"
                " the pilot pass"
            )
        if index := own["failed"]["not_converged"]:
            text.append(
                f"{own['estimator']}: the solve of {_listed(index)} did not converge; left"
                " out of every mean"
            )
    data = found["convention"]["data"]
    text.append(
        f"{data['name']}, {data['version']}, split {data['split']!r}, resizing"
        f" {data['resizing']}; weights {found['convention']['weights']}"
    )
    return "\n".join(text)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
