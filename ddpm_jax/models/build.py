"""Builds the parts of a model and of its training from a config."""

import functools
import os
from collections.abc import Mapping
from typing import Any, TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.core import paths, sharding
from ddpm_jax.core.choice import (
    Options,
    Table,
    chosen,
    in_full,
    make_chosen,
    read,
)
from ddpm_jax.core.errors import ConfigError, as_config_errors
from ddpm_jax.core.randomness import Stream, stream_key
from ddpm_jax.data import table
from ddpm_jax.data.source import Described, Source
from ddpm_jax.diffusion.process import pixel_decoder, schedules
from ddpm_jax.diffusion.process.predictions import PREDICTIONS
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.models import learning_rate, objective
from ddpm_jax.models.backbone import Backbone
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.table import (
    DECODER_MEANS,
    MODELS,
    PIXEL_DECODERS,
    REVERSE_VARIANCES,
    SCHEDULES,
    TIME_INPUTS,
)
from ddpm_jax.nets.interface import Interface, NetworkOptions
from ddpm_jax.training import optimizer, parallel, state, step
from ddpm_jax.training.optimizer import OPTIMIZERS
from ddpm_jax.training.parallel import MODES
from ddpm_jax.training.state import Params, TrainState

Bound = TypeVar("Bound", bound=Backbone)
# Continuous data are looked at so many times before training, and may be that far from 1.
NUM_LOOKED_AT, LARGEST_SIZE = 256, 100.0


@as_config_errors()
def mesh(config: Config) -> Mesh:
    """The mesh of all devices, in the groups of config.parallel.fsdp."""
    return sharding.make_mesh(config.parallel.fsdp)


@as_config_errors()
def source(config: Config, split: str) -> Source:
    """One split of the data set that config.data names."""
    data, data_dir = config.data, None
    if data.data_dir:
        field = f"config.data.data_dir = {data.data_dir!r}"
        data_dir = os.fspath(paths.expanded(data.data_dir, field))
    return table.make(
        data.name,
        split,
        image_size=data.image_size or None,
        center_crop=data.center_crop or None,
        channels=data.channels or None,
        stride=data.stride,
        data_dir=data_dir,
        skip_broken=data.skip_broken,
        options=_source_options(config),
    )


def _source_options(config: Config) -> Options | None:
    """The options of the kind of data set, if it exists and has some."""
    kind, _, _ = config.data.name.partition(":")
    if kind not in table.SOURCES or kind not in config.data:
        return None
    return read(table.SOURCES[kind].options, config.data[kind], f"config.data.{kind}")


def schedule(config: Config) -> schedules.Schedule | nn.Module:
    """The schedule of config.schedule, or the module that learns it."""
    return _make(SCHEDULES, config, "schedule", "name", config.schedule.num_steps)


def network(config: Config, data: Described) -> nn.Module:
    """The network of config.model for images like those of `data`."""
    num_channels = data.shape[-1]
    has_head = REVERSE_VARIANCES[config.reverse_variance].has("learned")
    interface = Interface(2 * num_channels if has_head else num_channels)
    if config.model.class_conditional:
        interface = interface._replace(
            num_classes=data.num_classes, label_dropout=config.model.label_dropout
        )
    return _make(MODELS, config, "model", "name", interface)


def is_classifier(config: Config) -> bool:
    """Whether the config's model is a classifier, rather than a denoiser."""
    return MODELS[config.model.name].has("classifier")


def _make(table: Table, config: Config, group: str, field: str, *inputs: Any) -> Any:
    """The object that a field of a config group names."""
    values = config[group] if group else config
    return make_chosen(table, values, field, group, *inputs)


