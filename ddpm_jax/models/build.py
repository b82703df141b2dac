"""From a config to the parts it names: the only place where a name becomes a thing."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import flax.linen as nn
import jax
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.core import sharding
from ddpm_jax.core.errors import ConfigError, choose, errors_are_the_users
from ddpm_jax.core.randomness import Stream, stream_key
from ddpm_jax.data import table
from ddpm_jax.data.source import Source
from ddpm_jax.diffusion.process import (
    categorical,
    discretized_gaussian,
    pixel_decoder,
    predictions,
    schedules,
)
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.models import objective
from ddpm_jax.models.backbone import Backbone
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.nets import classifier, monotone, unet, vdm_unet
from ddpm_jax.training import optimizer, parallel, state, step
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
PIXEL_DECODERS: dict[str, Callable[..., pixel_decoder.PixelDecoder]] = {
    "discretized_gaussian": discretized_gaussian.DiscretizedGaussian,
    "categorical": categorical.Categorical,
}
# Where the log of the reverse variance lies between the posterior's and the forward's.
VARIANCE_FRACTIONS: dict[str, float | None] = {
    "posterior": 0.0,
    "forward": 1.0,
    "learned": None,
}


def is_table(config: Config) -> bool:
    """Whether the schedule is one of betas."""
    return config.schedule.name != LEARNED and SCHEDULES[config.schedule.name][0]


@errors_are_the_users()
def mesh(config: Config) -> Mesh:
    """All devices, in the groups of config.parallel.fsdp."""
    return sharding.make_mesh(config.parallel.fsdp)


@errors_are_the_users()
def source(config: Config, split: str) -> Source:
    """The data set that config.data names, one split of it."""
    data = config.data
    return table.make(
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


def network(config: Config, data: Source) -> nn.Module:
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
def model(config: Config, data: Source) -> Denoiser:
    """The denoiser for images like those of `data`."""
    if is_classifier(config):
        raise ConfigError(
            "config.model.name = 'classifier' draws no images and knows no likelihood: write"
            " the config of a denoiser."
        )
    conditional = config.model.class_conditional
    built = Denoiser(
        network=network(config, data),
        num_classes=_num_classes(config, data, "class_conditional = True")
        if conditional
        else 0,
        parameterization=choose(
            predictions.PARAMETERIZATIONS, config.prediction, "prediction"
        ),
        variance_fraction=choose(
            VARIANCE_FRACTIONS, config.reverse_variance, "reverse_variance"
        ),
        **_on_a_schedule(config, data),
    )
    return _checked(config, data, built)


@errors_are_the_users()
def classifier_model(config: Config, data: Source) -> ClassifierModel:
    """The classifier of images like those of `data`, whatever their noise."""
    num_classes = _num_classes(config, data, f"name = {CLASSIFIER!r}")
    options = dict(config.model[CLASSIFIER])
    built = ClassifierModel(
        network=classifier.Classifier(num_outputs=num_classes, **options),
        num_classes=num_classes,
        **_on_a_schedule(config, data),
    )
    return _checked(config, data, built)


def backbone(config: Config, data: Source) -> Denoiser | ClassifierModel:
    """Whichever of both config.model.name says."""
    return (classifier_model if is_classifier(config) else model)(config, data)


def _num_classes(config: Config, data: Source, what: str) -> int:
    if not data.num_classes:
        raise ConfigError(
            f"config.model.{what} needs classes, which config.data.name = {data.name!r} has"
            " not."
        )
    return data.num_classes


def _on_a_schedule(config: Config, data: Source) -> dict[str, Any]:
    """What a network of either kind stands on."""
    height, width, _ = data.shape
    if config.data.rotate and height != width:
        raise ConfigError(
            f"config.data.rotate = True would make {width}x{height} images of {height}x"
            f"{width} ones: write False, or a config.data.image_size."
        )
    num_steps = config.schedule.num_steps
    make_pixel_decoder = choose(PIXEL_DECODERS, config.decoder.name, "decoder.name")
    by_index = config.model.time_input == "t" and num_steps != CONTINUOUS
    return dict(
        schedule=schedule(config),
        pixel_decoder=make_pixel_decoder(
            num_values=data.num_values, mean_from=config.decoder.mean
        ),
        num_steps=num_steps,
        time_input=config.model.time_input,
        log_snr_bounds=tuple(config.model.log_snr_bounds) or None,
        time_scale=config.model.time_scale or (num_steps - 1.0 if by_index else 1000.0),
        shape=data.shape,
    )


def _checked(config: Config, data: Source, built: Bound) -> Bound:
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
    config: Config, mesh: Mesh, model: Denoiser | ClassifierModel
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
