"""The definition of a field of a config, and whom the field belongs to."""

import enum
from typing import Any, NamedTuple


class Belongs(enum.Enum):
    """The owner of an option, which says where another value of it is refused.

    A run is continued by the same values of all but those of the mode and those that may
    change. A trained model is used by any mode with the same values of MODEL.
    """

    MODEL = "the model: what its arrays mean"
    RUN = "the training run: what its bits depend on"
    DATA = "the data, which is told by its identity"
    MODE = "the mode in use, such as sampling"


class Leaf(NamedTuple):
    """The definition of one field of a config.

    Attributes:
      default: its value unless a config says another.
      meaning: one line of description.
      item_types: types that a tuple's items may have; (): the field is no tuple.
      example: a value to write where the default is empty.
      belongs: its owner.
      may_change: whether a run may be continued with another value.
      choice: (the field, the name) of the choice that it is an option of; None: of none.
    """

    default: Any
    meaning: str
    item_types: tuple[type, ...]
    example: Any
    belongs: Belongs
    may_change: bool
    choice: tuple[str, str] | None
