"""From a config to the parts it names: the only place where a name becomes a thing."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

import flax.linen as nn
import jax
import optax
from jax.sharding import Mesh

from ddpm_jax import checks, estimators, objective, sample_checks
from ddpm_jax.binding import Backbone, ClassifierModel, Model, TimeInput
from ddpm_jax.config import Config, ConfigError, choose, errors_are_the_users, flat
from ddpm_jax.data import sources
from ddpm_jax.diffusion import (
    categorical,
    dequantization,
    flow,
    pixels,
    predictions,
    schedules,
)
from ddpm_jax.diffusion import weightings as weightings_lib
from ddpm_jax.diffusion.divergence import ProbeKind
from ddpm_jax.diffusion.times import CONTINUOUS
from ddpm_jax.nets import classifier, monotone, unet, vdm_unet
from ddpm_jax.training import optimizer, parallel, state, step
from ddpm_jax.training.randomness import Stream, stream_key
from ddpm_jax.training.state import Params, TrainState

Bound = TypeVar("Bound", bound=Backbone)
# Name -> (a table of num_steps betas?, factory).
SCHEDULES: dict[str, tuple[bool, Callable[..., schedules.Schedule]]] = {
    "linear_beta": (True, schedules.linear_beta),
    "quadratic_beta": (True, schedules.quadratic_beta),
    "cosine_beta": (True, schedules.cosine_beta),
    "sigmoid_beta": (True, schedules.sigmoid_beta),
    "constant_beta": (True, schedules.constant_beta),
    "cosine": (False, schedules.cosine),
    "linear_log_snr": (False, schedules.linear_log_snr),
}
LEARNED = "learned_monotone"
# Of a learned schedule, between its ends; each from the options of its group.
INTERIORS: dict[str, Callable[[Config], nn.Module]] = {
    "line": lambda options: monotone.Line(),
    "network": lambda options: monotone.PositiveNetwork(options.num_features),
    "polynomial": lambda options: monotone.Polynomial(options.degree),
}
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "unet": unet.UNet,
    "vdm_unet": vdm_unet.VDMUNet,
}
CLASSIFIER = "classifier"
CODECS: dict[str, Callable[..., pixels.Codec]] = {
    "discretized_gaussian": pixels.DiscretizedGaussian,
    "categorical": categorical.Categorical,
}
# Where the log of the reverse variance lies between the posterior's and the forward's.
VARIANCE_FRACTIONS: dict[str, float | None] = {
    "posterior": 0.0,
    "forward": 1.0,
    "learned": None,
}


def check(config: Config) -> None:
    """All that can be said against a config before anything is built.

    Raises:
      ConfigError: the first such thing, in one line.
    """
    checks.fields(config)
    tables: dict[str, Mapping[str, Any]] = {
        "prediction": predictions.KINDS,
        "reverse_variance": VARIANCE_FRACTIONS,
        "schedule.name": {**SCHEDULES, LEARNED: None},
        f"schedule.{LEARNED}.interior": INTERIORS,
        "decoder.name": CODECS,
        "decoder.mean": dict.fromkeys(get_args(pixels.MeanFrom)),
        "model.name": {**NETWORKS, CLASSIFIER: None},
        "model.time_input": dict.fromkeys(get_args(TimeInput)),
        "loss.weighting": {**weightings_lib.WEIGHTINGS, objective.ELBO: None},
        "loss.time_sampling": dict.fromkeys(objective.TIME_SAMPLING),
        "loss.interior": dict.fromkeys(objective.INTERIOR),
        "optimizer.name": optimizer.OPTIMIZERS,
        "optimizer.decay": optimizer.DECAYS,
        "parallel.mode": parallel.MODES,
        "eval.ode.dequantization": dequantization.KINDS,
        "eval.ode.divergence": estimators.DIVERGENCES,
        "eval.ode.probe": dict.fromkeys(get_args(ProbeKind)),
        "eval.ode.solver": flow.SOLVERS,
        **{
            f"model.{network}.dtype": dict.fromkeys(("float32", "bfloat16"))
            for network in (*NETWORKS, CLASSIFIER)
        },
    }
    for field, table in tables.items():
        choose(table, flat(config)[field], field)
    checks.ranges(config)
    checks.ends(config)
    checks.combinations(config)
    if config.schedule.num_steps == CONTINUOUS and is_table(config):
        raise ConfigError(
            f"config.schedule.name = {config.schedule.name!r} is a table of T betas, which"
            " continuous time (config.schedule.num_steps = 0) has not: write one of"
            f" {sorted({LEARNED, *(n for n, (t, _) in SCHEDULES.items() if not t)})}."
        )
    estimators.check(config)
    sample_checks.check(config)
    for group in ("eval", "sample"):
        field = f"{group}.weights"
        choose(dict.fromkeys(weight_names(config)), config[group].weights, field)


def is_table(config: Config) -> bool:
    """Whether the schedule is one of betas."""
    return config.schedule.name != LEARNED and SCHEDULES[config.schedule.name][0]


@errors_are_the_users()
def mesh(config: Config) -> Mesh:
    """All devices, in the groups of config.parallel.fsdp."""
    return parallel.make_mesh(config.parallel.fsdp)


@errors_are_the_users()
def source(config: Config, split: str) -> sources.Source:
    """The data set that config.data names, one split of it."""
    data = config.data
    return sources.make(
        data.name,
        split,
        image_size=data.image_size or None,
        center_crop=data.center_crop or None,
        channels=data.channels or None,
        stride=data.stride,
        data_dir=data.data_dir or None,
        skip_broken=data.skip_broken,
    )


def schedule(config: Config) -> schedules.Schedule | nn.Module:
    """t <-> log SNR, or the module that learns it, by config.schedule."""
    name = config.schedule.name
    options = config.schedule[name]
    if name == LEARNED:
        make_interior = choose(INTERIORS, options.interior, f"schedule.{name}.interior")
        return monotone.Monotone(
            interior=make_interior(options),
            first=options.log_snr_max,
            last=options.log_snr_min,
            first_bounds=tuple(options.max_bounds),
            last_bounds=tuple(options.min_bounds),
            learn_ends=options.learn_ends,
        )
    has_table, make_schedule = choose(SCHEDULES, name, "schedule.name")
    steps = {"num_steps": config.schedule.num_steps} if has_table else {}
    return make_schedule(**dict(options), **steps)


def network(config: Config, data: sources.Source) -> nn.Module:
    """The network for images like those of `data`, by config.model."""
    name = config.model.name
    num_channels = data.shape[-1]
    has_head = config.reverse_variance == "learned"
    told = {}
    if config.model.class_conditional:
        dropout = config.model.label_dropout
        told = {"num_classes": data.num_classes, "label_dropout": dropout}
    return choose(NETWORKS, name, "model.name")(
        out_channels=2 * num_channels if has_head else num_channels,
        **told,
        **dict(config.model[name]),
    )


def is_classifier(config: Config) -> bool:
    """Whether the config's model sorts images, rather than draws them."""
    return bool(config.model.name == CLASSIFIER)


