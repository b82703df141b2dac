"""What `:smoke` makes of a config: the same code paths in a laptop's minute."""

import ml_collections

VARIANTS = ("full", "smoke")


def check_variant(variant: str, *others: str) -> None:
    """Fails on a variant that is neither one of every config's nor of `others`."""
    known = (*VARIANTS, *others)
    if variant not in known:
        names = [f":{name}" for name in known]
        listed = f"{', '.join(names[:-1])} or {names[-1]}"
        raise ValueError(f"unknown variant {variant!r}: write {listed}.")


def shrunk(c: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """A narrow network, 4 steps and few draws; data, schedule and objective stay."""
    c.data.batch_size = 8
    c.model.unet.update(
        base_features=8,
        blocks_per_level=1,
        num_groups=4,
        num_heads=1,
        head_features=0,
    )
    c.model.vdm_unet.update(base_features=8, num_layers=1, num_groups=4)
    c.model.mlp.update(features=16, num_blocks=1)
    c.model.classifier.update(base_features=8, blocks_per_level=1, num_groups=4)
    if c.schedule.num_steps:  # Continuous time stays so.
        c.schedule.num_steps = 20
    c.optimizer.warmup_steps = 2
    c.training.update(
        num_steps=4,
        log_every=1,
        eval_every=2,
        sample_every=4 if c.training.sample_every else 0,  # A classifier draws none.
        checkpoint_every=2,
        keep_every=0,
    )
    c.eval.update(num_draws=2, batch_size=8, num_examples=16)
    c.sample.update(num_steps=5, num_samples=8, batch_size=8)
    return c
