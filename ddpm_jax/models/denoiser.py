"""Where networks and theory meet: parameters bind both into functions of noise and time."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ddpm_jax.diffusion import pixels, predictions, schedules
from ddpm_jax.diffusion.model import Diffusion, LogSnr, Prediction
from ddpm_jax.diffusion.times import CONTINUOUS
from ddpm_jax.nets.classifier import Classified
from ddpm_jax.training.state import Params

TimeInput = Literal["t", "log_snr"]
# In continuous time no latent comes before z_t. For the network that predicts a mean, one
# does at this part of the schedule's range of log SNR.
MEAN_STEPS = 1000


class Given(NamedTuple):
    """What each example of a batch comes with beside its time.

    Attributes:
      numbers: that the network is told; None: zeros.
      labels: its class, below 0 where it has none; None: no example has one.
    """

    numbers: Float[Array, "batch _"] | None = None
    labels: Int[Array, " batch"] | None = None

    def take(self, numbers: Int[Array, " some"]) -> "Given":
        """The same of these examples alone."""
        return jax.tree.map(lambda a: a[numbers], self)


NOTHING = Given()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network of noisy images on a schedule.

    Attributes:
      network: (images, times, ..., train) -> what it says of them.
      schedule: t <-> log SNR; or a module, t -> log SNR, whose parameters are learned.
      codec: pixels <-> x, and the decoder p(x | z_0).
      num_steps: T, or `times.CONTINUOUS`.
      time_input: what the network is told of time: "t", or "log_snr" as its way from the
        highest to the lowest.
      log_snr_bounds: lowest and highest for "log_snr"; None: the schedule's own ends.
      time_scale: the network's input at the end of that way.
      shape: of an image, (height, width, channels).
      num_classes: of the class that an example comes with, or is sorted into; 0: none.
    """

    network: nn.Module
    schedule: schedules.Schedule | nn.Module
    codec: pixels.Codec
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
            if self.time_input == "t":
                return t * self.time_scale
            return (most - log_snr_t) / (most - least) * self.time_scale

        return told

    def output(
        self,
        params: Params,
        images: Float[Array, "batch height width channels"],
        time: Float[Array, " batch"],
        given: Given,
        dropout_keys: Key[Array, " batch"] | None,
    ) -> Any:
        """What the network says, in training mode if it is given keys."""
        if dropout_keys is None:
            return self._of_batch(params, images, time, given, train=False)

        # One example at a time, so that its dropout is its own wherever it is computed.
        def one(image: Array, time: Array, key: Array, given: Any) -> Any:
            args = jax.tree.map(lambda a: a[None], (image, time, given))
            rngs = {"dropout": key}
            found = self._of_batch(params, *args, train=True, rngs=rngs)
            return jax.tree.map(lambda a: a[0], found)

        return jax.vmap(one)(images, time, dropout_keys, given)

    def _of_batch(
        self, params: Params, images: Array, time: Array, given: Given, **options: Any
    ) -> Any:
        args = () if given.numbers is None else (given.numbers,)
        if given.labels is not None:
            options["labels"] = given.labels
        return self.network.apply({"params": params}, images, time, *args, **options)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model(Backbone):
    """A denoiser: its network puts out images.

    Attributes:
      kind: what the network predicts.
      variance_fraction: 0 posterior, 1 forward, None learned: then the network puts out
        twice the channels.
    """

    kind: predictions.Kind
    variance_fraction: float | None

    def bind(
        self,
        params: Params,
        dropout_keys: Key[Array, " batch"] | None = None,
        given: Given = NOTHING,
        log_snr: LogSnr | None = None,
    ) -> Diffusion:
        """The model with these parameters, in training mode if it is given keys.

        Args:
          params: as `init` gives them.
          dropout_keys: one an example, for the batch that `denoise` will be called with.
          given: what each example of that batch comes with.
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
            output = self.output(params["net"], z_t, time, given, dropout_keys)
            if self.variance_fraction is None:
                output, head = jnp.split(output, 2, axis=-1)
                fraction = 0.5 * (head + 1.0)
            else:
                fraction = jnp.asarray(self.variance_fraction, output.dtype)
            x, eps = self.kind.estimates(output, z_t, before(t, log_snr_t), log_snr_t)
            return Prediction(x=x, eps=eps, variance_fraction=fraction)

        def of(numbers: Array) -> Diffusion:
            keys = None if dropout_keys is None else dropout_keys[numbers]
            return self.bind(params, keys, given.take(numbers), log_snr)

        tells_apart = bool(jax.tree.leaves((given, dropout_keys)))
        return Diffusion(log_snr_of, denoise, of if tells_apart else None)


# z_t [batch, ...] and t [batch] -> logits of every class, and features.
Classify = Callable[[Array, Array], Classified]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifierModel(Backbone):
    """A classifier of noisy images: its network puts out `nets.classifier.Classified`."""

    def bind(
        self,
        params: Params,
        dropout_keys: Key[Array, " batch"] | None = None,
        log_snr: LogSnr | None = None,
    ) -> Classify:
        """The classifier with these parameters; its arguments are those of `Model.bind`."""
        log_snr_of, told = log_snr or self.log_snr(params), self.time(params)

        def classify(z_t: Array, t: Array) -> Classified:
            time = told(t, log_snr_of(t))
            found = self.output(params["net"], z_t, time, NOTHING, dropout_keys)
            assert isinstance(found, Classified)
            return found

        return classify
