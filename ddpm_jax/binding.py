"""Where networks and diffusion meet: parameters bind both into a `Diffusion`."""

import dataclasses
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from ddpm_jax.diffusion import pixels, predictions, schedules
from ddpm_jax.diffusion.model import Diffusion, LogSnr, Prediction
from ddpm_jax.diffusion.terms import Coordinates
from ddpm_jax.diffusion.times import CONTINUOUS
from ddpm_jax.training.state import Params

TimeInput = Literal["t", "log_snr"]
# In continuous time no latent comes before z_t. For the network that predicts a mean, one
# does at this part of the schedule's range of log SNR.
MEAN_STEPS = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """A network and a schedule; parameters bind them into a `Diffusion`.

    Attributes:
      network: (images, times, conditions, train) -> images, with twice the channels where
        the reverse variance is learned.
      schedule: t <-> log SNR; or a module, t -> log SNR, whose parameters are learned.
      kind: what the network predicts.
      variance_fraction: 0 posterior, 1 forward, None learned.
      codec: pixels <-> x, and the decoder p(x | z_0).
      num_steps: T, or `times.CONTINUOUS`.
      time_input: what the network is told of time: "t", or "log_snr" as its way from the
        highest to the lowest.
      log_snr_bounds: lowest and highest for "log_snr"; None: the schedule's own ends.
      time_scale: the network's input at the end of that way.
      shape: of an image, (height, width, channels).
    """

    network: nn.Module
    schedule: schedules.Schedule | nn.Module
    kind: predictions.Kind
    variance_fraction: float | None
    codec: pixels.Codec
    num_steps: int
    time_input: TimeInput
    log_snr_bounds: tuple[float, float] | None
    time_scale: float
    shape: tuple[int, int, int]

    def init(self, key: Key[Array, ""]) -> Params:
        """First parameters, {"net": ..., "schedule": ...}; a fixed schedule has no entry."""
        images, t = jnp.zeros((1, *self.shape)), jnp.zeros((1,))
        net = self.network.init(key, images, t, train=False)["params"]
        return {"net": net, **self.init_schedule(key)}

    def init_schedule(self, key: Key[Array, ""]) -> Params:
        """First parameters of the schedule alone, {"schedule": ...} or nothing."""
        if isinstance(self.schedule, schedules.Schedule):
            return {}
        learned = self.schedule.init(key, jnp.zeros(())).get("params", {})
        return {"schedule": learned} if learned else {}

    def log_snr(self, params: Params) -> LogSnr:
        """t -> log SNR, of these parameters."""
        schedule = self.schedule
        if isinstance(schedule, schedules.Schedule):
            return schedule.log_snr
        learned = {"params": params.get("schedule", {})}

        def log_snr(t: Array) -> Array:
            value = schedule.apply(learned, t)
            assert isinstance(value, jax.Array)  # Not a tuple: it changes no variables.
            return value

        return log_snr

    def bind(
        self,
        params: Params,
        dropout_keys: Key[Array, " batch"] | None = None,
        conditions: Float[Array, "batch _"] | None = None,
        at: tuple[Coordinates, Float[Array, " batch"]] | None = None,
    ) -> Diffusion:
        """The model with these parameters, in training mode if it is given keys.

        Args:
          params: as `init` gives them.
          dropout_keys: one an example, for the batch that `denoise` will be called with.
          conditions: what each example of that batch comes with; None: zeros.
          at: the schedule's coordinates at the times of that batch, and these times, if
            it is not to be asked there itself: a gradient can then reach them.
        """
        own_log_snr = self.log_snr(params)
        log_snr = own_log_snr if at is None else _touching(*at)
        high, low = own_log_snr(jnp.zeros(())), own_log_snr(jnp.ones(()))

        def before(t: Array, log_snr_t: Array) -> Array:
            if self.num_steps == CONTINUOUS:
                return log_snr_t + (high - low) / MEAN_STEPS
            step = 1.0 / (self.num_steps - 1)
            # Before the first latent comes the data itself, whose log SNR is infinite.
            earlier = log_snr(jnp.maximum(t - step, 0.0))
            return jnp.where(t < 0.5 * step, jnp.inf, earlier)

        def time(t: Array, log_snr_t: Array) -> Array:
            if self.time_input == "t":
                return t * self.time_scale
            least, most = self.log_snr_bounds or (low, high)
            return (most - log_snr_t) / (most - least) * self.time_scale

        def denoise(z_t: Array, t: Array) -> Prediction:
            log_snr_t = log_snr(t)
            output = self._apply(
                params["net"], z_t, time(t, log_snr_t), conditions, dropout_keys
            )
            if self.variance_fraction is None:
                output, head = jnp.split(output, 2, axis=-1)
                fraction = 0.5 * (head + 1.0)
            else:
                fraction = jnp.asarray(self.variance_fraction, output.dtype)
            x, eps = self.kind.estimates(output, z_t, before(t, log_snr_t), log_snr_t)
            return Prediction(x=x, eps=eps, variance_fraction=fraction)

        return Diffusion(log_snr=log_snr, denoise=denoise)

    def _apply(
        self,
        params: Params,
        images: Float[Array, "batch height width channels"],
        time: Float[Array, " batch"],
        conditions: Float[Array, "batch _"] | None,
        dropout_keys: Key[Array, " batch"] | None,
    ) -> Float[Array, "batch height width out"]:
        if dropout_keys is None:
            return self._output(params, images, time, conditions, train=False)

        # One example at a time, so that its dropout is its own wherever it is computed.
        def one(image: Array, time: Array, key: Array, conditions: Any) -> Array:
            args = jax.tree.map(lambda a: a[None], (image, time, conditions))
            return self._output(params, *args, train=True, rngs={"dropout": key})[0]

        return jax.vmap(one)(images, time, dropout_keys, conditions)

    def _output(
        self,
        params: Params,
        images: Array,
        time: Array,
        conditions: Array | None,
        **options: Any,
    ) -> Array:
        args = (images, time) if conditions is None else (images, time, conditions)
        output = self.network.apply({"params": params}, *args, **options)
        assert isinstance(output, jax.Array)  # Not a tuple: it changes no variables.
        return output


def _touching(at: Coordinates, times: Float[Array, " batch"]) -> LogSnr:
    """The straight line through the schedule at these times, with its slope there."""
    return lambda t: at.log_snr + at.slope * (t - lax.stop_gradient(times))
