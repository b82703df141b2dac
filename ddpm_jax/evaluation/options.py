"""How samples are judged: the group config.eval.quality."""

import dataclasses

from ddpm_jax.core.choice import chosen_from, option
from ddpm_jax.evaluation.extractors.extractor import ExtractorFiles
from ddpm_jax.evaluation.extractors.table import EXTRACTORS


@dataclasses.dataclass(frozen=True)
class QualityOptions(ExtractorFiles):
    """Samples as config.sample describes them, by config.eval.weights, and their judge."""

    extractor: str = chosen_from("inception", EXTRACTORS, "Of features.")
    reference: str = option("", 'File of --mode=reference; "": in the workdir.')
    num_samples: int = option(50_000, "In a repetition.", at_least=1)
    num_repeats: int = option(
        1, "Of all that, with other samples: tells the error.", at_least=1
    )
