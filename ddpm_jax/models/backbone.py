"""The backbone: a network of noisy images on a noise schedule, the base of every model."""

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
# (t, log SNR at t, log SNR at t = 1, log SNR at t = 0) -> the network's time, from 0 to 1.
TimeInput = Callable[[Array, Array, End, End], Array]


def by_time(t: Array, log_snr_t: Array, least: End, most: End) -> Array:
    """Time as the network's input."""
    return t


def by_log_snr(t: Array, log_snr_t: Array, least: End, most: End) -> Array:
    """Log SNR as the network's input, scaled to 0 at the highest and 1 at the lowest."""
    return (most - log_snr_t) / (most - least)


class Conditioning(NamedTuple):
    """The inputs of a network for each example of a batch beside image and time.

    Attributes:
      numbers: numbers such as the augmentation flag; None: zeros.
      labels: class of each example, below 0 for no class; None: no example has one.
    """

    numbers: Float[Array, "batch _"] | None = None
    labels: Int[Array, " batch"] | None = None

    def take(self, numbers: Int[Array, " some"]) -> "Conditioning":
        """The conditioning of these examples of the batch alone."""
        return jax.tree.map(lambda a: a[numbers], self)


NO_CONDITIONING = Conditioning()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network of noisy images on a schedule.

    Attributes:
      network: module of (images, times, ..., train).
      schedule: a schedule; or a module, t -> log SNR, whose parameters are learned.
      pixel_decoder: encoding of pixels as x, and the decoder p(pixels | z_0).
      num_steps: number T of latents, or `times.CONTINUOUS`.
      time_input: the network's time, from 0 to 1, as a function of t and log SNR.
      log_snr_bounds: lowest and highest log SNR for it; None: the schedule's own ends.
      time_scale: factor of the network's time.
      shape: shape of an image, (height, width, channels).
      num_classes: number of classes of the conditioning or of a classifier; 0: none.
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
        """The initial parameters, {"net": ..., "schedule": ...}; the latter if learned."""
        images, t = jnp.zeros((1, *self.shape)), jnp.zeros((1,))
        net = self.network.init(key, images, t, train=False)["params"]
        return {"net": net, **self.init_schedule(key)}

    def init_schedule(self, key: Key[Array, ""]) -> Params:
        """The initial parameters of the schedule alone, {"schedule": ...} or nothing."""
        if isinstance(self.schedule, schedules.Schedule):
            return {}
        learned = self.schedule.init(key, jnp.zeros(())).get("params", {})
        return {"schedule": learned} if learned else {}

    def log_snr(self, params: Params) -> LogSnr:
        """The schedule t -> log SNR with these parameters."""
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
        """The function (t, log SNR at t) -> the network's time, with these parameters."""
        schedule = self.log_snr(params)
        least, most = self.log_snr_bounds or (
            schedule(jnp.ones(())),
            schedule(jnp.zeros(())),
        )

        def network_time(t: Array, log_snr_t: Array) -> Array:
            return self.time_input(t, log_snr_t, least, most) * self.time_scale

        return network_time

    def output(
        self,
        params: Params,
        images: Float[Array, "batch height width channels"],
        time: Float[Array, " batch"],
        conditioning: Conditioning,
        dropout_keys: Key[Array, " batch"] | None,
    ) -> Any:
        """The output of the network, in training mode if there are dropout keys."""
        if dropout_keys is None:
            return self._apply(params, images, time, conditioning, train=False)

        # One example at a time, so that its dropout is its own wherever it is computed.
        def one(image: Array, time: Array, key: Array, conditioning: Any) -> Any:
            args = jax.tree.map(lambda a: a[None], (image, time, conditioning))
            rngs = {"dropout": key}
            output = self._apply(params, *args, train=True, rngs=rngs)
            return jax.tree.map(lambda a: a[0], output)

        return jax.vmap(one)(images, time, dropout_keys, conditioning)

    def _apply(
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
