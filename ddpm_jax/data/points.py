"""Points as images of one pixel: drawn of a distribution that is known, or from a file.

A point of D coordinates is an image of shape (1, 1, D), float32, in the data's units.
`num_values` is 0: the data are real numbers.
"""

import difflib
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int

from ddpm_jax.core import number_files
from ddpm_jax.data import point_distributions
from ddpm_jax.data.point_distributions import Distribution
from ddpm_jax.data.point_shapes import DISTRIBUTIONS, SHAPING, PointsOptions
from ddpm_jax.data.source import Example

SPLITS = {"train": point_distributions.TRAIN, "test": point_distributions.TEST}
# Of a file, the points whose number is 9, 19, 29 ... are for "test".
TEST_OF = 10


class Points:
    """Points held in memory.

    Attributes:
      name: the value of config.data.name.
      shape: (1, 1, dimensions).
      num_classes: labels are 0..num_classes-1; 0: points have no class.
      identity: as of every source.
    """

    num_values = 0

    def __init__(
        self,
        name: str,
        points: Float64[np.ndarray, "points dimensions"],
        labels: Int[np.ndarray, " points"],
        num_classes: int,
        identity: Mapping[str, Any],
    ) -> None:
        self._points = points.astype(np.float32)[:, None, None, :]
        self._labels = labels
        self.name, self.num_classes = name, num_classes
        self.shape = (1, 1, points.shape[1])
        self.identity: Mapping[str, Any] = {
            "name": name,
            **identity,
            "resizing": "none",
            "num_examples": len(points),
        }

    def __len__(self) -> int:
        return len(self._points)

    def __getitem__(self, index: int, /) -> Example:
        return {"image": self._points[index], "label": int(self._labels[index])}

    @property
    def points(self) -> Float32[np.ndarray, "points dimensions"]:
        """All points."""
        return self._points[:, 0, 0]


class DrawnPoints(Points):
    """Points that were drawn of a distribution; a `source.KnownDensity`."""

    def __init__(
        self, kind: str, options: PointsOptions, split: str, distribution: Distribution
    ) -> None:
        num = {"train": options.num_train, "test": options.num_test}[split]
        self._distribution = distribution
        super().__init__(
            f"points:{kind}",
            *point_distributions.draw(distribution, options.seed, SPLITS[split], num),
            distribution.num_groups,
            {
                "version": DISTRIBUTIONS[kind].description(options),
                "seed": options.seed,
                "split": split,
            },
        )

    def log_density(
        self, x: Float64[np.ndarray, "points dimensions"]
    ) -> Float64[np.ndarray, " points"]:
        """The log density of the truth at each point, nats."""
        return self._distribution.log_density(np.asarray(x, np.float64))

    @property
    def entropy(self) -> float:
        """The entropy of the truth, nats."""
        return self._distribution.entropy.nats

    @property
    def entropy_error(self) -> float:
        """The standard error of that; 0 if it is an integral, exact to 1e-6."""
        return self._distribution.entropy.error

    def draw(self, num: int, seed: int) -> Float64[np.ndarray, "points dimensions"]:
        """Fresh points of the truth, which neither split has."""
        stream = point_distributions.FRESH
        return point_distributions.draw(self._distribution, seed, stream, num)[0]


def open_split(what: str, split: str, options: PointsOptions) -> Points:
    """One split of the points that `what` names.

    Args:
      what: name in `DISTRIBUTIONS`, or the path of a .npy or .csv file.
      split: "train" or "test".
      options: options of the distribution; numbers of points and seed are not for a file.

    Raises:
      ValueError: there is no such distribution, file or split.
    """
    if split not in SPLITS:
        raise ValueError(
            f"config.data.train_split or eval_split = {split!r}: points have the splits"
            " 'train' and 'test'."
        )
    if what in DISTRIBUTIONS:
        try:
            distribution = DISTRIBUTIONS[what].of(options)
        except ValueError as error:
            where = f"config.data.name = 'points:{what}'"
            raise ValueError(f"config.data.points.{error} ({where})") from error
        return DrawnPoints(what, options, split, distribution)
    if number_files.is_named(what):
        return _of_file(what, split, options)
    close = difflib.get_close_matches(what, DISTRIBUTIONS, n=1)
    guess = f" Did you mean 'points:{close[0]}'?" if close else ""
    raise ValueError(
        f"config.data.name = 'points:{what}': write one of {', '.join(DISTRIBUTIONS)}"
        f" behind points:, or the path of a .npy or .csv file.{guess}"
    )


def _of_file(path: str, split: str, options: PointsOptions) -> Points:
    field = f"config.data.name = 'points:{path}'"
    for name in SHAPING:
        value = getattr(options, name)
        if value != getattr(PointsOptions(), name):
            raise ValueError(
                f"config.data.points.{name} = {value} is of distributions, and {field} is"
                " a file: leave it out."
            )
    points = number_files.read(path, field)
    if len(points) < TEST_OF:
        raise ValueError(
            f"{field} holds {len(points)} points: write {TEST_OF} or more, as every"
            f" {TEST_OF}th is for the split 'test'."
        )
    if (largest := np.abs(points).max()) > np.finfo(np.float32).max:
        raise ValueError(
            f"{field} holds {largest:g}, beyond 32-bit numbers: write it in larger units."
        )
    digest = hashlib.sha256(repr(points.shape).encode() + points.tobytes()).hexdigest()
    is_test = np.arange(len(points)) % TEST_OF == TEST_OF - 1
    part = points[is_test if SPLITS[split] == point_distributions.TEST else ~is_test]
    return Points(
        f"points:{path}",
        part,
        np.zeros(len(part), np.int64),
        0,
        {"version": "a file", "split": split, "contents": digest[:32]},
    )
