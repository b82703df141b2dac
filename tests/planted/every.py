"""All mistakes, by the part they are in."""

from collections.abc import Mapping

from tests import parts
from tests.planted import (
    belonging,
    entering,
    evaluating,
    gallery,
    lab,
    points,
    running,
    sampling,
    showing,
    theory,
)
from tests.planted.mistake import Mistake

PARTS: Mapping[str, tuple[Mistake, ...]] = {
    "sampling": sampling.MISTAKES,
    "running": running.MISTAKES,
    "evaluating": evaluating.MISTAKES,
    "theory": theory.MISTAKES,
    "entering": entering.MISTAKES,
    "belonging": belonging.MISTAKES,
    "lab": lab.MISTAKES,
    "points": points.MISTAKES,
    "showing": showing.MISTAKES,
    "gallery": gallery.MISTAKES,
}


def chosen(only: str) -> dict[str, Mistake]:
    """The mistakes of some parts or names by commas, as `parts.chosen` takes them; "": all."""
    return parts.chosen(PARTS, only)


def places(mistake: Mistake, text: str) -> int:
    """How often the old text is in the file's."""
    return text.count(mistake.old)
