"""The table of figures, in the order of the page."""

from ddpm_jax.core.choice import Table
from ddpm_jax.gallery.figures import (
    bound_gap,
    contraction,
    deconvolution,
    fixed_point,
    gaussian_fit,
    mean_variance,
    melting,
    noise_immunity,
    reverse,
    trajectories,
    two_peaks,
)

# Each makes a `figure.Figure` of its options.
FIGURES: Table = {
    "melting": melting.CHOICE,
    "reverse": reverse.CHOICE,
    "noise_immunity": noise_immunity.CHOICE,
    "contraction": contraction.CHOICE,
    "fixed_point": fixed_point.CHOICE,
    "gaussian_fit": gaussian_fit.CHOICE,
    "deconvolution": deconvolution.CHOICE,
    "trajectories": trajectories.CHOICE,
    "two_peaks": two_peaks.CHOICE,
    "mean_variance": mean_variance.CHOICE,
    "bound_gap": bound_gap.CHOICE,
}
