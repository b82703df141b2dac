"""The report of an evaluation: figures with their errors.

Two errors are kept apart: that of this estimate of this test set's mean (over draws of
noise), and that of the test set as a sample (over images).
"""

import io
import json
import math
from collections.abc import Collection, Mapping
from typing import Any

import jax
import numpy as np
from etils import epath

from ddpm_jax.core import files
from ddpm_jax.evaluation.results import density
from ddpm_jax.evaluation.results.density import Truth
from ddpm_jax.evaluation.results.rows import Rows, loss_by_log_snr
from ddpm_jax.evaluation.results.saved import DENSITY, FOLDER, known

Report = dict[str, Any]
# The bound among a run's metrics.
HEADLINE = "eval/bits_per_dim"


def make(
    rows: Rows,
    num_dims: int,
    *,
    num_draws: int,
    num_pilot_evaluations: int,
    convention: Mapping[str, Any],
    is_density: bool = False,
    truth: Truth | None = None,
) -> Report:
    """Means over images in bits per dim, and of continuous data in nats.

    Args:
      rows: rows of all images.
      num_dims: dimensions of an image.
      num_draws: draws of noise for each image.
      num_pilot_evaluations: evaluations of the network in the pilot pass.
      convention: all that must agree before two figures may stand side by side, with
        "estimator" and "data".
      is_density: whether the data are continuous, points.
      truth: the density that they were drawn from, where it is known.
    """
    unit = num_dims * math.log(2.0)
    converged = rows["converged"]
    finite = np.isfinite(rows["nats.total"])
    good = converged & finite
    terms = [
        key.removeprefix("nats.")
        for key in rows
        if key.startswith("nats.") and key != "nats.total"
    ]

    # A figure that is not a number is none: the mean of the others would be another's.
    used = np.zeros_like(good) if np.any(converged & ~finite) else good

    def figures(term: str) -> dict[str, float | None]:
        return _mean(
            rows[f"nats.{term}"][used] / unit, rows[f"variance.{term}"][used] / unit**2
        )

    total = figures("total")
    of_density = {}
    if is_density:
        nats, variance = rows["nats.total"], rows["variance.total"]
        of_density = {DENSITY: density.made(nats, variance, used, num_dims, truth)}
    return {
        "estimator": convention["estimator"],
        "bits_per_dim": total["bits_per_dim"],
        "bits_per_dim_stderr": total["stderr"],
        "bits_per_dim_stderr_images": total["stderr_images"],
        **of_density,
        "terms": {term: figures(term) for term in terms},
        "num_examples": int(np.sum(good)),
        "num_dims": num_dims,
        "num_draws": num_draws,
        "num_network_evaluations": float(rows["evaluations"].mean()),
        "num_pilot_evaluations": num_pilot_evaluations,
        **_curve(rows, num_dims),
        "failed": {
            "not_converged": rows["index"][~converged].tolist(),
            "not_finite": rows["index"][converged & ~finite].tolist(),
        },
        "convention": dict(convention),
    }


def _curve(rows: Rows, num_dims: int) -> dict[str, Any]:
    """The bound per unit of log SNR along log SNR, if the rows have it."""
    curve = loss_by_log_snr(rows, num_dims)
    if curve is None:
        return {}
    log_snr, mean, stderr, std = (list(map(known, values)) for values in curve)
    of_curve = {"bits_per_dim": mean, "stderr": stderr, "std_of_draws": std}
    return {"loss_by_log_snr": {"log_snr": log_snr, **of_curve}}


def merged(reports: Mapping[str, Report], gaps: Mapping[str, Any]) -> Report:
    """The first report, with the others, and the differences, inside."""
    first, *others = reports.values()
    if not others:
        return first
    also = {other["estimator"]: other for other in others}
    return {**first, "also": also, "gaps": dict(gaps)}


def gaps(rows: Mapping[str, Rows], num_dims: int) -> dict[str, Any]:
    """The difference of each estimator to the first, image by image, in bits per dim.

    Returns:
      "<name> - <first>" -> its mean over the images that both have, and the standard errors
      of that: over images, and over draws where both know theirs. Their draws are independent.
    """
    (first, base), *others = rows.items()
    unit = num_dims * math.log(2.0)
    differences = {}
    for name, single in others:
        good = base["converged"] & single["converged"]
        difference = (single["nats.total"] - base["nats.total"])[good] / unit
        variance = (single["variance.total"] + base["variance.total"])[good] / unit**2
        differences[f"{name} - {first}"] = {
            **_mean(difference, variance),
            "num_examples": int(difference.size),
        }
    return differences


def _mean(values: np.ndarray, variance: np.ndarray) -> dict[str, float | None]:
    """Mean of independent values, each of this variance over draws, and its errors."""
    num = values.size
    if not num:
        return dict.fromkeys(("bits_per_dim", "stderr", "stderr_images"))
    over_images = known(values.std(ddof=1) / math.sqrt(num)) if num > 1 else None
    return {
        "bits_per_dim": known(values.mean()),
        "stderr": known(np.sqrt(np.sum(variance)) / num),
        "stderr_images": over_images,
    }


def write(
    path: epath.Path, step: int, report: Report, rows: Mapping[str, Rows]
) -> epath.Path:
    """Writes eval/<step>.json, and of each estimator eval/<step>_<estimator>.npz, whole.

    The latter hold each image's figure, so that runs can be compared image by image.
    """
    file = path / FOLDER / f"{step}.json"
    if jax.process_index() == 0:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Files of an earlier evaluation of this step, which this one replaces.
        for old in (
            *file.parent.glob(f"{step}_*.npz"),
            *file.parent.glob(f"{step}_*.png"),
        ):
            old.unlink()
        for name, single in rows.items():
            buffer = io.BytesIO()
            np.savez(
                buffer,
                index=single["index"][single["converged"]],
                nats=single["nats.total"][single["converged"]],
                halves=single["halves"][single["converged"]].T,
                num_dims=report["num_dims"],
            )
            images = file.with_name(f"{step}_{name}.npz")
            files.replace_bytes(images, buffer.getvalue())
        files.replace_text(file, json.dumps(report, indent=2, allow_nan=False) + "\n")
    return file


def each(report: Report) -> list[Report]:
    """The report of every estimator, the first one first."""
    return [report, *report.get("also", {}).values()]


def headline(estimator: str, bounds: Collection[str]) -> str:
    """The name of an estimator's figure among a run's metrics, if it comes first."""
    return HEADLINE if estimator in bounds else f"{HEADLINE}_{estimator}"


def scalars(report: Report, bounds: Collection[str]) -> dict[str, float | None]:
    """The figures as a row of metrics.

    Args:
      found: report of one estimator or several.
      bounds: estimators of the bound: it has a name of its own, if it comes first.
    """
    row: dict[str, float | None] = {}
    for single in each(report):
        # The bound's own name is for the first alone.
        name = headline(single["estimator"], bounds if single is report else ())
        prefix = "eval/" if name == HEADLINE else f"eval/{single['estimator']}_"
        row |= {
            name: single["bits_per_dim"],
            f"{name}_stderr": single["bits_per_dim_stderr"],
            f"{name}_stderr_images": single["bits_per_dim_stderr_images"],
        }
        row |= {
            f"{prefix}{term}_bits_per_dim": figures["bits_per_dim"]
            for term, figures in single["terms"].items()
        }
        row |= density.scalars(single.get(DENSITY, {}), prefix)
    return row


def noun(report: Report) -> str:
    """The word for what a report's means are over: images, or points."""
    return "points" if DENSITY in report else "images"
