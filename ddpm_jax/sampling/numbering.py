"""The samples that config.sample describes, by their numbers, and the seed of their draws.

Sample j is a function of (seed, j), so that jobs can share out a range of numbers: each draws
`num_samples` from its own `first` on.
"""

from ml_collections import ConfigDict as Config


def seed_of(config: Config) -> int:
    """The seed of samples: config.sample.seed, or the run's."""
    own: int = config.sample.seed
    return own if own >= 0 else int(config.seed)


def end_of(config: Config) -> int:
    """The number behind that of the last sample."""
    return int(config.sample.first + config.sample.num_samples)


def label(config: Config) -> str:
    """What a folder's name says of them; "" of the first ones by the run's seed."""
    seed, first = seed_of(config), config.sample.first
    of_seed = f"_seed_{seed}" if seed != config.seed else ""
    return of_seed + (f"_from_{first}" if first else "")
