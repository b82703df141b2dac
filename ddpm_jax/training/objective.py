"""What a model is trained on: the one protocol between the training step and every model.

A step draws, differentiates, updates and counts; an objective says what is drawn, what each
example's loss is, and what is remembered for later steps. Several networks need no more
than this: all stand in one tree of parameters, the loss is the sum of theirs, and
`jax.lax.stop_gradient` keeps each sum's term from those who must not learn from it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Float, Int, Key

from ddpm_jax.core.randomness import Stream
from ddpm_jax.training.state import Params

# What the data set gives, "image" and "label"; "position", each example's place in the global
# batch; and "augmented" where the network is told of it.
Batch = Mapping[str, Array]
# A tree of arrays that lives in the train state.
Memory = Any
# A tree of arrays, one row an example, so that batches can be cut and put together.
Draws = Any
# A stream -> its key at this step; `example_keys` makes one an example of it.
Keys = Callable[[Stream], Key[Array, ""]]


class Losses(NamedTuple):
    """The losses of a batch; every array has one row an example.

    Attributes:
      weighted: what the step makes the mean of small.
      unweighted: the same without the weights that undo how an example was drawn: what the
        metrics tell by quarters of the coordinate.
      coordinate: in [0, 1], by which the metrics tell losses apart, such as time; zeros
        where there is none.
      remembered: a tree, what `Objective.update` takes from them; () for nothing.
    """

    weighted: Float[Array, " batch"]
    unweighted: Float[Array, " batch"]
    coordinate: Float[Array, " batch"]
    remembered: Any = ()


@runtime_checkable
class Objective(Protocol):
    """What a step makes small, by pure functions that are traced into its program."""

    def init(self, params: Params) -> Memory:
        """The memory before the first step, in arrays of its own: a state is donated."""

    def draw(
        self,
        memory: Memory,
        params: Params,
        keys: Keys,
        position: Int[Array, " batch"],
    ) -> Draws:
        """All that is random in a step.

        Args:
          memory: as the last step left it.
          params: those that are about to learn. What is drawn has no gradient.
          keys: whatever an example draws comes from its stream's key and its position.
          position: places in the global batch, of which a device may hold a part.
        """

    def losses(
        self, memory: Memory, params: Params, batch: Batch, draws: Draws
    ) -> Losses:
        """The loss of each example, of itself alone: a batch may come in pieces."""

    def update(
        self, memory: Memory, params: Params, draws: Draws, losses: Losses
    ) -> Memory:
        """The memory after a step, from the parameters that it began with.

        Args:
          memory: as the last step left it, of the same shapes and types as the result.
          params: those that the losses are of.
          draws: of the whole global batch, in order of position.
          losses: likewise.
        """
