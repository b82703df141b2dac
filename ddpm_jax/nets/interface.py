"""The inputs and outputs of a network, and the options that networks share."""

from typing import Any, NamedTuple

from ddpm_jax.core.choice import Options, option
from ddpm_jax.core.leaf import Belongs

# Beyond this exponent, sin(2^n pi z) of a float32 is noise.
LARGEST_EXPONENT = 20
DTYPES = ("float32", "bfloat16")


class Interface(NamedTuple):
    """The inputs of a network beside images and times, and its outputs.

    Attributes:
      num_outputs: channels of the output, or classes of a classifier's.
      num_classes: number of classes that an input may belong to; 0: no class is given.
      label_dropout: probability in training that the class is not given.
    """

    num_outputs: int
    num_classes: int = 0
    label_dropout: float = 0.0


class NetworkOptions(Options):
    """Options of a network, and the properties that training asks of them."""

    @property
    def takes_condition(self) -> bool:
        """Whether the network takes a number beside the time of each example."""
        return False

    @property
    def recomputes(self) -> bool:
        """Whether the network computes blocks again in the backward pass."""
        return False


def dropout(default: float = 0.1) -> Any:
    """The option that sets the rate of dropout."""
    return option(
        default,
        "Dropout rate, in every residual block.",
        at_least=0.0,
        below=1.0,
        belongs=Belongs.RUN,
    )


def epsilon() -> Any:
    """The option that sets what group norms add to the variance."""
    remedy = "write a small number above 0"
    meaning = "Added to the variance by group norms."
    return option(1e-6, meaning, above=0.0, below=1.0, remedy=remedy)


def fourier_exponents(default: tuple[int, ...]) -> Any:
    """The option that sets the frequencies of `embeddings.fourier_features`."""
    return option(
        default,
        "Exponents n of the channels sin(2^n pi z) beside the image.",
        at_least=0,
        at_most=LARGEST_EXPONENT,
        remedy=f"write whole numbers from 0 to {LARGEST_EXPONENT}, such as (7, 8)",
        example=(7, 8),
    )


def num_conditions(default: int) -> Any:
    """The option that sets how many numbers an example has beside its time."""
    meaning = "1: the network takes the flag of data.augmentation_flag."
    return option(default, meaning, at_least=0, at_most=1, remedy="write 0 or 1")


def dtype() -> Any:
    """The option that sets the dtype of the activations."""
    return option("float32", "Dtype of the activations.", one_of=DTYPES)


def remat() -> Any:
    """The option that saves memory by computing blocks twice."""
    meaning = "Compute each block again in the backward pass."
    return option(False, meaning, belongs=Belongs.RUN, may_change=True)
