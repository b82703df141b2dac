"""The config of the runs that meet faults: `tests.tiny`, with every kind of output."""

from tests import tiny


def get_config(variant: str = ""):
    """Variants: "sorter", a classifier."""
    if variant == "sorter":
        return tiny.sorting(training__eval_every=2)
    return tiny.config(
        training__num_steps=6,
        training__log_every=2,
        training__eval_every=4,
        training__sample_every=4,
        sample__num_samples=8,
        sample__shard_size=3,
    )
