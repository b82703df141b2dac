"""The table of guidance, and guides made from config.sample."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int
from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import Choice, Table, chosen, made
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.core.randomness import Stream, example_keys, stream_key
from ddpm_jax.diffusion.conditioning import guidance
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.models.backbone import Conditioning
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.sampling import guiding_models, numbering
from ddpm_jax.sampling.guidance_options import GuidanceOptions, Rescaled
from ddpm_jax.sampling.guide import Guide, Labels, class_conditioning
from ddpm_jax.training.checkpoints import fingerprint
from ddpm_jax.training.state import Params


def alone(config: Config, model: Denoiser) -> Guide:
    """The guide of config.sample.guidance, if it needs no other model.

    Raises:
      ConfigError: config.sample.guidance needs one.
    """
    choice, _ = chosen(GUIDES, config.sample, "guidance", "sample")
    if choice.has("needs_another_model"):
        raise ConfigError(
            f"config.sample.guidance = {config.sample.guidance!r} asks another model, for"
            " --mode=sample: while training write 'none', or config.training.sample_every"
            " = 0."
        )
    return _make(config, model, None)


def of(config: Config, restored: Restored[Denoiser]) -> Guide:
    """The guide of config.sample.guidance, with other models restored from their workdirs.

    Raises:
      ConfigError: another model is not there, or has other data, classes or times.
    """
    return _make(config, restored.model, restored)


def _make(
    config: Config, model: Denoiser, restored: Restored[Denoiser] | None
) -> Guide:
    choice, options = chosen(GUIDES, config.sample, "guidance", "sample")
    where = f"config.sample.{config.sample.guidance}"
    guide: Guide = made(choice, options, where, config, model, restored)
    return guide


def labels(config: Config, guide: Guide) -> Callable[[Int[Array, " batch"]], Labels]:
    """A function from the numbers of samples to their classes, -1 for none.

    Random classes are independent, as unbiased estimates of samples' quality require: with
    classes in turn, no two samples would have one class by chance.

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
    root = stream_key(numbering.seed_of(config), Stream.SAMPLE_CLASS)

    def drawn(numbers: Int[Array, " batch"]) -> Labels:
        keys = example_keys(root, numbers)
        return jax.vmap(lambda key: jax.random.randint(key, (), 0, num_classes))(keys)

    def in_turn(numbers: Int[Array, " batch"]) -> Labels:
        return jnp.asarray(listed or (-1,))[numbers % (len(listed) or 1)]

    return in_turn if listed or not num_classes else drawn


def num_in_turn(config: Config) -> int:
    """After how many samples one of the same listed class follows; 1 where none are listed."""
    return len(config.sample.classes) or 1


def identity(config: Config, guide: Guide) -> dict[str, Any]:
    """The fingerprint of other models' arrays, for the record of what samples depend on."""
    if not jax.tree.leaves(guide.params):
        return {}
    return {f"arrays of {config.sample.guidance}": fingerprint(guide.params)}


def _none(
    options: GuidanceOptions,
    config: Config,
    model: Denoiser,
    restored: Restored[Denoiser] | None,
) -> Guide:
    def bind(params: Params, _: Params, labels: Labels) -> Diffusion:
        return model.bind(params, conditioning=class_conditioning(model, labels))

    return Guide(model.num_classes, (), bind)


def _classifier_free(
    options: Rescaled,
    config: Config,
    model: Denoiser,
    restored: Restored[Denoiser] | None,
) -> Guide:
    guided = guidance.classifier_free(*options.strength, options.rescale)

    def bind(params: Params, _: Params, labels: Labels) -> Diffusion:
        pairs = jnp.stack([labels, jnp.full_like(labels, -1)], axis=1).ravel()
        return guided(model.bind(params, conditioning=Conditioning(labels=pairs)))

    return Guide(model.num_classes, (), bind)


# Each makes a `Guide` of its options, the config, the model, and the restored run: None while
# training. The traits: "needs_another_model", "unguided"; "needs_classes":
# the model must know p(x | class) and p(x); "knows_classes": it gives the model classes.
GUIDES: Table = {
    "none": Choice(GuidanceOptions, _none, frozenset({"unguided"})),
    "classifier_free": Choice(Rescaled, _classifier_free, frozenset({"needs_classes"})),
    "classifier": guiding_models.CLASSIFIER,
    "autoguidance": guiding_models.AUTOGUIDANCE,
}
