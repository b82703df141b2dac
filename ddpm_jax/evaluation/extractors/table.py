"""The networks that may judge samples, by name."""

from ddpm_jax.core.choice import Table
from ddpm_jax.evaluation.extractors import classifier, inception

# Each makes a `Load` of its options and an `ExtractorFiles`; it raises ConfigError where its
# weights are not said.
EXTRACTORS: Table = {
    "inception": inception.CHOICE,
    "classifier": classifier.CHOICE,
}
