"""Sets of samples side by side: what they depend on, in a table, and a picture of each."""

import json
from collections.abc import Sequence
from typing import Any

from etils import epath

from ddpm_jax.core import files
from ddpm_jax.core.errors import flat
from ddpm_jax.evaluation.results.table import UNKNOWN, aligned
from ddpm_jax.pictures import encoding, grids
from ddpm_jax.sampling import sample_folders
from ddpm_jax.sampling.sample_folders import SampleSet

# Samples of each set in a picture: of one set alone, and of several.
NUM_ALONE, NUM_BESIDE = 64, 16
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
    rows = [row(name, samples) for name, samples in sets.items()]
    print(json.dumps(rows, indent=2) if is_json else table(rows))
    if out is not None:
        files.write(out, encoding.png(picture(sets)))


def row(name: str, samples: SampleSet) -> dict[str, Any]:
    """What is known of a set: its folders, the numbers of its samples and their identity."""
    return {
        "name": name,
        "folders": [str(folder.path) for folder in samples.folders],
        "num_samples": len(samples),
        "numbers": [list(numbers) for numbers in samples.ranges],
        "identity": dict(samples.identity),
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


def picture(sets: dict[str, SampleSet]) -> grids.Sheet:
    """The first samples of one set in a square, or of several in a row for each."""
    if len(sets) == 1:
        (samples,) = sets.values()
        shown = samples.read(NUM_ALONE)
        return grids.grid(encoding.to_uint8(shown, samples.num_values))
    cells = {
        name: [encoding.to_uint8(samples.read(NUM_BESIDE), samples.num_values)]
        for name, samples in sets.items()
    }
    return grids.comparison(cells, ["samples"])
