"""From a config to the parts it names: the only place where a name becomes a thing."""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Key

from ddpm_jax import checks
from ddpm_jax.binding import Model
from ddpm_jax.config import Config, ConfigError, choose, errors_are_the_users, flat
from ddpm_jax.data import sources
from ddpm_jax.diffusion import elbo, losses, pixels, predictions, schedules, times
from ddpm_jax.diffusion import weightings as weightings_lib
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.samplers import ancestral, chain, ddim, grids
from ddpm_jax.nets import unet
from ddpm_jax.training import optimizer, parallel, state, step
from ddpm_jax.training.randomness import Stream, stream_key
from ddpm_jax.training.state import Params, TrainState

# Name -> (a table of num_steps betas?, factory).
SCHEDULES: dict[str, tuple[bool, Callable[..., schedules.Schedule]]] = {
    "linear_beta": (True, schedules.linear_beta),
    "quadratic_beta": (True, schedules.quadratic_beta),
    "cosine_beta": (True, schedules.cosine_beta),
    "sigmoid_beta": (True, schedules.sigmoid_beta),
    "constant_beta": (True, schedules.constant_beta),
    "cosine": (False, schedules.cosine),
    "linear_log_snr": (False, schedules.linear_log_snr),
}
NETWORKS: dict[str, Callable[..., nn.Module]] = {"unet": unet.UNet}
# Where the log of the reverse variance lies between the posterior's and the forward's.
VARIANCE_FRACTIONS: dict[str, float | None] = {
    "posterior": 0.0,
    "forward": 1.0,
    "learned": None,
}
# The bound itself, beside the weighted errors of weightings.py.
ELBO = "elbo"
TIME_SAMPLING = ("uniform", "stratified", "importance")
ESTIMATORS: dict[str, Callable[..., elbo.Estimate]] = {
    "stratified": elbo.stratified,
    "full": elbo.full,
}
# The options of each are those of config.sample's group of its name.
SAMPLERS: dict[str, Callable[..., chain.Step]] = {
    "ancestral": lambda: ancestral.step,
    "ddim": ddim.make_step,
}


def check(config: Config) -> None:
    """All that can be said against a config before anything is built.

    Raises:
      ConfigError: the first such thing, in one line.
    """
    checks.fields(config)
    tables: dict[str, Mapping[str, Any]] = {
        "prediction": predictions.KINDS,
        "reverse_variance": VARIANCE_FRACTIONS,
        "schedule.name": SCHEDULES,
        "model.name": NETWORKS,
        "loss.weighting": {**weightings_lib.WEIGHTINGS, ELBO: None},
        "loss.time_sampling": dict.fromkeys(TIME_SAMPLING),
        "optimizer.name": optimizer.OPTIMIZERS,
        "optimizer.decay": optimizer.DECAYS,
        "parallel.mode": parallel.MODES,
        "eval.estimator": ESTIMATORS,
        "sample.sampler": SAMPLERS,
        "sample.spacing": grids.GRIDS,
        "model.unet.dtype": dict.fromkeys(("float32", "bfloat16")),
    }
    for field, table in tables.items():
        choose(table, flat(config)[field], field)
    checks.ranges(config)
    if config.eval.estimator == "stratified" and config.eval.num_draws % 2:
        raise ConfigError(
            f"config.eval.num_draws = {config.eval.num_draws}: the stratified estimate"
            " draws in pairs, write an even number."
        )
    for group in ("eval", "sample"):
        field = f"{group}.weights"
        choose(dict.fromkeys(weight_names(config)), config[group].weights, field)


@errors_are_the_users()
def mesh(config: Config) -> Mesh:
    """All devices, in the groups of config.parallel.fsdp."""
    return parallel.make_mesh(config.parallel.fsdp)


@errors_are_the_users()
def source(config: Config, split: str) -> sources.Source:
    """The data set that config.data names, one split of it."""
    data = config.data
    return sources.make(
        data.name,
        split,
        image_size=data.image_size or None,
        center_crop=data.center_crop or None,
        channels=data.channels or None,
        stride=data.stride,
        data_dir=data.data_dir or None,
        skip_broken=data.skip_broken,
    )


@errors_are_the_users()
def model(config: Config, data: sources.Source) -> Model:
    """The model for images like those of `data`."""
    num_steps = config.schedule.num_steps
    is_table, make_schedule = choose(SCHEDULES, config.schedule.name, "schedule.name")
    options = dict(config.schedule[config.schedule.name])
    if is_table:
        options["num_steps"] = num_steps
    fraction = choose(VARIANCE_FRACTIONS, config.reverse_variance, "reverse_variance")
    channels = data.shape[-1]
    make_network = choose(NETWORKS, config.model.name, "model.name")
    network = make_network(
        out_channels=2 * channels if fraction is None else channels,
        **dict(config.model[config.model.name]),
    )
    built = Model(
        network=network,
        schedule=make_schedule(**options),
        kind=choose(predictions.KINDS, config.prediction, "prediction"),
        variance_fraction=fraction,
        codec=pixels.DiscretizedGaussian(num_values=data.num_values),
        num_steps=num_steps,
        time_scale=config.model.time_scale or float(num_steps - 1),
        shape=data.shape,
    )
    try:
        jax.eval_shape(built.init, stream_key(config.seed, Stream.INIT))
    except ValueError as error:
        height, width, _ = data.shape
        raise ConfigError(
            f"config.model.{config.model.name} does not fit the {height}x{width} images"
            f" of config.data.name = {data.name!r}: {error}"
        ) from error
    return built


