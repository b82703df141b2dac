"""The loss of a classifier of noisy images: the cross entropy."""

import jax.numpy as jnp
import optax

from ddpm_jax.diffusion.objectives.denoising import LossTerms
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import normal
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.timed_objective import Draws, LossFn
from ddpm_jax.training.objective import Batch
from ddpm_jax.training.state import Params


def cross_entropy(model: ClassifierModel) -> LossFn:
    """The loss -log p(class | z_t) in nats, with equal weight at all times."""

    def loss(params: Params, batch: Batch, draws: Draws) -> LossTerms:
        x, t = model.pixel_decoder.encode(batch["image"]), draws.times.t
        eps = normal(draws.noise_keys, model.shape)
        z_t = gaussian.diffuse(x, eps, model.log_snr(params)(t))
        logits = model.bind(params, draws.dropout_keys)(z_t, t).logits
        nats = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"])
        return LossTerms(timed=nats, rest=jnp.zeros_like(nats))

    return loss
