"""The data of a run: what its models need to know of it, and its splits when asked for."""

import dataclasses
from collections.abc import Callable, Mapping

from ddpm_jax.data.identity import Identity
from ddpm_jax.data.source import Source, class_names


@dataclasses.dataclass(frozen=True)
class RunData:
    """A `Described` data set of which nothing is opened before its examples are needed.

    Attributes:
      name: the value of config.data.name.
      shape: shape of every image, (height, width, channels).
      num_values: number of pixel values, 0..num_values-1; 0: continuous.
      class_names: the name of each class, in the order of labels.
      identities: identities of the splits that are known, by the name that the config has.
      open_split: opens a split by that name.
    """

    name: str
    shape: tuple[int, int, int]
    num_values: int
    class_names: tuple[str, ...]
    identities: Mapping[str, Identity]
    open_split: Callable[[str], Source] = dataclasses.field(repr=False, compare=False)

    @property
    def num_classes(self) -> int:
        """Labels are 0..num_classes-1; 0: it has no classes."""
        return len(self.class_names)

    def identity(self, split: str) -> Identity:
        """The identity of a split; it is opened if the run has not recorded it."""
        known = self.identities.get(split)
        return self.open_split(split).identity if known is None else known


def of_source(
    source: Source, split: str, open_split: Callable[[str], Source]
) -> RunData:
    """The data of a run of which a split is open.

    Args:
      source: the split.
      split: the name of it that the config has.
      open_split: opens the others.
    """

    def opened(name: str) -> Source:
        return source if name == split else open_split(name)

    return RunData(
        source.name,
        source.shape,
        source.num_values,
        tuple(class_names(source)),
        {split: source.identity},
        opened,
    )