@errors_are_the_users()
def model(config: Config, data: sources.Source) -> Model:
    """The denoiser for images like those of `data`."""
    if is_classifier(config):
        raise ConfigError(
            "config.model.name = 'classifier' draws no images and knows no likelihood: write"
            " the config of a denoiser."
        )
    conditional = config.model.class_conditional
    built = Model(
        network=network(config, data),
        num_classes=_num_classes(config, data, "class_conditional = True")
        if conditional
        else 0,
        kind=choose(predictions.KINDS, config.prediction, "prediction"),
        variance_fraction=choose(
            VARIANCE_FRACTIONS, config.reverse_variance, "reverse_variance"
        ),
        **_on_a_schedule(config, data),
    )
    return _checked(config, data, built)


@errors_are_the_users()
def classifier_model(config: Config, data: sources.Source) -> ClassifierModel:
    """The classifier of images like those of `data`, whatever their noise."""
    num_classes = _num_classes(config, data, f"name = {CLASSIFIER!r}")
    options = dict(config.model[CLASSIFIER])
    built = ClassifierModel(
        network=classifier.Classifier(num_outputs=num_classes, **options),
        num_classes=num_classes,
        **_on_a_schedule(config, data),
    )
    return _checked(config, data, built)


def backbone(config: Config, data: sources.Source) -> Model | ClassifierModel:
    """Whichever of both config.model.name says."""
    return (classifier_model if is_classifier(config) else model)(config, data)


