"""The protocol of data: random access to the images of one split."""

from collections.abc import Mapping
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
class Source(Protocol):
    """One split of a data set.

    Reading is thread-safe, and reads no more than what is asked for.

    Attributes:
      name: the value of config.data.name.
      num_values: number of pixel values, 0..num_values-1.
      shape: shape of every image, (height, width, channels).
      num_classes: labels are 0..num_classes-1; 0: it has no classes.
      identity: all that tells this data from other data, for a report: name, version,
        split, resizing, num_examples.
    """

    name: str
    num_values: int
    shape: tuple[int, int, int]
    num_classes: int
    identity: Mapping[str, Any]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Example: ...
