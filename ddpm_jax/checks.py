"""Checks of a config, before anything is allocated.

Each message names the field, what it held, and what would work.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ddpm_jax.config import Config, ConfigError, default, flat, hint

# Fields that a run may change between two starts: its numbers do not depend on them.
HARMLESS = (
    "data.data_dir",
    "data.num_threads",
    "data.num_workers",
    "data.num_prefetch",
    "training.num_steps",
    "training.max_skipped",
    "training.log_every",
    "training.eval_every",
    "training.sample_every",
    "training.checkpoint_every",
    "training.keep_last",
    "training.keep_every",
    "parallel",
    "eval",
    "sample",
    "model.unet.remat",
)

# What the items of a tuple may be.
TUPLES: Mapping[str, tuple[type, ...]] = {
    "ema.extra_decays": (float, int),
    "model.unet.feature_mults": (int,),
    "model.unet.attention_at": (int,),
}


def overrides(argv: Sequence[str]) -> None:
    """Every --config.FIELD of a command line is a field, or a group of fields.

    Raises:
      ConfigError: naming the first that is not.
    """
    known = flat(default())
    for argument in argv:
        if argument.startswith(("--config.", "-config.")):
            field = argument.split("=")[0].split("config.", 1)[1]
            is_group = any(name.startswith(field + ".") for name in known)
            if field not in known and not is_group:
                raise ConfigError(f"unknown field config.{field}.{hint(field, known)}")


def fields(config: Config) -> None:
    """Every field is one of `default()`'s, and of its type.

    Raises:
      ConfigError: naming the first that is not.
    """
    known = flat(default())
    given = flat(config)
    for field, value in given.items():
        if field not in known:
            raise ConfigError(f"unknown field config.{field}.{hint(field, known)}")
        wanted = known[field]
        is_number = isinstance(wanted, float) and type(value) is int
        if type(value) is not type(wanted) and not is_number:
            raise ConfigError(
                f"config.{field} = {value!r} is of type {type(value).__name__}:"
                f" write a {type(wanted).__name__}, such as {wanted!r}."
            )
    for field, kind in TUPLES.items():
        if not all(type(item) in kind for item in given.get(field, ())):
            raise ConfigError(
                f"config.{field} = {given[field]!r}: write a tuple of numbers, such as"
                f" {known[field] or (0.999,)!r}."
            )
    missing = sorted(known.keys() - given.keys())
    if missing:
        raise ConfigError(
            f"config.{missing[0]} is missing: start from ddpm_jax.config.default()."
        )


def ranges(config: Config) -> None:
    """Every number is one that can work.

    Raises:
      ConfigError: naming the first that is not.
    """
    values = flat(config)
    at_least = {
        1: (
            "data.batch_size",
            "data.num_threads",
            "data.num_prefetch",
            "data.stride",
            "optimizer.decay_steps",
            "model.unet.base_features",
            "model.unet.blocks_per_level",
            "model.unet.num_heads",
            "training.num_steps",
            "training.num_microbatches",
            "training.max_skipped",
            "training.keep_last",
            "eval.num_draws",
            "eval.batch_size",
            "sample.num_samples",
            "sample.batch_size",
            "parallel.fsdp",
        ),
        0: (
            "data.image_size",
            "data.num_workers",
            "data.center_crop",
            "loss.variance_weight",
            "optimizer.warmup_steps",
            "optimizer.weight_decay",
            "optimizer.clip_norm",
            "optimizer.final_fraction",
            "training.log_every",
            "training.eval_every",
            "training.sample_every",
            "training.checkpoint_every",
            "training.keep_every",
            "eval.num_examples",
            "model.time_scale",
            "model.unet.head_features",
        ),
        2: ("schedule.num_steps", "sample.num_steps"),
        -1: ("eval.step", "sample.step"),
    }
    for bound, names in at_least.items():
        for field in names:
            if not values[field] >= bound:
                raise ConfigError(
                    f"config.{field} = {values[field]}: write {bound} or more."
                )
    below_one = ("optimizer.b1", "optimizer.b2", "model.unet.dropout")
    for field in below_one:
        if not 0.0 <= values[field] < 1.0:
            raise ConfigError(
                f"config.{field} = {values[field]}: write a number in [0, 1)."
            )
    for field in ("optimizer.eps", "model.unet.epsilon"):
        if not 0.0 < values[field] < 1.0:
            raise ConfigError(
                f"config.{field} = {values[field]}: write a small number above 0."
            )
    if not values["optimizer.learning_rate"] > 0:
        raise ConfigError(
            f"config.optimizer.learning_rate = {values['optimizer.learning_rate']}:"
            " write a number above 0, such as 2e-4."
        )
    for decay in (config.ema.decay, *config.ema.extra_decays):
        if not 0.0 <= decay < 1.0:
            raise ConfigError(
                f"config.ema.decay = {decay}: write a number in [0, 1), such as 0.9999."
            )
    if values["sample.num_steps"] > values["schedule.num_steps"]:
        raise ConfigError(
            f"config.sample.num_steps = {values['sample.num_steps']} is more than"
            f" config.schedule.num_steps = {values['schedule.num_steps']}: write at most"
            " that."
        )
    pieces = config.training.num_microbatches
    if config.data.batch_size % pieces:
        raise ConfigError(
            f"config.data.batch_size = {config.data.batch_size} does not divide into"
            f" config.training.num_microbatches = {pieces}:"
            f" {_next_multiple(config.data.batch_size, pieces)} would."
        )


def devices(config: Config, num_devices: int) -> None:
    """Every batch divides over the devices, and its pieces too.

    Raises:
      ConfigError: naming the field and the next size that does.
    """
    pieces = num_devices * config.training.num_microbatches
    for field, size, parts in (
        ("data.batch_size", config.data.batch_size, pieces),
        ("eval.batch_size", config.eval.batch_size, num_devices),
        ("sample.batch_size", config.sample.batch_size, num_devices),
    ):
        if size % parts:
            split = f"{num_devices} devices"
            if parts != num_devices:
                split += f" in {config.training.num_microbatches} microbatches"
            raise ConfigError(
                f"config.{field} = {size} does not divide over {split}."
                f" The next that does is {_next_multiple(size, parts)}."
            )


def differences(ours: Config, theirs: Mapping[str, Any]) -> list[str]:
    """Fields in which two configs differ, those of `HARMLESS` left out.

    Args:
      ours: a config.
      theirs: another, flat, as `flat` gives it.

    Returns:
      One text a field: "field (now NEW, then OLD)".
    """
    flat_ours = flat(ours)
    changed = []
    for field in sorted(flat_ours.keys() | theirs.keys()):
        now, then = flat_ours.get(field, "absent"), theirs.get(field, "absent")
        is_same = now == (tuple(then) if isinstance(then, list) else then)
        if not is_same and not _is_harmless(field):
            changed.append(f"config.{field} (now {now!r}, then {then!r})")
    return changed


def _is_harmless(field: str) -> bool:
    return any(field == h or field.startswith(h + ".") for h in HARMLESS)


def _next_multiple(value: int, of: int) -> int:
    return -(-value // of) * of
