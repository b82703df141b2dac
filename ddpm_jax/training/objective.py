"""The training objective: the one protocol between the training step and every model.

A step draws, differentiates, updates and counts; an objective defines what is drawn, the loss
of each example, and the memory that later steps use. Several networks need no more than this:
all stand in one tree of parameters, the loss is the sum of theirs, and
`jax.lax.stop_gradient` keeps each term from the networks that must not learn from it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Float, Int, Key

from ddpm_jax.core.randomness import Stream
from ddpm_jax.training.state import Params

# "image" and "label" of the data set; "position" of each example in the global batch; and
# "augmented" where it is an input of the network.
Batch = Mapping[str, Array]
# A tree of arrays that lives in the train state.
Memory = Any
# A tree of arrays with one row for each example, so that batches can be split and joined.
Draws = Any
# A stream -> its key at this step; `example_keys` makes a key for each example of it.
Keys = Callable[[Stream], Key[Array, ""]]


class Losses(NamedTuple):
    """The losses of a batch; every array has one row for each example.

    Attributes:
      weighted: the losses whose mean the step minimises.
      unweighted: the losses without importance weights, which the metrics report by
        quarters of the coordinate.
      coordinate: a number in [0, 1] for the metrics to report losses by, such as time;
        zeros if there is none.
      remembered: a tree of what `Objective.update` needs of the losses; () for nothing.
    """

    weighted: Float[Array, " batch"]
    unweighted: Float[Array, " batch"]
    coordinate: Float[Array, " batch"]
    remembered: Any = ()


@runtime_checkable
class Objective(Protocol):
    """The objective of a step, as pure functions that are traced into its program."""

    def init(self, params: Params) -> Memory:
        """The memory before the first step, in arrays of its own, since it is donated."""

    def draw(
        self,
        memory: Memory,
        params: Params,
        keys: Keys,
        position: Int[Array, " batch"],
    ) -> Draws:
        """Draws all that is random in a step.

        Args:
          memory: the memory after the last step.
          params: parameters before the step. Draws have no gradient.
          keys: keys of streams; an example's draws depend on them and its position alone.
          position: positions in the global batch, of which a device may hold a part.
        """

    def losses(
        self, memory: Memory, params: Params, batch: Batch, draws: Draws
    ) -> Losses:
        """The losses of examples, each of its example alone: a batch may come in pieces."""

    def update(
        self, memory: Memory, params: Params, draws: Draws, losses: Losses
    ) -> Memory:
        """The memory after a step, by the parameters before it.

        Args:
          memory: the memory after the last step, of the same shapes and types as the result.
          params: parameters before the step, of which the losses are.
          draws: draws of the whole global batch, in order of position.
          losses: losses of the whole global batch, in order of position.
        """
