"""The drawing of a run's samples: images in grids, points in plots over their true density."""

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data.run_data import RunData
from ddpm_jax.data.source import Described, known_density
from ddpm_jax.pictures import samples
from ddpm_jax.pictures.points import Truth
from ddpm_jax.pictures.samples import Drawing

# True points that say how far a density reaches, and their seed.
NUM_POINTS, SEED = 2_000, 0


def of_source(source: Described) -> Drawing:
    """The drawing of samples of a model of this data."""
    density = known_density(source)
    if density is None:
        return samples.drawing(source.num_values)
    points = density.draw(NUM_POINTS, SEED)
    return samples.drawing(source.num_values, Truth(density.log_density, points))


def of_run(data: RunData, split: str) -> Drawing:
    """The drawing of samples of a run.

    Of points a split is opened for its density; of those that are no longer there, they are
    drawn without one.

    Args:
      data: the run's data.
      split: a split of them.
    """
    if data.num_values:
        return samples.drawing(data.num_values)
    try:
        return of_source(data.open_split(split))
    except ConfigError:
        return samples.drawing(data.num_values)
