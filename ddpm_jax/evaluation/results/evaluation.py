"""The result of an evaluation whose files are written, and the protocol of measurements."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from etils import epath

from ddpm_jax.training.state import Params


class Evaluation(NamedTuple):
    """The result of an evaluation, for a log and for a run's metrics.

    Attributes:
      scalars: row of metrics.
      pictures: pictures by name, uint8 [height, width, channels].
      summary: one line for a person.
      file: path of the whole report.
      failure: one line, where a figure could not be given; else empty.
    """

    scalars: Mapping[str, float | None]
    pictures: Mapping[str, np.ndarray]
    summary: str
    file: str
    failure: str


@runtime_checkable
class Measurement(Protocol):
    """A measurement that can be repeated with other parameters, as between training steps."""

    @property
    def headline(self) -> str:
        """The figure's name among a run's metrics, which tells whether a step has it."""

    def measured(self, path: epath.Path, params: Params, step: int) -> Evaluation:
        """Measures a step's parameters, and writes the files of it to the workdir's eval/."""
