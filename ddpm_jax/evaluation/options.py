"""Options of evaluations."""

import dataclasses

from ddpm_jax.core.choice import Options, option
from ddpm_jax.diffusion.likelihood.probability_flow import SolverOptions


@dataclasses.dataclass(frozen=True)
class OdeOptions(SolverOptions):
    """Options of the density of the probability flow."""

    dequantization: str = option("truncated_normal", "Or uniform, or decoder.")
    num_importance: int = option(
        1, "Latents an image inside the logarithm.", at_least=1
    )
    num_draws: int = option(
        1, "Repetitions of all that; from 2 on, their error is known.", at_least=1
    )
    divergence: str = option("hutchinson", "Or exact.")
    probe: str = option("rademacher", "Of Hutchinson's estimate: or gaussian.")
    num_probes: int = option(1, "Of Hutchinson's estimate.", at_least=1)
    antithetic: bool = option(
        False, "Probes in pairs whose neighbouring entries cancel."
    )
    chunk: int = option(8, "Exact: basis vectors at once.", at_least=1)


@dataclasses.dataclass(frozen=True)
class QualityOptions(Options):
    """Options of the quality of samples."""

    extractor: str = option("inception", "Of features: or classifier.")
    inception: str = option("", "The file pt_inception-2015-12-05-6726825d.pth.")
    preparation: str = option("tensorflow", "Of images for it: or pytorch_fid.")
    classifier: str = option("", "Workdir of a classifier of the same data.")
    reference: str = option("", 'File of --mode=reference; "": in the workdir.')
    num_samples: int = option(50_000, "A repetition.", at_least=1)
    num_repeats: int = option(
        1, "Of all that, with other samples: tells the error.", at_least=1
    )
