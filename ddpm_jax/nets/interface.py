"""What a network is made for, and what others may ask of its options."""

from typing import Any, NamedTuple

from ddpm_jax.core.choice import Options, option

# Beyond this exponent, sin(2^n pi z) of a float32 is noise.
LARGEST_EXPONENT = 20
DTYPES = ("float32", "bfloat16")


class Interface(NamedTuple):
    """What goes into a network beside images and times, and what comes out.

    Attributes:
      num_outputs: channels of the output, or classes to tell apart.
      num_classes: of the class that the network is told; 0: of none.
      label_dropout: how often in training it is not told.
    """

    num_outputs: int
    num_classes: int = 0
    label_dropout: float = 0.0


class NetworkOptions(Options):
    """Options of a network, and what whoever trains it asks of them."""

    @property
    def takes_condition(self) -> bool:
        """Whether a number comes with each example beside its time."""
        return False

    @property
    def recomputes(self) -> bool:
        """Whether blocks are computed again in the backward pass, to save memory."""
        return False


def dropout() -> Any:
    """An option: the rate of dropout."""
    return option(0.1, "Rate, in every residual block.", at_least=0.0, below=1.0)


def epsilon() -> Any:
    """An option: what group norms add to the variance."""
    remedy = "write a small number above 0"
    return option(1e-6, "Of the group norms.", above=0.0, below=1.0, remedy=remedy)


def fourier_exponents(default: tuple[int, ...]) -> Any:
    """An option: the frequencies of `embeddings.fourier_features`."""
    return option(
        default,
        "n of sin(2^n pi z) beside the image.",
        at_least=0,
        at_most=LARGEST_EXPONENT,
        remedy=f"write whole numbers from 0 to {LARGEST_EXPONENT}, such as (7, 8)",
        example=(7, 8),
    )


def num_conditions(default: int) -> Any:
    """An option: how many numbers come with each example beside its time."""
    meaning = "1 to be told of data.augmentation_flag."
    return option(default, meaning, at_least=0, at_most=1, remedy="write 0 or 1")


def dtype() -> Any:
    """An option: the type of the activations."""
    return option("float32", "Of the activations.", one_of=DTYPES)


def remat() -> Any:
    """An option: whether memory is saved by computing twice."""
    meaning = "Compute each block again in the backward pass."
    return option(False, meaning, may_change=True)
