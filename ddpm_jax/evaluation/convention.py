"""The convention of a figure: all that must agree for two figures to be compared."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict as Config

from ddpm_jax.core import loaded_plugins
from ddpm_jax.data.source import Source
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.sampling import numbering


def of_likelihood(
    config: Config,
    source: Source,
    step: int,
    *,
    estimator: str,
    figure: str,
    options: Mapping[str, Any],
    decoder: str,
    is_clipped: bool,
) -> dict[str, Any]:
    """The convention of one estimator's figure on these images, at a step.

    Args:
      config: config of the run.
      source: the images.
      step: step of the weights.
      estimator: its name.
      figure: the quantity in words.
      options: options of the estimator alone.
      decoder: the pixel decoder in words.
      is_clipped: x_hat is cut to the range of the data.
    """
    return {
        "data": dict(source.identity),
        "figure": figure,
        "estimator": estimator,
        **({"options": dict(sorted(options.items()))} if options else {}),
        "num_latents": config.schedule.num_steps or "infinitely many",
        "schedule": config.schedule.name,
        "prediction": config.prediction,
        "reverse_variance": config.reverse_variance,
        "decoder": decoder,
        **({"class": _told(config)} if config.model.class_conditional else {}),
        "weights": _weights_name(config),
        "x_hat": "clipped to [-1, 1]" if is_clipped else "not clipped",
        "stderr": "over draws of noise, the images fixed; stderr_images: over images",
        **loaded_plugins.identity(),
        "step": step,
    }


def of_classifier(config: Config, source: Source, step: int) -> dict[str, Any]:
    """The convention of a classifier's accuracy on these images, at a step."""
    return {
        "data": dict(source.identity),
        "figure": "accuracy on z_t, one draw of noise an image and level",
        "schedule": config.schedule.name,
        "num_latents": config.schedule.num_steps or "infinitely many",
        "weights": _weights_name(config),
        **loaded_plugins.identity(),
        "step": step,
    }


def of_samples(
    config: Config,
    reference: Mapping[str, Any],
    step: int,
    others: Mapping[str, str],
) -> dict[str, Any]:
    """The convention of figures of samples, at a step: all that they depend on.

    Args:
      config: config of the run.
      reference: identity of the data and features with which samples are compared.
      step: step of the weights.
      others: fingerprints of other models that guide.
    """
    c = config.sample
    groups = {c.sampler, c.spacing, c.threshold, c.guidance}
    own_steps = SAMPLERS[c.sampler].has("own_steps")
    return {
        "reference": dict(reference),
        "sampler": c.sampler,
        **({} if own_steps else {"num_steps": c.num_steps, "spacing": c.spacing}),
        "threshold": c.threshold,
        "end": c.end,
        "guidance": c.guidance,
        "classes": list(c.classes) or "drawn, each as likely, where there are any",
        **others,
        "options": {
            name: value.to_dict() for name, value in c.items() if name in groups
        },
        "seed": numbering.seed_of(config),
        "first": c.first,
        "weights": _weights_name(config),
        **loaded_plugins.identity(),
        "step": step,
    }


def _weights_name(config: Config) -> str:
    if config.eval.weights == "ema":
        return f"ema:{config.ema.decay}"
    return config.eval.weights


def _told(config: Config) -> str:
    return (
        "told" if config.eval.class_conditional else "not told, of a model that may be"
    )
