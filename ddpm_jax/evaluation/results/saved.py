"""Results of evaluations, read from workdirs: figures, errors, and their conventions."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Float64, Int64

from ddpm_jax.core import outside
from ddpm_jax.core.errors import ConfigError

FOLDER, CONFIG = "eval", "config.json"
# The part of a report that only continuous data have.
DENSITY = "density"
# Groups of a convention's fields by which figures are of one kind, or are not comparable.
DEFINING = ("data", "figure", "estimator", "x_hat")


class Images(NamedTuple):
    """Figures of the single images that are in the mean.

    Attributes:
      numbers: numbers of the images in the split, increasing.
      nats: mean over draws of noise for each image.
      halves: means over either half of the draws; nan where not known.
      num_dims: dimensions of an image.
    """

    numbers: Int64[np.ndarray, " images"]
    nats: Float64[np.ndarray, " images"]
    halves: Float64[np.ndarray, "2 images"]
    num_dims: int

    @property
    def nats_per_unit(self) -> float:
        """The nats of an image that make one bit per dim."""
        return self.num_dims * math.log(2.0)


class Result(NamedTuple):
    """One estimator's figure of one run. None is what is not known, or not finite.

    Attributes:
      name: name of the run, for a person.
      path: its workdir.
      step: step of the weights.
      seed: seed of the noise.
      estimator: name of the estimator.
      bits_per_dim: mean over images.
      stderr: its standard error over draws of noise, the images fixed.
      stderr_images: its standard error over images.
      terms: terms of its sum, in bits per dim.
      num_network_evaluations: mean of an image.
      num_examples: images in the mean.
      num_draws: draws of noise for each image.
      failed: numbers of the images of which there is no figure, by what went wrong.
      convention: all that the figure depends on.
      images: None where they were not kept.
      density: the report's figures in nats, as `density.made` makes them; None: of images.
    """

    name: str
    path: epath.Path
    step: int
    seed: int | None
    estimator: str
    bits_per_dim: float | None
    stderr: float | None
    stderr_images: float | None
    terms: Mapping[str, float | None]
    num_network_evaluations: float | None
    num_examples: int
    num_draws: int | None
    failed: Mapping[str, Sequence[int]]
    convention: Mapping[str, Any]
    images: Images | None
    density: Mapping[str, Any] | None = None

    @property
    def noun(self) -> str:
        """The word for what its mean is over: images, or points."""
        return "images" if self.density is None else "points"


def steps(directory: epath.PathLike) -> list[int]:
    """The steps of which a workdir holds evaluations, in increasing order.

    Raises:
      ConfigError: it holds none.
    """
    path = epath.Path(directory)
    if not path.is_dir():
        raise ConfigError(f"{path} is not a folder: write the workdir of a run.")
    folder = path / FOLDER
    found = folder.glob("*.json") if folder.is_dir() else ()
    numbers = sorted(int(file.stem) for file in found if file.stem.isdecimal())
    if not numbers:
        raise ConfigError(
            f"{path} holds no evaluation. This makes one:"
            f" python -m ddpm_jax eval --config=... --workdir={path}"
        )
    return numbers


def read(directory: epath.PathLike, step: int | None = None) -> list[Result]:
    """A workdir's results of one step, the newest by default, one for each estimator.

    Raises:
      ConfigError: there is no such evaluation, or it cannot be read.
    """
    path = epath.Path(directory)
    there = steps(path)
    chosen = there[-1] if step is None else step
    if chosen not in there:
        listed = ", ".join(map(str, there))
        raise ConfigError(
            f"{path} holds no evaluation of step {chosen}, only of {listed}."
        )
    file = path / FOLDER / f"{chosen}.json"
    report = _json(file)
    try:
        seed = _seed(path / CONFIG)
        reports = [report, *report.get("also", {}).values()]
        return [_result(path, chosen, seed, one) for one in reports]
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{file} is not a report as this version writes it ({error}): evaluate again."
        ) from error


def _seed(config: epath.Path) -> int | None:
    """The seed of a run's config.json; None where there is none, as of copied results."""
    if not config.exists():
        return None
    values = _json(config)
    if not isinstance(values, Mapping) or not isinstance(values.get("seed"), int):
        raise ConfigError(f"{config} is no run's config: put it back, or remove it.")
    return values["seed"]


def _json(file: epath.Path) -> Any:
    try:
        return json.loads(file.read_text())
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror or error}."
        ) from error
    except ValueError as error:
        raise ConfigError(f"{file} cannot be read as JSON: {error}.") from error


def _result(
    path: epath.Path, step: int, seed: int | None, report: Mapping[str, Any]
) -> Result:
    estimator, convention = report["estimator"], report["convention"]
    for field in DEFINING:
        convention[field]  # All that have none would seem to be of one kind.
    if not isinstance(convention["data"], Mapping):
        raise TypeError("its data is no table")
    density = report.get(DENSITY)
    if density is not None:
        density["nats_per_point"]["nats"]
    images = _images(path / FOLDER / f"{step}_{estimator}.npz")
    bits = known(report["bits_per_dim"])
    if images is not None and bits is not None:
        mean = images.nats.mean() / images.nats_per_unit
        if not math.isclose(mean, bits, rel_tol=1e-6):
            raise ConfigError(
                f"{path / FOLDER}: {step}_{estimator}.npz, of mean {mean:.6f} bits per dim,"
                f" is not of {step}.json, which has {bits:.6f}: evaluate again."
            )
    return Result(
        name=epath.Path(path).resolve().name,
        path=path,
        step=step,
        seed=seed,
        estimator=estimator,
        bits_per_dim=bits,
        stderr=known(report["bits_per_dim_stderr"]),
        stderr_images=known(report["bits_per_dim_stderr_images"]),
        terms={
            name: known(term["bits_per_dim"]) for name, term in report["terms"].items()
        },
        num_network_evaluations=known(report["num_network_evaluations"]),
        num_examples=report["num_examples"],
        num_draws=report["num_draws"],
        failed=dict(report["failed"]),
        convention=convention,
        images=images,
        density=density,
    )


def _images(file: epath.Path) -> Images | None:
    if not file.exists():
        return None
    try:
        with file.open("rb") as stream, np.load(stream) as arrays:
            numbers, nats, halves = (
                np.asarray(arrays[name], dtype)
                for name, dtype in (
                    ("index", np.int64),
                    ("nats", np.float64),
                    ("halves", np.float64),
                )
            )
            num_dims = int(arrays["num_dims"])
        if numbers.shape != (nats.size,) or halves.shape != (2, *nats.shape):
            raise ValueError("its arrays are not of one length")
        return Images(numbers, nats, halves, num_dims)
    except Exception as error:  # A damaged file can raise any exception.
        if outside.is_passing(error):
            raise
        raise ConfigError(
            f"{file} cannot be read ({error or type(error).__name__}): evaluate again."
        ) from error


def known(value: float | int | None) -> float | None:
    """A finite number, or None."""
    return float(value) if value is not None and math.isfinite(value) else None