@as_config_errors()
def model(config: Config, data: Described) -> Denoiser:
    """The denoiser for images like those of `data`."""
    if is_classifier(config):
        raise ConfigError(
            f"config.model.name = {config.model.name!r} draws no images and knows no"
            " likelihood: write the config of a denoiser."
        )
    conditional = config.model.class_conditional
    unbound = Denoiser(
        network=network(config, data),
        num_classes=_num_classes(config, data, "class_conditional = True")
        if conditional
        else 0,
        parameterization=_make(PREDICTIONS, config, "", "prediction"),
        variance_fraction=_make(REVERSE_VARIANCES, config, "", "reverse_variance"),
        **_backbone_attributes(config, data),
    )
    return _checked(config, data, unbound)


@as_config_errors()
def classifier_model(config: Config, data: Described) -> ClassifierModel:
    """The classifier of noisy images like those of `data`."""
    num_classes = _num_classes(config, data, f"name = {config.model.name!r}")
    unbound = ClassifierModel(
        network=_make(MODELS, config, "model", "name", Interface(num_classes)),
        num_classes=num_classes,
        **_backbone_attributes(config, data),
    )
    return _checked(config, data, unbound)


def backbone(config: Config, data: Described) -> Denoiser | ClassifierModel:
    """The denoiser or classifier that config.model.name names."""
    return (classifier_model if is_classifier(config) else model)(config, data)


def _num_classes(config: Config, data: Described, what: str) -> int:
    if not data.num_classes:
        raise ConfigError(
            f"config.model.{what} needs classes, which config.data.name = {data.name!r} has"
            " not."
        )
    return data.num_classes


def _backbone_attributes(config: Config, data: Described) -> dict[str, Any]:
    """The attributes of a `Backbone` beside its network and classes."""
    height, width, _ = data.shape
    if config.data.rotate and height != width:
        raise ConfigError(
            f"config.data.rotate = True would make {width}x{height} images of {height}x"
            f"{width} ones: write False, or a config.data.image_size."
        )
    check_decoder(config, data.name, is_continuous=data.num_values == 0)
    num_steps = config.schedule.num_steps
    follows_log_snr = TIME_INPUTS[config.model.time_input].has("follows_log_snr")
    by_index = not follows_log_snr and num_steps != CONTINUOUS
    mean_from = _make(DECODER_MEANS, config, "decoder", "mean")
    inputs = data.num_values, mean_from
    return dict(
        schedule=schedule(config),
        pixel_decoder=_make(PIXEL_DECODERS, config, "decoder", "name", *inputs),
        num_steps=num_steps,
        time_input=_make(TIME_INPUTS, config, "model", "time_input"),
        log_snr_bounds=tuple(config.model.log_snr_bounds) or None,
        time_scale=config.model.time_scale or (num_steps - 1.0 if by_index else 1000.0),
        shape=data.shape,
    )


def check_decoder(config: Config, data_name: str, *, is_continuous: bool) -> None:
    """Raises ConfigError unless the pixel decoder is of such data.

    Args:
      config: the config.
      data_name: name of the data, for the message.
      is_continuous: whether they are real numbers.
    """
    name = config.decoder.name
    fits = [
        n for n, c in PIXEL_DECODERS.items() if c.has("continuous") == is_continuous
    ]
    if name in PIXEL_DECODERS and name not in fits:
        kinds = ["pixel values", "real numbers"]
        there, here = kinds if is_continuous else reversed(kinds)
        raise ConfigError(
            f"config.decoder.name = {name!r} is of {there}, and config.data.name ="
            f" {data_name!r} has {here}: write {' or '.join(map(repr, fits))}."
        )


