"""The config: every field with its default, and the checks before anything is allocated.

A config file starts from `default()` and states the difference. What belongs to one choice
stands in a group of that choice's name (`schedule.cosine` for `schedule.name = "cosine"`),
so that any choice can be made by an override. Each message of a check names the field, what
it held, and what would work.
"""

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import ml_collections

T = TypeVar("T")
Config = ml_collections.ConfigDict


class ConfigError(ValueError):
    """A config, flag or workdir that cannot work. Its text is one line for the user."""


def default() -> Config:
    """Every field there is. A config without data.name and model sizes is not complete."""
    c = Config()
    c.seed = 0
    c.prediction = "eps"  # Of the network: eps, x, v, score or mean.
    c.reverse_variance = "forward"  # Of p(z_s | z_t): posterior, forward or learned.

    c.data = dict(
        name="digits",  # digits, photos, tfds:<name> or folder:<path>.
        batch_size=128,  # Global.
        image_size=0,  # Resize to this height and width; 0: as stored.
        center_crop=0,  # Before the resize, to this height and width; 0: none.
        channels=0,  # 1 or 3; 0: as stored, or 3 for a folder.
        stride=8,  # Between patches of "photos".
        data_dir="",  # Where TFDS keeps its data sets; "": its own default.
        train_split="train",
        eval_split="test",
        flip=False,  # Horizontally, half of the times an example is seen.
        skip_broken=False,  # Image files of a folder that cannot be read.
        num_threads=16,
        num_prefetch=16,  # Batches.
    )

    c.schedule = dict(
        name="linear_beta",
        num_steps=1000,  # T, the number of latents.
        linear_beta=dict(beta_start=1e-4, beta_end=0.02, rescale=False),
        quadratic_beta=dict(beta_start=1e-4, beta_end=0.02),
        cosine_beta=dict(offset=0.008, max_beta=0.999),
        sigmoid_beta=dict(beta_start=1e-4, beta_end=0.02, sharpness=6.0),
        constant_beta=dict(beta=0.01),
        cosine=dict(log_snr_min=-10.0, log_snr_max=10.0),
        linear_log_snr=dict(log_snr_min=-10.0, log_snr_max=10.0),
    )

    c.model = dict(
        name="unet",
        time_scale=0.0,  # The network sees times 0..time_scale; 0: 0..T-1.
        unet=dict(
            base_features=128,
            feature_mults=(1, 2, 2, 2),  # One a resolution, from the image's down.
            blocks_per_level=2,
            attention_at=(16,),  # Heights of the images to attend over.
            dropout=0.1,
            num_heads=1,
            head_features=0,  # Channels of a head, in place of num_heads; 0: num_heads.
            scale_shift=False,  # The time scales and shifts, rather than being added.
            resample_blocks=False,  # Residual blocks change the resolution.
            num_groups=32,  # Of the group norms.
            epsilon=1e-6,
            dtype="float32",  # Of the activations: float32 or bfloat16.
            remat=False,  # Compute each block again in the backward pass.
        ),
    )

    c.loss = dict(
        weighting="simple",
        time_sampling="stratified",  # uniform, stratified or importance.
        variance_weight=0.001,  # Of the bound, where the reverse variance is learned.
        min_snr=dict(gamma=5.0),
        p2=dict(k=1.0, gamma=1.0),
        sigmoid=dict(bias=2.0),
        edm=dict(sigma_data=0.5, log_sigma_mean=-1.2, log_sigma_std=1.2),
    )

    c.optimizer = dict(
        name="adam",
        learning_rate=2e-4,
        warmup_steps=5_000,
        decay="constant",  # constant, cosine or rsqrt.
        decay_steps=800_000,
        final_fraction=0.0,  # What cosine leaves of the rate.
        b1=0.9,
        b2=0.999,
        eps=1e-8,
        weight_decay=0.0,
        clip_norm=1.0,  # 0: none.
    )
    # decay: of the average that evaluation and sampling use by default.
    c.ema = dict(decay=0.9999, warmup=False, extra_decays=())

    c.training = dict(
        num_steps=800_000,
        num_microbatches=1,
        max_skipped=10,  # Non-finite steps in a row before the run gives up.
        log_every=100,  # Steps, like all that follow; 0: never, but for the last step.
        eval_every=10_000,
        sample_every=10_000,
        checkpoint_every=5_000,
        keep_last=3,  # Checkpoints.
        keep_every=0,  # Steps whose checkpoints are never removed; 0: none.
    )
    c.parallel = dict(mode="jit", fsdp=1)

    c.eval = dict(
        estimator="stratified",  # Of the sum over T: stratified or full.
        num_draws=16,  # Stratified: evaluations an image; full: draws of each time.
        batch_size=256,  # Global.
        num_examples=0,  # The first so many of the split; 0: all.
        weights="ema",  # ema, raw, or ema:<one of extra_decays>.
        clip=True,  # x_hat to the range of the data: another model, another bound.
        step=-1,  # Checkpoint to evaluate; -1: the newest.
    )
    c.sample = dict(
        sampler="ancestral",  # ancestral or ddim.
        num_steps=1000,  # Network evaluations a sample, at most T.
        spacing="uniform",  # Of the times: uniform or quadratic.
        num_samples=64,
        batch_size=64,  # Global.
        weights="ema",
        clip=True,
        step=-1,
        ddim=dict(eta=0.0),
    )
    return c


