"""The reference of samples: features of every training image, stored in a file.

`--mode=reference` makes it, and an evaluation of samples if there is none. The file records its
data and its extractor, and is used for no others.

Where the density that points were drawn from is known, the reference is that truth rather than
the training points: many fresh points of it, all of whose features are kept.
"""

import functools
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

from ddpm_jax.core import files, folders, outside, paths, sharding
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.data import identity as identity_lib
from ddpm_jax.data import passes, truth
from ddpm_jax.data.identity import Identity
from ddpm_jax.data.run_data import RunData
from ddpm_jax.data.source import Source
from ddpm_jax.evaluation.extractors.extractor import Extractor
from ddpm_jax.metrics import moments
from ddpm_jax.metrics.moments import Moments
from ddpm_jax.models import build

FOLDER = "reference"
# The number of examples, evenly spaced, whose features are kept for metrics of single examples.
MOST_KEPT = 10_000
# What config.data.accept_changes may pass over.
ACCEPTED = {"data.contents", "data.version", "data.num_examples"}


class Reference(NamedTuple):
    """The moments of all training images' features, and the features of some.

    Attributes:
      identity: identity of data and extractor, for a report.
      moments: moments of the features of all images.
      features: features of at most `MOST_KEPT` evenly spaced images, or of all true points.
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
    """Makes the reference anew and writes its file.

    Args:
      config: config of the run.
      directory: workdir of the run.
      mesh: the devices.
      source: the training images.
      extractor: extractor of their features.

    Returns:
      The file, and the reference in it.

    Raises:
      ConfigError: config.eval.quality.reference names a file that is no reference.
    """
    file = path_of(config, directory)
    if config.eval.quality.reference and file.exists() and _read(file) is None:
        raise ConfigError(
            f"config.eval.quality.reference = {str(file)!r} is there and is no reference:"
            " write another file."
        )
    return file, _make(config, file, mesh, truth.or_itself(source), extractor)


def of(
    config: Config,
    directory: epath.Path,
    mesh: Mesh,
    extractor: Extractor,
    data: RunData | None = None,
) -> Reference:
    """The reference of the config's data, from its file if it is there.

    Args:
      config: config of the run.
      directory: workdir of the run.
      mesh: the devices.
      extractor: extractor of the features.
      data: the run's data, which are opened only to make the reference; None: those that the
        config names.

    Raises:
      ConfigError: config.eval.quality.reference names no file, or one of other data.
    """
    split = config.data.train_split
    open_split = data.open_split if data else functools.partial(build.source, config)
    source = None
    if data is None or not data.num_values:
        source = truth.or_itself(open_split(split))
        expected = _identity(source.identity, extractor)
    else:
        expected = _identity(data.identity(split), extractor)
    file, named = path_of(config, directory), config.eval.quality.reference
    stored = _read(file)
    changed = _differences(expected, stored.identity) if stored else {}
    reasons = list(changed.values()) if stored else ["no reference is there"]
    if named and changed and config.data.accept_changes and changed.keys() <= ACCEPTED:
        logging.warning("accepted: %s: %s", file, "; ".join(reasons))
        reasons = []
    # All processes make it or none does.
    if not sharding.from_process_0(int(bool(reasons))):
        assert stored is not None
        if not identity_lib.is_certain(expected["data"], stored.identity["data"]):
            logging.warning(
                "%s does not say what the files of its images held: it is taken for one of"
                " the images that are there now",
                file,
            )
        return stored
    if named:
        raise ConfigError(
            f"config.eval.quality.reference = {named!r} cannot be used"
            f" ({'; '.join(reasons)}): make it with --mode=reference, or leave it out."
        )
    if source is None:
        source = open_split(split)
    return _make(config, file, mesh, source, extractor)


def path_of(config: Config, directory: epath.Path) -> epath.Path:
    """The path of the file: config.eval.quality.reference, or one in the workdir."""
    c = config.eval.quality
    if not c.reference:
        return directory / FOLDER / f"{c.extractor}.npz"
    field = f"config.eval.quality.reference = {c.reference!r}"
    return paths.expanded(c.reference, field)


def _identity(images: Identity, extractor: Extractor) -> dict[str, Any]:
    whole = {"data": dict(images), "extractor": dict(extractor.identity)}
    identity: dict[str, Any] = json.loads(json.dumps(whole))
    return identity


def _make(
    config: Config,
    file: epath.Path,
    mesh: Mesh,
    source: Source,
    extractor: Extractor,
) -> Reference:
    """Extracts the features of every image of the source, and writes the reference."""
    folders.make_folder(file.parent, "config.eval.quality.reference")
    logging.info("features of %d examples of the reference ...", len(source))
    kept: list[np.ndarray] = []
    num_kept = len(source) if isinstance(source, truth.TruePoints) else MOST_KEPT
    places = {i * len(source) // num_kept for i in range(num_kept)}

    def batches() -> Iterator[np.ndarray]:
        size = config.eval.batch_size
        for batch, is_real in passes.device_batches(mesh, source, size, "features"):
            features = extractor.extract(batch["image"]).features[is_real]
            index = sharding.gathered(mesh, batch["index"])[is_real]
            kept.append(features[[int(i) in places for i in index]])
            yield features

    moments_of_all = moments.from_batches(batches())
    made = Reference(
        _identity(source.identity, extractor), moments_of_all, np.concatenate(kept)
    )
    _write(file, made)
    return made


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
    """Reads the reference in a file; None if there is none, or it is damaged."""
    if not file.is_file():  # A pipe would have no end.
        return None
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as a:
            stored = Moments(int(a["num"]), a["mean"], a["covariance"])
            return Reference(json.loads(str(a["identity"])), stored, a["features"])
    except Exception as error:  # A damaged file can raise any exception.
        if outside.is_passing(error):
            raise
        return None


def _differences(expected: dict[str, Any], stored: dict[str, Any]) -> dict[str, str]:
    """What tells a stored reference from the expected one, in words, by field."""
    stored_data = stored.get("data")
    if not isinstance(stored_data, dict):
        return {"data": "it does not say of what data it is"}
    found = identity_lib.differences(expected["data"], stored_data)
    changed = {f"data.{field}": values for field, values in found.items()}
    ours = {name: value for name, value in expected.items() if name != "data"}
    theirs = {name: value for name, value in stored.items() if name != "data"}
    ours, theirs = flat(ours), flat(theirs)
    changed |= {
        name: (ours.get(name), theirs.get(name))
        for name in ours.keys() | theirs.keys()
        if ours.get(name) != theirs.get(name)
    }
    return {
        name: f"{name} is {there!r} there and {here!r} here"
        for name, (here, there) in sorted(changed.items())
    }
