"""Sets of samples side by side: what they depend on, in a table, and a picture of each."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from ddpm_jax.core import files
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.evaluation.results.table import UNKNOWN, aligned
from ddpm_jax.pictures import encoding, samples
from ddpm_jax.pictures.samples import Picture
from ddpm_jax.sampling import sample_folders
from ddpm_jax.sampling.sample_folders import SampleSet

# Pixel values of pictures on a screen.
ALL_VALUES = 256
COLUMNS = {
    "step": "step",
    "weights": "config.sample.weights",
    "seed": "seed",
    "sampler": "config.sample.sampler",
    "num_steps": "config.sample.num_steps",
}


def run(texts: Sequence[str], out: epath.Path | None, is_json: bool) -> None:
    """Prints a row for each set of samples and what differs, and draws them.

    Args:
      texts: each the folders of one set, as `sample_folders.gather` takes them.
      out: where to draw a picture of the sets; None: nowhere.
      is_json: whether to print rows for a program.

    Raises:
      ConfigError: a folder cannot be used, or the picture not be written.
    """
    sets = {text: sample_folders.gather(text, text) for text in texts}
    rows = [row(name, of_set) for name, of_set in sets.items()]
    print(json.dumps(rows, indent=2) if is_json else table(rows))
    if out is not None:
        files.write(out, encoding.png(picture(sets)))


def row(name: str, of_set: SampleSet) -> dict[str, Any]:
    """What is known of a set: its folders, the numbers of its samples and their identity."""
    return {
        "name": name,
        "folders": [str(folder.path) for folder in of_set.folders],
        "num_samples": len(of_set),
        "numbers": [list(numbers) for numbers in of_set.ranges],
        "identity": dict(of_set.identity),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows for a terminal, and a line for each field in which they differ."""
    lines = [["samples", "number", "from-to", *COLUMNS]]
    for one in rows:
        numbers = ",".join(f"{first}-{end - 1}" for first, end in one["numbers"])
        known = [str(one["identity"].get(field, UNKNOWN)) for field in COLUMNS.values()]
        lines.append([one["name"], str(one["num_samples"]), numbers, *known])
    identities = [flat(one["identity"]) for one in rows]
    text = [aligned(lines)]
    for field in dict.fromkeys(field for identity in identities for field in identity):
        values = [str(identity.get(field, "not said")) for identity in identities]
        if len(set(values)) > 1:
            text.append(f"- differs: {field}: {'; '.join(values)}")
    return "\n".join(text)


def picture(sets: dict[str, SampleSet]) -> Picture:
    """The first samples of one set alone, or of several in a row for each.

    Raises:
      ConfigError: they are not of one kind, images or points of as many coordinates.
    """
    first, *others = sets.values()
    drawing = samples.drawing(first.num_values)
    if not others:
        return drawing.grid(first.read(drawing.most_alone))
    if drawing.num_values:
        # Each has its own number of pixel values.
        drawing = samples.drawing(ALL_VALUES)
    kinds = {name: _kind(of_set) for name, of_set in sets.items()}
    if len(set(kinds.values())) > 1:
        said = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        raise ConfigError(f"no picture has room for all of these: {said}.")
    cells = {
        name: [_shown(of_set, drawing.most_beside)] for name, of_set in sets.items()
    }
    return drawing.comparison(cells, ["samples"])


def _kind(of_set: SampleSet) -> str:
    """What a set holds, in words."""
    if of_set.num_values:
        return "images"
    return f"points of {of_set.read(1).shape[-1]} coordinates"


def _shown(of_set: SampleSet, num: int) -> np.ndarray:
    """The first samples: images as 0..255, points as they are."""
    drawn = of_set.read(num)
    if not of_set.num_values:
        return drawn
    return encoding.to_uint8(drawn, of_set.num_values)
