"""The check for too many steps in a row that are not finite."""

import jax
import numpy as np


class NonFiniteError(RuntimeError):
    """The error of too many steps in a row whose loss or gradient is not finite."""


def check(step: int, in_a_row: jax.Array, max_skipped: int) -> None:
    """Raises NonFiniteError after max_skipped bad steps in a row, the last of them `step`."""
    count = int(np.max(np.asarray(in_a_row.addressable_data(0))))
    if count >= max_skipped:
        raise NonFiniteError(
            f"the loss or its gradient was not finite at steps {step - count + 1} to"
            f" {step}, {count} in a row (config.training.max_skipped = {max_skipped})."
            " No such step changed the parameters; the last checkpoint is good."
            " A lower config.optimizer.learning_rate may help."
        )
