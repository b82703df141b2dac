"""What samples are compared with: features of every training image, kept in a file.

`--mode=reference` makes it; an evaluation of samples that finds none makes it too. The file
says of which data and by which extractor it is, and is used for nothing else.
"""

import io
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import logging
from etils import epath
from jax.sharding import Mesh
from jaxtyping import Float
from ml_collections import ConfigDict as Config

from ddpm_jax.core import files, folders, sharding
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.data import passes
from ddpm_jax.data.source import Source
from ddpm_jax.evaluation.extractors.extractor import Extractor
from ddpm_jax.metrics import moments
from ddpm_jax.metrics.moments import Moments
from ddpm_jax.models import build

FOLDER = "reference"
# Examples whose features are kept, evenly spaced over all, for what compares examples.
MOST_KEPT = 10_000


class Reference(NamedTuple):
    """Features of every training image, as far as they are kept.

    Attributes:
      identity: data and extractor, for a report.
      moments: of all of them.
      features: of some, at most `MOST_KEPT`, evenly spaced.
    """

    identity: dict[str, Any]
    moments: Moments
    features: Float[np.ndarray, "examples features"]


def make(
    config: Config,
    directory: epath.Path,
    mesh: Mesh,
    source: Source,
    extractor: Extractor,
) -> tuple[epath.Path, Reference]:
    """Writes the file of this data, whether or not there is one.

    Args:
      config: of the run.
      directory: its workdir.
      mesh: the devices.
      source: the training images.
      extractor: of their features.

    Returns:
      The file, and what is in it.

    Raises:
      ConfigError: config.eval.quality.reference names a file that is no reference.
    """
    file = path_of(config, directory)
    if config.eval.quality.reference and file.exists() and _read(file) is None:
        raise ConfigError(
            f"config.eval.quality.reference = {str(file)!r} is there and is no reference:"
            " write another file."
        )
    return file, _made(config, file, mesh, source, extractor)


def of(
    config: Config, directory: epath.Path, mesh: Mesh, extractor: Extractor
) -> Reference:
    """The reference of this config's data, from its file if it is there.

    Raises:
      ConfigError: config.eval.quality.reference names a file of something else, or none.
    """
    source = build.source(config, config.data.train_split)
    wanted = _identity(source, extractor)
    file, named = path_of(config, directory), config.eval.quality.reference
    found = _read(file)
    changed = (
        _differences(wanted, found.identity) if found else ["no reference is there"]
    )
    # All processes make it or none does.
    if not sharding.agreed(int(bool(changed))):
        assert found is not None
        return found
    if named:
        raise ConfigError(
            f"config.eval.quality.reference = {named!r} cannot be used"
            f" ({'; '.join(changed)}): make it with --mode=reference, or leave it out."
        )
    return _made(config, file, mesh, source, extractor)


def path_of(config: Config, directory: epath.Path) -> epath.Path:
    """The file: config.eval.quality.reference, or one in the workdir."""
    c = config.eval.quality
    return epath.Path(c.reference or directory / FOLDER / f"{c.extractor}.npz")


def _identity(source: Source, extractor: Extractor) -> dict[str, Any]:
    whole = {"data": dict(source.identity), "extractor": dict(extractor.identity)}
    found: dict[str, Any] = json.loads(json.dumps(whole))
    return found


def _made(
    config: Config,
    file: epath.Path,
    mesh: Mesh,
    source: Source,
    extractor: Extractor,
) -> Reference:
    """The features of every image of the source, once they are written."""
    folders.make_folder(file.parent)
    logging.info("features of %d training images ...", len(source))
    kept: list[np.ndarray] = []
    places = {i * len(source) // MOST_KEPT for i in range(MOST_KEPT)}

    def batches() -> Iterator[np.ndarray]:
        size = config.eval.batch_size
        for batch, is_real in passes.each(mesh, source, size, "features"):
            own = extractor.look(batch["image"]).features[is_real]
            index = sharding.whole(mesh, batch["index"])[is_real]
            kept.append(own[[int(i) in places for i in index]])
            yield own

    of_all = moments.over(batches())
    found = Reference(_identity(source, extractor), of_all, np.concatenate(kept))
    _write(file, found)
    return found


def _write(file: epath.Path, reference: Reference) -> None:
    if jax.process_index() != 0:
        return
    buffer = io.BytesIO()
    np.savez(
        buffer,
        identity=np.array(json.dumps(reference.identity)),
        num=reference.moments.num,
        mean=reference.moments.mean,
        covariance=reference.moments.covariance,
        features=reference.features,
    )
    files.write(file, buffer.getvalue())


def _read(file: epath.Path) -> Reference | None:
    """What is there, if it is whole."""
    if not file.is_file():  # Of a pipe there would be no end.
        return None
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as a:
            found = Moments(int(a["num"]), a["mean"], a["covariance"])
            return Reference(json.loads(str(a["identity"])), found, a["features"])
    except Exception:  # Damage raises whatever it leads the decoder into.
        return None


def _differences(wanted: dict[str, Any], there: dict[str, Any]) -> list[str]:
    ours, theirs = flat(wanted), flat(there)
    return [
        f"{name} is {theirs.get(name)!r} there and {ours.get(name)!r} here"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]
