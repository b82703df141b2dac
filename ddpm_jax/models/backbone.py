"""A network of noisy images on a noise schedule: what every model with one is made of."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ddpm_jax.diffusion.model import LogSnr
from ddpm_jax.diffusion.process import (
    pixel_decoder,
    schedules,
)
from ddpm_jax.training.state import Params

End = Array | float
# (t, log SNR there, log SNR at t = 1, log SNR at t = 0) -> how far t is on the way from 0 to 1.
TimeInput = Callable[[Array, Array, End, End], Array]


def by_time(t: Array, log_snr_t: Array, least: End, most: End) -> Array:
    """The time itself."""
    return t


def by_log_snr(t: Array, log_snr_t: Array, least: End, most: End) -> Array:
    """The way in log SNR, from the highest to the lowest."""
    return (most - log_snr_t) / (most - least)


class Conditioning(NamedTuple):
    """What each example of a batch comes with beside its time.

    Attributes:
      numbers: that the network is told; None: zeros.
      labels: its class, below 0 where it has none; None: no example has one.
    """

    numbers: Float[Array, "batch _"] | None = None
    labels: Int[Array, " batch"] | None = None

    def take(self, numbers: Int[Array, " some"]) -> "Conditioning":
        """The same of these examples alone."""
        return jax.tree.map(lambda a: a[numbers], self)


NO_CONDITIONING = Conditioning()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network of noisy images on a schedule.

    Attributes:
      network: (images, times, ..., train) -> what it says of them.
      schedule: t <-> log SNR; or a module, t -> log SNR, whose parameters are learned.
      pixel_decoder: pixels <-> x, and the decoder p(x | z_0).
      num_steps: T, or `times.CONTINUOUS`.
      time_input: what the network is told of time, from 0 to 1.
      log_snr_bounds: lowest and highest log SNR for that; None: the schedule's own ends.
      time_scale: the network's input at the end of that way.
      shape: of an image, (height, width, channels).
      num_classes: of the class that an example comes with, or is sorted into; 0: none.
    """

    network: nn.Module
    schedule: schedules.Schedule | nn.Module
    pixel_decoder: pixel_decoder.PixelDecoder
    num_steps: int
    time_input: TimeInput
    log_snr_bounds: tuple[float, float] | None
    time_scale: float
    shape: tuple[int, int, int]
    num_classes: int

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

    def time(self, params: Params) -> Callable[[Array, Array], Array]:
        """(t, log SNR there) -> what the network is told of them."""
        own = self.log_snr(params)
        least, most = self.log_snr_bounds or (own(jnp.ones(())), own(jnp.zeros(())))

        def told(t: Array, log_snr_t: Array) -> Array:
            return self.time_input(t, log_snr_t, least, most) * self.time_scale

        return told

    def output(
        self,
        params: Params,
        images: Float[Array, "batch height width channels"],
        time: Float[Array, " batch"],
        conditioning: Conditioning,
        dropout_keys: Key[Array, " batch"] | None,
    ) -> Any:
        """What the network says, in training mode if it is conditioning keys."""
        if dropout_keys is None:
            return self._of_batch(params, images, time, conditioning, train=False)

        # One example at a time, so that its dropout is its own wherever it is computed.
        def one(image: Array, time: Array, key: Array, conditioning: Any) -> Any:
            args = jax.tree.map(lambda a: a[None], (image, time, conditioning))
            rngs = {"dropout": key}
            found = self._of_batch(params, *args, train=True, rngs=rngs)
            return jax.tree.map(lambda a: a[0], found)

        return jax.vmap(one)(images, time, dropout_keys, conditioning)

    def _of_batch(
        self,
        params: Params,
        images: Array,
        time: Array,
        conditioning: Conditioning,
        **options: Any,
    ) -> Any:
        args = () if conditioning.numbers is None else (conditioning.numbers,)
        if conditioning.labels is not None:
            options["labels"] = conditioning.labels
        return self.network.apply({"params": params}, images, time, *args, **options)
