"""What an evaluation hands back once its files are written."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


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
