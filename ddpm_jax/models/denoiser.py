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

# In continuous time no latent comes before z_t. For the network that predicts a mean, one
# does at this part of the schedule's range of log SNR.
MEAN_STEPS = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Denoiser(Backbone):
    """A denoiser: its network puts out images.

    Attributes:
      parameterization: what the network predicts.
      variance_fraction: 0 posterior, 1 forward, None learned: then the network puts out
        twice the channels.
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
        """The model with these parameters, in training mode if it is conditioning keys.

        Args:
          params: as `init` gives them.
          dropout_keys: one an example, for the batch that `denoise` will be called with.
          conditioning: what each example of that batch comes with.
          log_snr: of the times that it will be asked about; None: its own schedule's. A
            network that is told t takes it for its own t all the same.
        """
        own = self.log_snr(params)
        high, low = own(jnp.zeros(())), own(jnp.ones(()))
        log_snr_of, told = log_snr or own, self.time(params)

        def before(t: Array, log_snr_t: Array) -> Array:
            if self.num_steps == CONTINUOUS:
                return log_snr_t + (high - low) / MEAN_STEPS
            step = 1.0 / (self.num_steps - 1)
            # Before the first latent comes the data itself, whose log SNR is infinite.
            earlier = log_snr_of(jnp.maximum(t - step, 0.0))
            return jnp.where(t < 0.5 * step, jnp.inf, earlier)

        def denoise(z_t: Array, t: Array) -> Prediction:
            log_snr_t = log_snr_of(t)
            time = told(t, log_snr_t)
            output = self.output(params["net"], z_t, time, conditioning, dropout_keys)
            if self.variance_fraction is None:
                output, head = jnp.split(output, 2, axis=-1)
                fraction = 0.5 * (head + 1.0)
            else:
                fraction = jnp.asarray(self.variance_fraction, output.dtype)
            x, eps = self.parameterization.estimates(
                output, z_t, before(t, log_snr_t), log_snr_t
            )
            return Prediction(x=x, eps=eps, variance_fraction=fraction)

        def of(numbers: Array) -> Diffusion:
            keys = None if dropout_keys is None else dropout_keys[numbers]
            return self.bind(params, keys, conditioning.take(numbers), log_snr)

        tells_apart = bool(jax.tree.leaves((conditioning, dropout_keys)))
        return Diffusion(log_snr_of, denoise, of if tells_apart else None)