def check_units(config: Config, model: Bound, source: Source) -> None:
    """Raises ConfigError where continuous data are far from 1 in the units of x.

    Networks and schedules are made for data about as wide as N(0, 1).
    """
    if not pixel_decoder.is_continuous(model.pixel_decoder):
        return
    places = [i * len(source) // NUM_LOOKED_AT for i in range(NUM_LOOKED_AT)]
    images = np.stack([source[i]["image"] for i in places])
    x = np.asarray(model.pixel_decoder.from_values(jnp.asarray(images)), np.float64)
    size = float(np.sqrt(np.mean(np.square(x))))
    if not 1.0 / LARGEST_SIZE <= size <= LARGEST_SIZE:
        group = f"config.decoder.{config.decoder.name}"
        raise ConfigError(
            f"{group} makes the data of config.data.name = {source.name!r} {size:.2g} large"
            f" (their root mean square in the units of x), far from 1: write {group}.shift ="
            f" {images.mean(dtype=np.float64):.3g}, their mean, and {group}.scale ="
            f" {images.std(dtype=np.float64):.3g},"
            " their standard deviation."
        )


def _checked(config: Config, data: Described, unbound: Bound) -> Bound:
    """The model, after a check that its network fits the images."""
    height, width, _ = data.shape
    try:
        jax.eval_shape(unbound.init, stream_key(config.seed, Stream.INIT))
    except ValueError as error:
        where = f"config.model.{config.model.name}"
        reason = in_full(str(error), MODELS[config.model.name].options, where)
        of_any = [name for name, c in MODELS.items() if c.has("takes_any_shape")]
        others = f"; write config.model.name = {' or '.join(map(repr, of_any))}"
        raise ConfigError(
            f"{where} does not fit the {height}x{width} images of config.data.name ="
            f" {data.name!r}: {reason.removeprefix(f'{where}: ').rstrip('.')}"
            f"{others if height == width == 1 else ''}."
        ) from error
    return unbound


def optimizer_of(
    config: Config,
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """The optimiser, and for the log its learning rate as a function of updates done."""
    c = config.optimizer
    rate = learning_rate.of(config)
    rule = optimizer.make_optimizer(
        functools.partial(_make, OPTIMIZERS, config, "optimizer", "name"),
        rate,
        optimizer.Moments(c.b1, c.b2, c.eps, c.weight_decay),
        schedule_rate=c.schedule_learning_rate / c.learning_rate,
        clip_norm=c.clip_norm,
    )
    return rule, rate


def ema_decays(config: Config) -> Mapping[str, float]:
    """The decays of the parameters' averages, by their text."""
    return {str(d): d for d in (config.ema.decay, *config.ema.extra_decays)}


def weight_names(config: Config) -> list[str]:
    """The values that eval.weights and sample.weights may have."""
    return ["raw", "ema", *(f"ema:{name}" for name in ema_decays(config))]


def weights(config: Config, state: TrainState, name: str) -> Params:
    """The parameters, raw or averaged, that one of `weight_names` names."""
    if name == "raw":
        return state.params
    decay = name.removeprefix("ema:") if ":" in name else str(config.ema.decay)
    return state.ema_params[decay]


@as_config_errors()
def training(
    config: Config, mesh: Mesh, model: Denoiser | ClassifierModel
) -> parallel.Training:
    """The training of a model on the devices of `mesh`: its first state, and its step."""
    rule, rate = optimizer_of(config)
    objective_of_model = objective.make(config, model)

    def init() -> TrainState:
        params = model.init(stream_key(config.seed, Stream.INIT))
        names = tuple(ema_decays(config))
        return state.create(params, rule, names, objective_of_model.init(params))

    mode = MODES[config.parallel.mode]
    train_step = step.make_train_step(
        objective_of_model,
        rule,
        rate,
        step.StepSettings(
            seed=config.seed,
            num_microbatches=config.training.num_microbatches,
            ema_decays=ema_decays(config),
            ema_warmup=config.ema.warmup,
            log_every=config.training.log_every,
        ),
        axis_name=parallel.PMAP_AXIS if mode.has("named_axis") else None,
    )
    _, options = chosen(MODELS, config.model, "name", "model")
    assert isinstance(options, NetworkOptions)
    inputs = mesh, init, train_step, options.recomputes
    result: parallel.Training = _make(MODES, config, "parallel", "mode", *inputs)
    return result
