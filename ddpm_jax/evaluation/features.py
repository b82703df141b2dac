"""The feature extractor that config.eval.quality.extractor names."""

from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import chosen, made, read
from ddpm_jax.core.errors import as_config_errors
from ddpm_jax.data.source import Described
from ddpm_jax.evaluation.extractors.extractor import Extractor, Load
from ddpm_jax.evaluation.extractors.table import EXTRACTORS
from ddpm_jax.evaluation.options import QualityOptions
from ddpm_jax.models.restored import OtherRuns

GROUP = "eval.quality"


def check(config: Config) -> None:
    """Raises ConfigError where the extractor has no weights."""
    _load(config)


@as_config_errors()
def make(config: Config, mesh: Mesh, source: Described, others: OtherRuns) -> Extractor:
    """The extractor that the config names, for images like those of `source`.

    Args:
      config: config of the run.
      mesh: the devices.
      source: the data set of the images.
      others: how a classifier is read.

    Raises:
      ConfigError: its weights cannot be read, or are of other data.
    """
    return _load(config)(config, mesh, source, others)


def _load(config: Config) -> Load:
    quality = config.eval.quality
    choice, own = chosen(EXTRACTORS, quality, "extractor", GROUP)
    where = f"config.{GROUP}"
    load: Load = made(choice, own, where, read(QualityOptions, quality, where))
    return load
