"""What a model is made of, by name: networks, schedules, decoders and reverse variances."""

from ddpm_jax.core.choice import Choice, Options, Table
from ddpm_jax.diffusion.process import categorical, discretized_gaussian, schedules
from ddpm_jax.nets import classifier, learned_schedule, unet, vdm_unet

# Each makes a network of its options and a `nets.interface.Interface`. "denoiser": it puts out
# images; "classifier": it sorts them.
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
