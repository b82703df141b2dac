"""What a model is made of, by name: networks, schedules, decoders and reverse variances."""

from ddpm_jax.core.choice import Choice, Options, Table
from ddpm_jax.diffusion.objectives.weightings import WEIGHTINGS
from ddpm_jax.diffusion.process import categorical, discretized_gaussian, schedules
from ddpm_jax.models import backbone
from ddpm_jax.nets import classifier, learned_schedule, unet, vdm_unet

# Each makes a network of its options and a `nets.interface.Interface`. A "classifier" sorts
# images; the others put images out.
MODELS: Table = {
    "unet": unet.CHOICE,
    "vdm_unet": vdm_unet.CHOICE,
    "classifier": classifier.CHOICE,
}

# Each makes a schedule of its options and T, or, if it is "learned", the module that learns it.
SCHEDULES: Table = {
    **schedules.SCHEDULES,
    "learned_monotone": learned_schedule.CHOICE,
}

# Each makes a `PixelDecoder` of V, and of what its mean is.
PIXEL_DECODERS: Table = {
    "discretized_gaussian": Choice(
        Options, lambda _, *of: discretized_gaussian.DiscretizedGaussian(*of)
    ),
    "categorical": Choice(Options, lambda _, *of: categorical.Categorical(*of)),
}

# Each makes the variance_fraction of a `Prediction`: where the log of the reverse variance lies
# between the posterior's and the forward process's; one that is "learned" makes None.
REVERSE_VARIANCES: Table = {
    "posterior": Choice(Options, lambda _: 0.0),
    "forward": Choice(Options, lambda _: 1.0),
    "learned": Choice(Options, lambda _: None, frozenset({"learned"})),
}

# Each makes a `TimeInput`. "follows_log_snr": the network can be asked about the times of any
# schedule.
TIME_INPUTS: Table = {
    "t": Choice(Options, lambda _: backbone.by_time),
    "log_snr": Choice(
        Options, lambda _: backbone.by_log_snr, frozenset({"follows_log_snr"})
    ),
}

# What a decoder's mean is. "asks_network": the network's estimate at z_0.
DECODER_MEANS: Table = {
    "x_hat": Choice(Options, lambda _: "x_hat", frozenset({"asks_network"})),
    "z_0": Choice(Options, lambda _: "z_0"),
}

# Of the denoiser's error. "is_the_bound": the bound itself, which has no weighting.
LOSSES: Table = {
    **WEIGHTINGS,
    "elbo": Choice(Options, lambda _: None, frozenset({"is_the_bound"})),
}

# Where the times of a batch come from. "stratified": they cover [0, 1) evenly; "by_loss": more
# of them where the loss varies more.
TIME_SAMPLINGS: Table = {
    "uniform": Choice(Options, lambda _: None),
    "stratified": Choice(Options, lambda _: None, frozenset({"stratified"})),
    "importance": Choice(Options, lambda _: None, frozenset({"stratified", "by_loss"})),
}

# What the interior of a learned schedule lowers in continuous time.
INTERIOR_GOALS: Table = {
    "variance": Choice(Options, lambda _: None, frozenset({"least_variance"})),
    "elbo": Choice(Options, lambda _: None),
}
