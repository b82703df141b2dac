"""What a figure means: all that must agree before two may stand side by side."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict as Config

from ddpm_jax.core import loaded_plugins
from ddpm_jax.data.source import Source
from ddpm_jax.evaluation import estimators

# By config.decoder.name and .mean, in a report's words.
DECODERS = {
    (name, mean): f"{words} around {centre}"
    for name, words in (
        ("discretized_gaussian", "discretised Gaussian"),
        ("categorical", "categorical over the pixel values"),
    )
    for mean, centre in (
        ("x_hat", "x_hat(z_0), its scale after the reverse variance"),
        ("z_0", "z_0 / alpha_0, of scale sigma_0 / alpha_0"),
    )
}


def of(config: Config, name: str, source: Source, step: int) -> dict[str, Any]:
    """The convention of one estimator's figure on these images, at a step."""
    options = config.eval.ode.to_dict() if name == "ode" else {}
    return {
        "data": dict(source.identity),
        "figure": figure(config, name),
        "estimator": name,
        **({"options": options} if options else {}),
        "num_latents": config.schedule.num_steps or "infinitely many",
        "schedule": config.schedule.name,
        "prediction": config.prediction,
        "reverse_variance": config.reverse_variance,
        "decoder": DECODERS[config.decoder.name, config.decoder.mean],
        **({"class": _told(config)} if config.model.class_conditional else {}),
        "weights": _weights_name(config),
        "x_hat": "clipped to [-1, 1]"
        if estimators.is_clipped(config, name)
        else "not clipped",
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
      config: of the run.
      reference: what says which data and features samples are compared with.
      step: of the weights.
      others: what tells arrays of other models that guide from others.
    """
    c = config.sample
    groups = {c.sampler, c.spacing, c.threshold, c.guidance}
    return {
        "reference": dict(reference),
        "sampler": c.sampler,
        **(
            {}
            if c.sampler == "ode"
            else {"num_steps": c.num_steps, "spacing": c.spacing}
        ),
        "threshold": c.threshold,
        "end": c.end,
        "guidance": c.guidance,
        "classes": list(c.classes) or "drawn, each as likely, where there are any",
        **others,
        "options": {
            name: value.to_dict() for name, value in c.items() if name in groups
        },
        "seed": config.seed,
        "weights": _weights_name(config),
        **loaded_plugins.identity(),
        "step": step,
    }


def _weights_name(config: Config) -> str:
    if config.eval.weights == "ema":
        return f"ema:{config.ema.decay}"
    return config.eval.weights


def figure(config: Config, name: str) -> str:
    """What the number is, in a report's words."""
    what = "pixels"
    if config.model.class_conditional and config.eval.class_conditional:
        what = "pixels | class"
    if name != "ode":
        return (
            f"upper bound on -log2 P({what}) / dims of the reverse process: variational,"
            " estimated without bias"
        )
    options = config.eval.ode
    solved = f"solved to rtol {options.rtol:g} and atol {options.atol:g}"
    noisy = options.divergence == "hutchinson" and options.num_importance > 1
    how = (
        "the error of Hutchinson's estimate stands inside a logarithm, so that it is"
        " neither unbiased nor strictly a bound"
        if noisy
        else "estimated without bias but for the solver's error"
    )
    weighted = (
        f"importance-weighted over {options.num_importance} latents"
        if options.num_importance > 1
        else "one latent"
    )
    return (
        f"upper bound on -log2 P({what}) / dims of the probability flow:"
        f" {options.dequantization} dequantisation, {weighted}, {options.divergence}"
        f" divergence, {solved}; {how}"
    )


def _told(config: Config) -> str:
    return (
        "told" if config.eval.class_conditional else "not told, of a model that may be"
    )