def _num_classes(config: Config, data: sources.Source, what: str) -> int:
    if not data.num_classes:
        raise ConfigError(
            f"config.model.{what} needs classes, which config.data.name = {data.name!r} has"
            " not."
        )
    return data.num_classes


def _on_a_schedule(config: Config, data: sources.Source) -> dict[str, Any]:
    """What a network of either kind stands on."""
    height, width, _ = data.shape
    if config.data.rotate and height != width:
        raise ConfigError(
            f"config.data.rotate = True would make {width}x{height} images of {height}x"
            f"{width} ones: write False, or a config.data.image_size."
        )
    num_steps = config.schedule.num_steps
    make_codec = choose(CODECS, config.decoder.name, "decoder.name")
    by_index = config.model.time_input == "t" and num_steps != CONTINUOUS
    return dict(
        schedule=schedule(config),
        codec=make_codec(num_values=data.num_values, mean_from=config.decoder.mean),
        num_steps=num_steps,
        time_input=config.model.time_input,
        log_snr_bounds=tuple(config.model.log_snr_bounds) or None,
        time_scale=config.model.time_scale or (num_steps - 1.0 if by_index else 1000.0),
        shape=data.shape,
    )


def _checked(config: Config, data: sources.Source, built: Bound) -> Bound:
    """The same, once it is known that its network fits the images."""
    height, width, _ = data.shape
    try:
        jax.eval_shape(built.init, stream_key(config.seed, Stream.INIT))
    except ValueError as error:
        raise ConfigError(
            f"config.model.{config.model.name} does not fit the {height}x{width} images"
            f" of config.data.name = {data.name!r}: {error}"
        ) from error
    return built


def optimizer_of(
    config: Config,
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """The optimiser and, for the log, its learning rate by updates done."""
    c = config.optimizer
    rate = optimizer.learning_rate_schedule(
        c.learning_rate,
        warmup_steps=c.warmup_steps,
        decay=c.decay,
        decay_steps=c.decay_steps,
        final_fraction=c.final_fraction,
    )
    rule = optimizer.make_optimizer(
        c.name,
        rate,
        schedule_rate=c.schedule_learning_rate / c.learning_rate,
        b1=c.b1,
        b2=c.b2,
        eps=c.eps,
        weight_decay=c.weight_decay,
        clip_norm=c.clip_norm,
    )
    return rule, rate


def ema_decays(config: Config) -> Mapping[str, float]:
    """Each average of the parameters, by its decay as text."""
    return {str(d): d for d in (config.ema.decay, *config.ema.extra_decays)}


def weight_names(config: Config) -> list[str]:
    """What eval.weights and sample.weights may say."""
    return ["raw", "ema", *(f"ema:{name}" for name in ema_decays(config))]


def weights(config: Config, state: TrainState, name: str) -> Params:
    """The parameters that one of `weight_names` means."""
    if name == "raw":
        return state.params
    decay = name.removeprefix("ema:") if ":" in name else str(config.ema.decay)
    return state.ema_params[decay]


@errors_are_the_users()
def training(
    config: Config, mesh: Mesh, model: Model | ClassifierModel
) -> parallel.Training:
    """The first state, and the step that advances it, on the devices of `mesh`."""
    rule, rate = optimizer_of(config)
    sampler = objective.time_sampler(config, model)

    def init() -> TrainState:
        return state.create(
            model.init(stream_key(config.seed, Stream.INIT)),
            rule,
            tuple(ema_decays(config)),
            sampler.init(),
        )

    mode = config.parallel.mode
    train_step = step.make_train_step(
        objective.loss(config, model),
        rule,
        rate,
        step.StepSettings(
            seed=config.seed,
            batch_size=config.data.batch_size,
            time_sampler=sampler,
            is_stratified=objective.is_stratified(config),
            log_snr=model.log_snr,
            num_microbatches=config.training.num_microbatches,
            ema_decays=ema_decays(config),
            ema_warmup=config.ema.warmup,
            log_every=config.training.log_every,
        ),
        axis_name=parallel.PMAP_AXIS if mode == "pmap" else None,
    )
    return choose(parallel.MODES, mode, "parallel.mode")(
        mesh, init, train_step, remat=config.model[config.model.name].remat
    )
