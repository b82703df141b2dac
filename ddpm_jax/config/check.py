"""Checks of a config, before anything is allocated.

Each message names the field, what it held, and what would work.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict as Config

from ddpm_jax.config.schema import default
from ddpm_jax.core.errors import ConfigError, flat, hint

# Beyond this log SNR float32 loses the gradient of one prediction or another.
LARGEST = 40.0
# What 32 bits hold.
LARGEST_INT = 2**31 - 1
# Beyond this exponent, sin(2^n pi z) of a float32 is noise.
LARGEST_EXPONENT = 20

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
    "model.vdm_unet.remat",
    "model.classifier.remat",
)

# What the items of a tuple may be.
TUPLES: Mapping[str, tuple[type, ...]] = {
    "ema.extra_decays": (float, int),
    "model.unet.feature_mults": (int,),
    "model.unet.attention_at": (int,),
    "model.unet.fourier_exponents": (int,),
    "model.classifier.feature_mults": (int,),
    "model.classifier.attention_at": (int,),
    "model.vdm_unet.fourier_exponents": (int,),
    "model.log_snr_bounds": (float, int),
    "sample.explicit.times": (float, int),
    "sample.contrast.num_steps": (int,),
    "sample.classes": (int,),
    "sample.classifier_free.interval": (float, int),
    "sample.classifier.interval": (float, int),
    "sample.autoguidance.interval": (float, int),
    "schedule.learned_monotone.min_bounds": (float, int),
    "schedule.learned_monotone.max_bounds": (float, int),
}

# What to write into those that are empty by default.
TUPLE_EXAMPLES: Mapping[str, tuple[float, ...]] = {
    "ema.extra_decays": (0.999,),
    "model.unet.fourier_exponents": (7, 8),
    "model.classifier.attention_at": (8,),
    "model.log_snr_bounds": (-5.0, 13.3),
    "sample.explicit.times": (999, 499, 0),
    "sample.classes": (3, 7),
    "sample.classifier_free.interval": (-2.0, 3.0),
    "sample.classifier.interval": (-2.0, 3.0),
    "sample.autoguidance.interval": (-2.0, 3.0),
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
                raise ConfigError(_unknown(field, known))


def fields(config: Config) -> None:
    """Every field is one of `default()`'s, and of its type.

    Raises:
      ConfigError: naming the first that is not.
    """
    known = flat(default())
    given = flat(config)
    for field, value in given.items():
        if field not in known:
            raise ConfigError(_unknown(field, known))
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
                f" {known[field] or TUPLE_EXAMPLES[field]!r}."
            )
    missing = sorted(known.keys() - given.keys())
    if missing:
        raise ConfigError(
            f"config.{missing[0]} is missing: start from ddpm_jax.config.default()."
        )


def _unknown(field: str, known: Mapping[str, Any]) -> str:
    """What is wrong with a field, and what there is in its group."""
    group, _, _ = field.rpartition(".")
    inside = [name for name in known if group and name.startswith(group + ".")]
    names = dict.fromkeys(name[len(group) + 1 :].split(".")[0] for name in inside)
    there = f" config.{group} takes {', '.join(names)}." if names else ""
    return f"unknown field config.{field}.{hint(field, known)}{there}"


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
            "model.vdm_unet.base_features",
            "model.vdm_unet.num_layers",
            "model.vdm_unet.num_heads",
            "model.classifier.base_features",
            "model.classifier.blocks_per_level",
            "model.classifier.num_heads",
            "schedule.learned_monotone.num_features",
            "schedule.learned_monotone.degree",
            "training.num_steps",
            "training.num_microbatches",
            "training.max_skipped",
            "training.keep_last",
            "eval.num_draws",
            "eval.ode.num_importance",
            "eval.ode.num_draws",
            "eval.ode.num_probes",
            "eval.ode.chunk",
            "eval.ode.max_steps",
            "eval.batch_size",
            "eval.quality.num_samples",
            "eval.quality.num_repeats",
            "sample.num_samples",
            "sample.batch_size",
            "sample.shard_size",
            "sample.ancestral.num_examples",
            "sample.inpainting.num_resamples",
            "sample.inpainting.jump_length",
            "sample.interpolation.num_iterations",
            "sample.film.num_images",
            "sample.contrast.num_images",
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
            "eval.pilot_examples",
            "sample.film.num_frames",
            "model.time_scale",
            "model.unet.head_features",
            "model.classifier.head_features",
            "model.unet.num_conditions",
            "model.vdm_unet.num_conditions",
            "schedule.num_steps",
        ),
        2: ("sample.num_steps", "sample.super_resolution.factor"),
        -1: (
            "eval.step",
            "sample.step",
            "sample.classifier.step",
            "sample.autoguidance.step",
        ),
    }
    for bound, names in at_least.items():
        for field in names:
            if not values[field] >= bound:
                raise ConfigError(
                    f"config.{field} = {values[field]}: write {bound} or more."
                )
            if values[field] > LARGEST_INT:
                raise ConfigError(
                    f"config.{field} = {values[field]}: write at most {LARGEST_INT}."
                )
    if values["schedule.num_steps"] == 1:
        raise ConfigError(
            "config.schedule.num_steps = 1: a chain needs 2 latents or more, so that it has"
            " a transition; write 0 for continuous time."
        )
    for field in ("model.unet.feature_mults", "model.classifier.feature_mults"):
        mults = values[field]
        if not mults or min(mults) < 1:
            raise ConfigError(
                f"config.{field} = {tuple(mults)}: write whole numbers from 1 on, one a"
                " resolution."
            )
    below_one = (
        "optimizer.b1",
        "optimizer.b2",
        "model.unet.dropout",
        "model.vdm_unet.dropout",
        "model.classifier.dropout",
    )
    for field in below_one:
        if not 0.0 <= values[field] < 1.0:
            raise ConfigError(
                f"config.{field} = {values[field]}: write a number in [0, 1)."
            )
    epsilons = (f"model.{n}.epsilon" for n in ("unet", "vdm_unet", "classifier"))
    for field in ("optimizer.eps", *epsilons):
        if not 0.0 < values[field] < 1.0:
            raise ConfigError(
                f"config.{field} = {values[field]}: write a small number above 0."
            )
    for field in ("optimizer.learning_rate", "optimizer.schedule_learning_rate"):
        if not 0 < values[field] < math.inf:
            raise ConfigError(
                f"config.{field} = {values[field]}: write a number above 0, such as 2e-4."
            )
    for field in ("model.unet.fourier_exponents", "model.vdm_unet.fourier_exponents"):
        if any(not 0 <= n <= LARGEST_EXPONENT for n in values[field]):
            raise ConfigError(
                f"config.{field} = {values[field]}: write whole numbers from 0 to"
                f" {LARGEST_EXPONENT}, such as (7, 8)."
            )
    if not 0.0 <= config.model.label_dropout <= 1.0:
        raise ConfigError(
            f"config.model.label_dropout = {config.model.label_dropout}: write a number in"
            " [0, 1], such as 0.1."
        )
    for decay in (config.ema.decay, *config.ema.extra_decays):
        if not 0.0 <= decay < 1.0:
            raise ConfigError(
                f"config.ema.decay = {decay}: write a number in [0, 1), such as 0.9999."
            )
    pieces = config.training.num_microbatches
    if config.data.batch_size % pieces:
        raise ConfigError(
            f"config.data.batch_size = {config.data.batch_size} does not divide into"
            f" config.training.num_microbatches = {pieces}:"
            f" {_next_multiple(config.data.batch_size, pieces)} would."
        )


def ends(config: Config) -> None:
    """The ends of a learned schedule lie between their bounds, and cannot cross.

    Raises:
      ConfigError: naming the first field that does not allow it.
    """
    group = "config.schedule.learned_monotone"
    c = config.schedule.learned_monotone
    for name, bounds in (("min", c.min_bounds), ("max", c.max_bounds)):
        start = c[f"log_snr_{name}"]
        if len(bounds) != 2 or not -LARGEST <= bounds[0] < bounds[1] <= LARGEST:
            raise ConfigError(
                f"{group}.{name}_bounds = {tuple(bounds)}: write two numbers, the lower"
                f" first, between {-LARGEST:g} and {LARGEST:g}."
            )
        if not -LARGEST <= start <= LARGEST:
            raise ConfigError(
                f"{group}.log_snr_{name} = {start}: write a number between {-LARGEST:g} and"
                f" {LARGEST:g}."
            )
        if c.learn_ends and not bounds[0] < start < bounds[1]:
            raise ConfigError(
                f"{group}.log_snr_{name} = {start} is not between"
                f" {group}.{name}_bounds = {tuple(bounds)}: move one of them."
            )
    if not c.log_snr_min < c.log_snr_max:
        raise ConfigError(
            f"{group}.log_snr_min = {c.log_snr_min} must be below"
            f" {group}.log_snr_max = {c.log_snr_max}: there is less signal at t = 1."
        )
    if not c.min_bounds[1] < c.max_bounds[0]:
        raise ConfigError(
            f"{group}.min_bounds = {tuple(c.min_bounds)} reach up to"
            f" {group}.max_bounds = {tuple(c.max_bounds)}, so that the ends could cross:"
            " leave a gap between them."
        )
    bounds = tuple(config.model.log_snr_bounds)
    is_range = len(bounds) == 2 and -LARGEST <= bounds[0] < bounds[1] <= LARGEST
    if bounds and not is_range:
        raise ConfigError(
            f"config.model.log_snr_bounds = {bounds}: write two numbers, the lower first,"
            f" between {-LARGEST:g} and {LARGEST:g}, or () for the schedule's own ends."
        )


def combinations(config: Config) -> None:
    """Fields that are right by themselves are right together.

    Raises:
      ConfigError: naming the first two that are not, and what would be.
    """
    learned = config.schedule.name == "learned_monotone"
    continuous = config.schedule.num_steps == 0
    has_interior = learned and config.schedule.learned_monotone.interior != "line"
    network = f"config.model.{config.model.name}"
    flag = config.data.augmentation_flag
    conditions = config.model[config.model.name].get("num_conditions", 0)
    sorts = config.model.name == "classifier"
    wrong = {
        f"config.loss.weighting = {config.loss.weighting!r} says nothing of a schedule's"
        " worth, so that config.schedule.name = 'learned_monotone' cannot learn by it:"
        " write 'elbo'.": learned and config.loss.weighting != "elbo",
        f"config.decoder.mean = {config.decoder.mean!r} is one of a chain's times; in"
        " continuous time (config.schedule.num_steps = 0) write 'z_0'.": continuous
        and config.decoder.mean != "z_0",
        "config.reverse_variance = 'learned' has nothing to learn in continuous time"
        " (config.schedule.num_steps = 0): write 'posterior' or 'forward'.": continuous
        and config.reverse_variance == "learned",
        "config.model.time_input = 't' would let the bound depend on the interior of the"
        " learned schedule, whose variance is to be least (config.loss.interior ="
        " 'variance'): write 'log_snr'.": has_interior
        and continuous
        and config.loss.interior == "variance"
        and config.model.time_input == "t",
        f"{network}.num_conditions = {conditions}: write 0 or 1.": conditions > 1,
        f"config.data.augmentation_flag = True needs {network}.num_conditions = 1.": flag
        and conditions != 1,
        "config.model.class_conditional = True would tell a classifier the answer: write"
        " False.": sorts and config.model.class_conditional,
        "config.schedule.name = 'learned_monotone' cannot learn of a classifier: write the"
        " name of a fixed one.": sorts and learned,
        f"config.training.sample_every = {config.training.sample_every}: a classifier draws"
        " nothing: write 0.": sorts and config.training.sample_every > 0,
        "config.data.augmentation_flag = True has nothing to tell: set config.data.flip or"
        " config.data.rotate.": flag and not (config.data.flip or config.data.rotate),
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(message)


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
    # What an earlier version did not have, it did as the default does.
    theirs = flat(default()) | dict(theirs)
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
