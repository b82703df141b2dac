"""The protocols of data: what models need to know of it, and random access to its images."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, Protocol, TypedDict, runtime_checkable

import numpy as np
from jaxtyping import UInt8


class Example(TypedDict):
    """One image and its class, 0 where there are none.

    "augmented" is there once the image may have been flipped or turned, and says if it was.
    """

    image: UInt8[np.ndarray, "height width channels"]
    label: int
    augmented: NotRequired[bool]


@runtime_checkable
class Described(Protocol):
    """What can be known of a data set without its examples: all that a model needs.

    Attributes:
      name: the value of config.data.name.
      num_values: number of pixel values, 0..num_values-1.
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


def class_names(source: Described) -> Sequence[str]:
    """The names of a source's classes; their numbers, where it has no names for them."""
    names = getattr(source, "class_names", ())
    return tuple(names) or tuple(map(str, range(source.num_classes)))
