"""The protocols of data: what models need to know of it, and random access to its images."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, Protocol, TypedDict, cast, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, UInt8

# Pixel values 0..V-1, or real numbers where V is 0.
Image = (
    UInt8[np.ndarray, "height width channels"]
    | Float32[np.ndarray, "height width channels"]
)


Images = (
    UInt8[np.ndarray, "images height width channels"]
    | Float32[np.ndarray, "images height width channels"]
)


class Example(TypedDict):
    """One image and its class, 0 where there are none.

    "augmented" is there once the image may have been flipped or turned, and says if it was.
    """

    image: Image
    label: int
    augmented: NotRequired[bool]


@runtime_checkable
class Described(Protocol):
    """What can be known of a data set without its examples: all that a model needs.

    Attributes:
      name: the value of config.data.name.
      num_values: number of pixel values, 0..num_values-1; 0: the data are continuous, real
        numbers in units of their own.
      shape: shape of every image, (height, width, channels).
      num_classes: labels are 0..num_classes-1; 0: it has no classes.
    """

    @property
    def name(self) -> str: ...

    @property
    def num_values(self) -> int: ...

    @property
    def shape(self) -> tuple[int, int, int]: ...

    @property
    def num_classes(self) -> int: ...


@runtime_checkable
class Source(Described, Protocol):
    """One split of a data set.

    Reading is thread-safe, and reads no more than what is asked for. A source may have
    `class_names`, too: the name of each class, in the order of labels.

    Attributes:
      identity: all that tells this data from other data, for a report: name, version,
        split, resizing, num_examples; contents, a digest, where files could change.
    """

    identity: Mapping[str, Any]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Example: ...


@runtime_checkable
class KnownDensity(Protocol):
    """What a source has, too, if its examples are draws of a density that is known.

    A point is an example's numbers in one row, in the data's units. See `known_density`.
    """

    @property
    def entropy(self) -> float:
        """The entropy of the density, nats."""

    @property
    def entropy_error(self) -> float:
        """The standard error of that, nats; 0 if it is known to 1e-6."""

    def log_density(
        self, x: Float64[np.ndarray, "points dimensions"]
    ) -> Float64[np.ndarray, " points"]:
        """The log density at each point, nats."""

    def draw(self, num: int, seed: int) -> Float64[np.ndarray, "points dimensions"]:
        """Fresh points, which no split has."""


def known_density(source: Described) -> KnownDensity | None:
    """The density of which a source, or the one that it is a part of, was drawn, if known."""
    if hasattr(source, "log_density"):
        # Not asked as a protocol is, which would work its entropy out.
        return cast(KnownDensity, source)
    density: KnownDensity | None = getattr(source, "density", None)
    return density


def pixel_dtype(num_values: int) -> type[np.generic]:
    """The dtype of images of so many pixel values: uint8, or float32 if they are continuous."""
    return np.uint8 if num_values else np.float32


def class_names(source: Described) -> Sequence[str]:
    """The names of a source's classes; their numbers, where it has no names for them."""
    names = getattr(source, "class_names", ())
    return tuple(names) or tuple(map(str, range(source.num_classes)))
