"""Fresh points of a density that is known, as the data that samples are compared with."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32

from ddpm_jax.data.source import Example, KnownDensity, Source, known_density

# So many that their own distance from the density is small beside that of any samples.
NUM_POINTS = 100_000
SEED = 0


class TruePoints:
    """Points of a source's density that none of its splits has; drawn when they are read.

    Attributes:
      name: the source's.
      shape: the source's.
      identity: the source's, with the split that says what they are.
    """

    num_values = 0
    num_classes = 0

    def __init__(self, source: Source, density: KnownDensity) -> None:
        self._density = density
        self.name, self.shape = source.name, source.shape
        self.identity: Mapping[str, Any] = {
            **source.identity,
            "seed": SEED,
            "split": "fresh points of the true density",
            "num_examples": NUM_POINTS,
        }

    def __len__(self) -> int:
        return NUM_POINTS

    def __getitem__(self, index: int, /) -> Example:
        return {"image": self._points[index], "label": 0}

    @functools.cached_property
    def _points(self) -> Float32[np.ndarray, "points height width channels"]:
        points = self._density.draw(NUM_POINTS, SEED).astype(np.float32)
        return points.reshape(NUM_POINTS, *self.shape)


def or_itself(source: Source) -> Source:
    """Fresh points of the source's density if it is known; the source itself if not."""
    density = known_density(source)
    return source if density is None else TruePoints(source, density)
