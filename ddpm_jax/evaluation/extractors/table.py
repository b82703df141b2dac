"""What samples may be judged by, by name: networks, or the data's own values."""

from ddpm_jax.core.choice import Table
from ddpm_jax.evaluation.extractors import classifier, inception, values

# Each makes a `Load` of its options and an `ExtractorFiles`; it raises ConfigError where its
# weights are not said. "without_classes": there are no log probabilities of classes.
EXTRACTORS: Table = {
    "inception": inception.CHOICE,
    "classifier": classifier.CHOICE,
    "values": values.CHOICE,
}
