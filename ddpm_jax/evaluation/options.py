"""The config group of the quality of samples, config.eval.quality."""

import dataclasses

from ddpm_jax.core.choice import chosen_from, option
from ddpm_jax.evaluation.extractors.extractor import ExtractorFiles
from ddpm_jax.evaluation.extractors.table import EXTRACTORS


@dataclasses.dataclass(frozen=True)
class QualityOptions(ExtractorFiles):
    """Samples as config.sample describes them, by config.eval.weights, and their judge."""

    extractor: str = chosen_from("inception", EXTRACTORS, "Extractor of features.")
    reference: str = option("", 'File of --mode=reference; "": in the workdir.')
    samples: str = option(
        "", 'Folders of samples to measure, by commas or patterns; "": draw anew.'
    )
    num_samples: int = option(50_000, "Samples in a repetition.", at_least=1)
    num_repeats: int = option(
        1, "Repetitions with other samples; 2 or more give the error.", at_least=1
    )
