"""What an evaluation hands back once its files are written, and what can make one."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from etils import epath

from ddpm_jax.training.state import Params


class Evaluation(NamedTuple):
    """For a log and a run's metrics.

    Attributes:
      scalars: a row of metrics.
      drawn: pictures by name, uint8 [height, width, channels].
      summary: one line for a person.
      file: where the whole report is.
      failure: one line, where a figure could not be given; else empty.
    """

    scalars: Mapping[str, float | None]
    drawn: Mapping[str, np.ndarray]
    summary: str
    file: str
    failure: str


@runtime_checkable
class Measurement(Protocol):
    """What can be measured of parameters again and again, between two steps of training too."""

    @property
    def headline(self) -> str:
        """The figure's name among a run's metrics, which tells whether a step has it."""

    def measured(self, path: epath.Path, params: Params, step: int) -> Evaluation:
        """Measures a step's parameters, and writes the files of it to the workdir's eval/."""
