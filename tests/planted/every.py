"""All mistakes, by the part they are in."""

from collections.abc import Mapping

from tests.planted import belonging, entering, evaluating, running, sampling, theory
from tests.planted.mistake import Mistake

PARTS: Mapping[str, tuple[Mistake, ...]] = {
    "sampling": sampling.MISTAKES,
    "running": running.MISTAKES,
    "evaluating": evaluating.MISTAKES,
    "theory": theory.MISTAKES,
    "entering": entering.MISTAKES,
    "belonging": belonging.MISTAKES,
}


def numbered() -> dict[str, Mistake]:
    """Every mistake by its name: the part, and a number in it from 1 on."""
    return {
        f"{part}-{number}": mistake
        for part, mistakes in PARTS.items()
        for number, mistake in enumerate(mistakes, 1)
    }


def places(mistake: Mistake, text: str) -> int:
    """How often the old text is in the file's."""
    return text.count(mistake.old)
