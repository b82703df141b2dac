"""The denoiser: where a network and the theory meet, bound by parameters to a `Diffusion`."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from ddpm_jax.diffusion.model import Diffusion, LogSnr, Prediction
from ddpm_jax.diffusion.process import (
    predictions,
)
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.models.backbone import NO_CONDITIONING, Backbone, Conditioning
from ddpm_jax.training.state import Params

# In continuous time no latent precedes z_t. For a network that predicts its mean, it is taken
# to be at this fraction of the schedule's range of log SNR from z_t.
MEAN_STEPS = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Denoiser(Backbone):
    """A denoiser of noisy images.

    Attributes:
      parameterization: parameterisation of the network's prediction.
      variance_fraction: 0 posterior, 1 forward, None learned: then the network has twice
        the output channels.
    """

    parameterization: predictions.Parameterization
    variance_fraction: float | None

    def bind(
        self,
        params: Params,
        dropout_keys: Key[Array, " batch"] | None = None,
        conditioning: Conditioning = NO_CONDITIONING,
        log_snr: LogSnr | None = None,
    ) -> Diffusion:
        """The model with these parameters, in training mode if there are dropout keys.

        Args:
          params: parameters, as from `init`.
          dropout_keys: one for each example of the batch that `denoise` will be called with.
          conditioning: conditioning of each example of that batch.
          log_snr: schedule of the times at which it will be evaluated; None: its own. A
            network that takes t gets the same t all the same.
        """
        own_log_snr = self.log_snr(params)
        high, low = own_log_snr(jnp.zeros(())), own_log_snr(jnp.ones(()))
        log_snr_of, network_time = log_snr or own_log_snr, self.time(params)

        def previous_log_snr(t: Array, log_snr_t: Array) -> Array:
            if self.num_steps == CONTINUOUS:
                return log_snr_t + (high - low) / MEAN_STEPS
            step = 1.0 / (self.num_steps - 1)
            # Before the first latent comes the data itself, whose log SNR is infinite.
            earlier = log_snr_of(jnp.maximum(t - step, 0.0))
            return jnp.where(t < 0.5 * step, jnp.inf, earlier)

        def denoise(z_t: Array, t: Array) -> Prediction:
            log_snr_t = log_snr_of(t)
            time = network_time(t, log_snr_t)
            output = self.output(params["net"], z_t, time, conditioning, dropout_keys)
            if self.variance_fraction is None:
                output, head = jnp.split(output, 2, axis=-1)
                fraction = 0.5 * (head + 1.0)
            else:
                fraction = jnp.asarray(self.variance_fraction, output.dtype)
            x, eps = self.parameterization.estimates(
                output, z_t, previous_log_snr(t, log_snr_t), log_snr_t
            )
            return Prediction(x=x, eps=eps, variance_fraction=fraction)

        def for_examples(numbers: Array) -> Diffusion:
            keys = None if dropout_keys is None else dropout_keys[numbers]
            return self.bind(params, keys, conditioning.take(numbers), log_snr)

        depends_on_example = bool(jax.tree.leaves((conditioning, dropout_keys)))
        return Diffusion(
            log_snr_of, denoise, for_examples if depends_on_example else None
        )
