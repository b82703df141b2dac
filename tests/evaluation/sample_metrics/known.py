"""Features that are drawn, and references of them."""

import numpy as np
import scipy.special

from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures
from ddpm_jax.evaluation.reference import Reference
from ddpm_jax.metrics import moments


def features(seed: int, num: int, *, offset: float = 0.0) -> np.ndarray:
    """[num, 4], correlated."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((num, 4)) @ np.random.default_rng(9).random((4, 4))
    return (mixed + offset).astype(np.float32)


def reference(values: np.ndarray, num_kept: int | None = None) -> Reference:
    """Of these, of which the first are kept."""
    return Reference({}, moments.from_features(values), values[:num_kept])


def seen(values: np.ndarray, num_classes: int = 3) -> ExtractedFeatures:
    """With classes that the features decide."""
    log_probs = scipy.special.log_softmax(values[:, :num_classes], axis=1)
    return ExtractedFeatures(values, log_probs.astype(np.float32))