# Fields that a run may change between two starts: its numbers do not depend on them.
HARMLESS = (
    "data.data_dir",
    "data.num_threads",
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


def choose(table: Mapping[str, T], name: str, field: str) -> T:
    """table[name], or an error that says what could have been written."""
    if name in table:
        return table[name]
    where = field if field.startswith("--") else f"config.{field}"
    raise ConfigError(
        f"{where} = {name!r} is not one of {sorted(table)}.{_hint(name, table)}"
    )


@contextlib.contextmanager
def errors_are_the_users() -> Iterator[None]:
    """Around what is built from a config: a ValueError there is a ConfigError."""
    try:
        yield
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error


def check_overrides(argv: Sequence[str]) -> None:
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
                raise ConfigError(f"unknown field config.{field}.{_hint(field, known)}")


def check_fields(config: Config) -> None:
    """Every field is one of `default()`'s, and of its type.

    Raises:
      ConfigError: naming the first that is not.
    """
    known = flat(default())
    given = flat(config)
    for field, value in given.items():
        if field not in known:
            raise ConfigError(f"unknown field config.{field}.{_hint(field, known)}")
        wanted = known[field]
        is_number = isinstance(wanted, float) and type(value) is int
        if type(value) is not type(wanted) and not is_number:
            raise ConfigError(
                f"config.{field} = {value!r} is of type {type(value).__name__}:"
                f" write a {type(wanted).__name__}, such as {wanted!r}."
            )
    missing = sorted(known.keys() - given.keys())
    if missing:
        raise ConfigError(
            f"config.{missing[0]} is missing: start from ddpm_jax.config.default()."
        )


def check_range(config: Config) -> None:
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
        ),
        2: ("schedule.num_steps", "sample.num_steps"),
    }
    for bound, fields in at_least.items():
        for field in fields:
            if not values[field] >= bound:
                raise ConfigError(
                    f"config.{field} = {values[field]}: write {bound} or more."
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


def check_devices(config: Config, num_devices: int) -> None:
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


def flat(config: Config | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a.b": value} of nested groups; lists as tuples."""
    out: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping | Config):
            out |= flat(value, f"{prefix}{name}.")
        else:
            out[prefix + name] = tuple(value) if isinstance(value, list) else value
    return out


def _is_harmless(field: str) -> bool:
    return any(field == h or field.startswith(h + ".") for h in HARMLESS)


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _next_multiple(value: int, of: int) -> int:
    return -(-value // of) * of
