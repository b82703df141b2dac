"""Where networks and diffusion meet: parameters bind both into a `Diffusion`."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ddpm_jax.diffusion import pixels, predictions, schedules
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.training.state import Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """A network and a schedule; parameters bind them into a `Diffusion`.

    Attributes:
      network: (images, times, train) -> images, with twice the channels where the reverse
        variance is learned.
      schedule: t <-> log SNR.
      kind: what the network predicts.
      variance_fraction: 0 posterior, 1 forward, None learned.
      codec: pixels <-> x, and the decoder p(x | z_0).
      num_steps: T.
      time_scale: the network's input for t = 1.
      shape: of an image, (height, width, channels).
    """

    network: nn.Module
    schedule: schedules.Schedule
    kind: predictions.Kind
    variance_fraction: float | None
    codec: pixels.Codec
    num_steps: int
    time_scale: float
    shape: tuple[int, int, int]

    def init(self, key: Key[Array, ""]) -> Params:
        """First parameters, {"net": ...}."""
        images, t = jnp.zeros((1, *self.shape)), jnp.zeros((1,))
        return {"net": self.network.init(key, images, t, train=False)["params"]}

    def bind(
        self, params: Params, dropout_keys: Key[Array, " batch"] | None = None
    ) -> Diffusion:
        """The model with these parameters, in training mode if it is given keys.

        Args:
          params: as `init` gives them.
          dropout_keys: one an example, for the batch that `denoise` will be called with.
        """

        def denoise(z_t: Array, t: Array) -> Prediction:
            log_snr_t = self.schedule.log_snr(t)
            step = 1.0 / (self.num_steps - 1)
            # Before the first latent comes the data itself, whose log SNR is infinite.
            log_snr_s = jnp.where(
                t < 0.5 * step,
                jnp.inf,
                self.schedule.log_snr(jnp.maximum(t - step, 0.0)),
            )
            output = self._apply(params["net"], z_t, t * self.time_scale, dropout_keys)
            if self.variance_fraction is None:
                output, head = jnp.split(output, 2, axis=-1)
                fraction = 0.5 * (head + 1.0)
            else:
                fraction = jnp.asarray(self.variance_fraction, output.dtype)
            x, eps = self.kind.estimates(output, z_t, log_snr_s, log_snr_t)
            return Prediction(x=x, eps=eps, variance_fraction=fraction)

        return Diffusion(log_snr=self.schedule.log_snr, denoise=denoise)

    def _apply(
        self,
        params: Params,
        images: Float[Array, "batch height width channels"],
        time: Float[Array, " batch"],
        dropout_keys: Key[Array, " batch"] | None,
    ) -> Float[Array, "batch height width out"]:
        if dropout_keys is None:
            return self._output(params, images, time, train=False)

        # One example at a time, so that its dropout is its own wherever it is computed.
        def one(image: Array, time: Array, key: Array) -> Array:
            rngs = {"dropout": key}
            return self._output(params, image[None], time[None], train=True, rngs=rngs)[
                0
            ]

        return jax.vmap(one)(images, time, dropout_keys)

    def _output(
        self, params: Params, images: Array, time: Array, **options: Any
    ) -> Array:
        output = self.network.apply({"params": params}, images, time, **options)
        assert isinstance(output, jax.Array)  # Not a tuple: it changes no variables.
        return output
