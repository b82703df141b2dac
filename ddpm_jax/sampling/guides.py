"""How a model is guided when it draws: from config.sample.guidance to a `Diffusion`."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int
from ml_collections import ConfigDict as Config

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.core.randomness import Stream, example_keys, stream_key
from ddpm_jax.diffusion.conditioning import guidance
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.models import build
from ddpm_jax.models.backbone import Conditioning
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.runs import restore
from ddpm_jax.sampling import checks
from ddpm_jax.training.checkpoints import fingerprint
from ddpm_jax.training.state import Params

Labels = Int[Array, " batch"]


class Guide(NamedTuple):
    """A way to bind a model's parameters.

    Attributes:
      num_classes: that samples may be of; 0: none is told of any.
      params: of other models that it asks; () if none.
      bind: (the model's parameters, `params`, labels of the batch) -> the guided model.
    """

    num_classes: int
    params: Params
    bind: Callable[[Params, Params, Labels], Diffusion]


def alone(config: Config, model: Denoiser) -> Guide:
    """A guide that needs no other model.

    Raises:
      ConfigError: config.sample.guidance needs one.
    """
    name = config.sample.guidance
    if name not in ALONE:
        raise ConfigError(
            f"config.sample.guidance = {name!r} asks another model, for --mode=sample:"
            " while training write 'none', or config.training.sample_every = 0."
        )
    with checks.errors_about_guidance(config):
        return ALONE[name](config, model)


def of(config: Config, restored: Restored[Denoiser]) -> Guide:
    """The guide that config.sample.guidance names; what it asks is read from its workdir.

    Raises:
      ConfigError: that is not there, or of other data, classes or times.
    """
    with checks.errors_about_guidance(config):
        if config.sample.guidance in ALONE:
            return alone(config, restored.model)
        return ASKING[config.sample.guidance](config, restored)


def labels(config: Config, guide: Guide) -> Callable[[Int[Array, " batch"]], Labels]:
    """Numbers of samples -> the class of each, -1 for none.

    Drawn ones are independent, as the unbiased estimates of samples' quality ask: with
    classes in turn, no two samples would be of one class by chance.

    Raises:
      ConfigError: one of config.sample.classes does not exist.
    """
    listed, num_classes = tuple(config.sample.classes), guide.num_classes
    for label in listed:
        if not -1 <= label < num_classes:
            raise ConfigError(
                f"config.sample.classes = {listed}: there is no class {label}; the data has"
                f" 0 to {num_classes - 1}, and -1 stands for none."
            )
    root = stream_key(config.seed, Stream.SAMPLE_CLASS)

    def drawn(numbers: Int[Array, " batch"]) -> Labels:
        keys = example_keys(root, numbers)
        return jax.vmap(lambda key: jax.random.randint(key, (), 0, num_classes))(keys)

    def in_turn(numbers: Int[Array, " batch"]) -> Labels:
        return jnp.asarray(listed or (-1,))[numbers % (len(listed) or 1)]

    return in_turn if listed or not num_classes else drawn


def identity(config: Config, guide: Guide) -> dict[str, Any]:
    """What tells other models' arrays from others, for a record of what samples depend on."""
    if not jax.tree.leaves(guide.params):
        return {}
    return {f"arrays of {config.sample.guidance}": fingerprint(guide.params)}


def _told(model: Denoiser, labels: Labels) -> Conditioning:
    return Conditioning(labels=labels if model.num_classes else None)


def _none(config: Config, model: Denoiser) -> Guide:
    def bind(params: Params, _: Params, labels: Labels) -> Diffusion:
        return model.bind(params, conditioning=_told(model, labels))

    return Guide(model.num_classes, (), bind)


def _classifier_free(config: Config, model: Denoiser) -> Guide:
    options = config.sample.classifier_free
    guided = guidance.classifier_free(*checks.strength(options), options.rescale)

    def bind(params: Params, _: Params, labels: Labels) -> Diffusion:
        pairs = jnp.stack([labels, jnp.full_like(labels, -1)], axis=1).ravel()
        return guided(model.bind(params, conditioning=Conditioning(labels=pairs)))

    return Guide(model.num_classes, (), bind)


def _classifier(config: Config, restored: Restored[Denoiser]) -> Guide:
    options, model = config.sample.classifier, restored.model
    field = f"config.sample.classifier.workdir = {options.workdir!r}"
    theirs = restore.config_of(field, options.workdir, config)
    restore.check_same_data(field, config, theirs)
    _check_times(field, config, theirs)
    other = restore.classifier_of(
        *(field, options.workdir, config, restored.source),
        step=options.step,
        weights=options.weights,
    )
    num_classes = other.model.num_classes

    def bind(params: Params, asked: Params, labels: Labels) -> Diffusion:
        diffusion = model.bind(params, conditioning=_told(model, labels))
        classify = other.model.bind(asked, log_snr=diffusion.log_snr)

        def log_probs(z_t: Array, t: Array) -> Array:
            return jax.nn.log_softmax(classify(z_t, t).logits)

        change = guidance.by_classifier(log_probs, labels, *checks.strength(options))
        return change(diffusion)

    return Guide(num_classes, other.params, bind)


def _autoguidance(config: Config, restored: Restored[Denoiser]) -> Guide:
    options, model = config.sample.autoguidance, restored.model
    field = f"config.sample.autoguidance.workdir = {options.workdir!r}"
    if not options.workdir:
        field = f"config.sample.autoguidance.step = {options.step}"
    directory = options.workdir or restored.path
    theirs = restore.config_of(field, directory, config)
    restore.check_same_data(field, config, theirs)
    _check_times(field, config, theirs)
    with restore.errors_about(field):
        weak = restore.load(
            theirs, directory, step=options.step, weights=options.weights
        )

    def bind(params: Params, asked: Params, labels: Labels) -> Diffusion:
        good = model.bind(params, conditioning=_told(model, labels))
        told = _told(weak.model, labels)
        worse = weak.model.bind(asked, conditioning=told, log_snr=good.log_snr)
        change = guidance.autoguidance(
            worse, *checks.strength(options), options.rescale
        )
        return change(good)

    return Guide(model.num_classes, weak.params, bind)


def _check_times(field: str, ours: Config, theirs: Config) -> None:
    """A network that is told log SNR can be asked about any schedule's times."""
    if theirs.model.time_input == "log_snr":
        return

    def schedule(config: Config) -> Mapping[str, Any]:
        name = config.schedule.name
        of_it = {"name": name, "num_steps": config.schedule.num_steps}
        return of_it | {name: dict(config.schedule[name])}

    now, then = json.dumps(schedule(ours)), json.dumps(schedule(theirs))
    if now != then or ours.schedule.name == build.LEARNED:
        raise ConfigError(
            f"{field} is told t, of config.schedule = {then}, which here is {now}: a network"
            " told log SNR (config.model.time_input) could be asked, or one of the same"
            " fixed schedule."
        )


# By config.sample.guidance.
ALONE: Mapping[str, Callable[[Config, Denoiser], Guide]] = {
    checks.UNGUIDED: _none,
    "classifier_free": _classifier_free,
}
ASKING: Mapping[str, Callable[[Config, Restored[Denoiser]], Guide]] = {
    "classifier": _classifier,
    "autoguidance": _autoguidance,
}