def loss(config: Config, model: Model) -> step.LossFn:
    """Loss of each example, by config.loss."""
    name = config.loss.weighting
    options = dict(config.loss.get(name, {}))
    table = weightings_lib.WEIGHTINGS
    weighting = None if name == ELBO else table[name](**options)
    variance_weight = config.loss.variance_weight

    def loss_fn(
        params: Params, batch: step.Batch, draws: step.Draws
    ) -> Float[Array, " batch"]:
        images = batch["image"]
        eps = jax.vmap(lambda key: jax.random.normal(key, model.shape))(
            draws.noise_keys
        )
        diffusion = model.bind(params, draws.dropout_keys)
        at = (images, draws.time_index, eps, model.num_steps)
        if weighting is None:
            return losses.elbo(diffusion, model.codec, *at)
        if model.variance_fraction is None:
            return losses.hybrid(
                diffusion, weighting, model.codec, *at, variance_weight=variance_weight
            )
        x = model.codec.encode(images)
        return losses.weighted(diffusion, weighting, x, draws.t, eps)

    return loss_fn


def optimizer_of(
    config: Config,
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """The optimiser and, for the log, its learning rate by updates done."""
    c = config.optimizer
    rate = optimizer.learning_rate_schedule(
        c.learning_rate,
        warmup_steps=c.warmup_steps,
        decay=c.decay,
        decay_steps=c.decay_steps,
        final_fraction=c.final_fraction,
    )
    rule = optimizer.make_optimizer(
        c.name,
        rate,
        b1=c.b1,
        b2=c.b2,
        eps=c.eps,
        weight_decay=c.weight_decay,
        clip_norm=c.clip_norm,
    )
    return rule, rate


def ema_decays(config: Config) -> Mapping[str, float]:
    """Each average of the parameters, by its decay as text."""
    return {str(d): d for d in (config.ema.decay, *config.ema.extra_decays)}


def weight_names(config: Config) -> list[str]:
    """What eval.weights and sample.weights may say."""
    return ["raw", "ema", *(f"ema:{name}" for name in ema_decays(config))]


def weights(config: Config, state: TrainState, name: str) -> Params:
    """The parameters that one of `weight_names` means."""
    if name == "raw":
        return state.params
    decay = name.removeprefix("ema:") if ":" in name else str(config.ema.decay)
    return state.ema_params[decay]


@errors_are_the_users()
def training(config: Config, mesh: Mesh, model: Model) -> parallel.Training:
    """The first state, and the step that advances it, on the devices of `mesh`."""
    rule, rate = optimizer_of(config)
    sampling = config.loss.time_sampling

    def init() -> TrainState:
        is_adaptive = sampling == "importance"
        return state.create(
            model.init(stream_key(config.seed, Stream.INIT)),
            rule,
            tuple(ema_decays(config)),
            times.init_history(model.num_steps) if is_adaptive else (),
        )

    mode = config.parallel.mode
    train_step = step.make_train_step(
        loss(config, model),
        rule,
        rate,
        step.StepSettings(
            seed=config.seed,
            batch_size=config.data.batch_size,
            num_latents=model.num_steps,
            time_sampling=sampling,
            num_microbatches=config.training.num_microbatches,
            ema_decays=ema_decays(config),
            ema_warmup=config.ema.warmup,
            log_every=config.training.log_every,
        ),
        axis_name=parallel.PMAP_AXIS if mode == "pmap" else None,
    )
    return choose(parallel.MODES, mode, "parallel.mode")(
        mesh, init, train_step, remat=config.model.unet.remat
    )


@errors_are_the_users()
def bound_estimator(
    config: Config, model: Model
) -> Callable[[Diffusion, Array, Key[Array, " batch"]], elbo.Estimate]:
    """(diffusion, pixels, one key an example) -> estimate of the bound, by config.eval."""
    estimator = choose(ESTIMATORS, config.eval.estimator, "eval.estimator")

    def estimate(diffusion: Diffusion, images: Array, keys: Array) -> elbo.Estimate:
        if config.eval.clip:
            diffusion = predictions.clipped(diffusion)
        return estimator(
            diffusion,
            model.codec,
            images,
            keys,
            num_steps=model.num_steps,
            num_draws=config.eval.num_draws,
        )

    return estimate


@errors_are_the_users()
def sampler(
    config: Config, model: Model
) -> Callable[[Diffusion, Key[Array, " batch"], chain.Progress], Array]:
    """(diffusion, one key a sample, progress) -> x, by config.sample."""
    c = config.sample
    make_step = choose(SAMPLERS, c.sampler, "sample.sampler")
    update = make_step(**dict(c.get(c.sampler, {})))
    make_grid = choose(grids.GRIDS, c.spacing, "sample.spacing")
    grid = grids.times(make_grid(model.num_steps, c.num_steps), model.num_steps)

    def draw(diffusion: Diffusion, keys: Array, progress: chain.Progress) -> Array:
        if c.clip:
            diffusion = predictions.clipped(diffusion)
        return chain.sample(diffusion, update, grid, keys, model.shape, progress)

    return draw


def num_network_evaluations(config: Config) -> int:
    """Of the evaluation, for each image."""
    if config.eval.estimator == "full":
        return elbo.full_evaluations(config.schedule.num_steps, config.eval.num_draws)
    return elbo.stratified_evaluations(config.eval.num_draws)
