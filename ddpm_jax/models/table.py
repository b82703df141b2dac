"""Tables of a model's parts: networks, schedules, decoders, reverse variances, losses."""

from ddpm_jax.core.choice import Choice, Options, Table
from ddpm_jax.diffusion.objectives.weightings import WEIGHTINGS
from ddpm_jax.diffusion.process import (
    categorical,
    discretized_gaussian,
    gaussian_decoder,
    schedules,
)
from ddpm_jax.models import backbone
from ddpm_jax.nets import classifier, learned_schedule, mlp, unet, vdm_unet

# Each makes a network of its options and a `nets.interface.Interface`. A "classifier" sorts
# images; the others put images out. "takes_any_shape": of any height and width, 1 too.
MODELS: Table = {
    "unet": unet.CHOICE,
    "vdm_unet": vdm_unet.CHOICE,
    "mlp": mlp.CHOICE,
    "classifier": classifier.CHOICE,
}

# Each makes a schedule of its options and T, or, if it is "learned", the module that learns it.
SCHEDULES: Table = {
    **schedules.SCHEDULES,
    "learned_monotone": learned_schedule.CHOICE,
}

# Each makes a `PixelDecoder` of its options, the number V of values and the kind of its mean.
# "continuous": of data that are real numbers, and V is 0.
PIXEL_DECODERS: Table = {
    "discretized_gaussian": Choice(
        Options, lambda _, *inputs: discretized_gaussian.DiscretizedGaussian(*inputs)
    ),
    "categorical": Choice(Options, lambda _, *inputs: categorical.Categorical(*inputs)),
    "gaussian": gaussian_decoder.CHOICE,
}

# Each makes the variance_fraction of a `Prediction`: the position of the log reverse variance
# between the posterior's and the forward process's; "learned": None.
REVERSE_VARIANCES: Table = {
    "posterior": Choice(Options, lambda _: 0.0),
    "forward": Choice(Options, lambda _: 1.0),
    "learned": Choice(Options, lambda _: None, frozenset({"learned"})),
}

# Each makes a `TimeInput`. "follows_log_snr": the network can be evaluated at the times of any
# schedule.
TIME_INPUTS: Table = {
    "t": Choice(Options, lambda _: backbone.by_time),
    "log_snr": Choice(
        Options, lambda _: backbone.by_log_snr, frozenset({"follows_log_snr"})
    ),
}

# The mean of a pixel decoder. "needs_network": it is the network's estimate at z_0.
DECODER_MEANS: Table = {
    "x_hat": Choice(Options, lambda _: "x_hat", frozenset({"needs_network"})),
    "z_0": Choice(Options, lambda _: "z_0"),
}

# Weightings of the denoiser's error. "is_the_bound": the bound itself, without a weighting.
LOSSES: Table = {
    **WEIGHTINGS,
    "elbo": Choice(Options, lambda _: None, frozenset({"is_the_bound"})),
}

# The sampling of a batch's times. "stratified": they cover [0, 1) evenly; "by_loss": more of
# them lie where the loss varies more.
TIME_SAMPLINGS: Table = {
    "uniform": Choice(Options, lambda _: None),
    "stratified": Choice(Options, lambda _: None, frozenset({"stratified"})),
    "importance": Choice(Options, lambda _: None, frozenset({"stratified", "by_loss"})),
}

# The objective of the interior of a learned schedule in continuous time.
INTERIOR_GOALS: Table = {
    "variance": Choice(Options, lambda _: None, frozenset({"least_variance"})),
    "elbo": Choice(Options, lambda _: None),
}
