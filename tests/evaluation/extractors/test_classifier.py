"""A classifier's features of images, by the model that its checkpoint has."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.evaluation.extractors.classifier import CHOICE
from ddpm_jax.evaluation.extractors.extractor import ExtractorFiles
from ddpm_jax.models.restored import OtherRuns
from ddpm_jax.runs import restore
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def test_features_are_those_of_images_without_noise(judge, look, train_images):
    own = restore.load_classifier(tiny.sorting(), judge, step=2, weights="ema")
    x = train_images[:16].astype(np.float32) / 8.0 - 1.0
    # At t = 0 the log SNR is 6.
    alpha = np.float32(math.sqrt(1.0 / (1.0 + math.exp(-6.0))))
    classify = own.model.bind(jax.device_get(own.params))
    found = classify(jnp.asarray(alpha * x), jnp.zeros(16))
    seen = look(train_images[:16])
    np.testing.assert_allclose(seen.features, found.features, atol=1e-5)
    want = jax.nn.log_softmax(found.logits)
    np.testing.assert_allclose(seen.log_probs, want, atol=1e-5)


def test_the_newest_averages_of_the_named_run_are_asked_for(restored, judge):
    asked = []

    def classifier(*args, **kwargs):
        asked.append((args, kwargs))
        return restore.other_classifier(*args, **kwargs)

    c, mesh, source = tiny.config(), restored.mesh, restored.source
    load = CHOICE.make(CHOICE.options(), ExtractorFiles(classifier=str(judge)))
    others = OtherRuns(restore.other_denoiser, classifier)
    identity = load(c, mesh, source, others).identity
    ((field, directory, config, data), options), *none = asked
    assert none == []
    assert field == f"config.eval.quality.classifier = {str(judge)!r}"
    assert (directory, config, data) == (str(judge), c, source)
    assert options == {"step": -1, "weights": "ema"}
    assert identity.keys() == {"name", "layer", "arrays", "step"}
    assert identity["step"] == 2
    # An earlier step has other arrays.
    first = restore.load_classifier(tiny.sorting(), judge, step=1, weights="ema")
    others = OtherRuns(restore.other_denoiser, lambda *_, **__: first)
    earlier = load(c, mesh, source, others).identity
    assert earlier["step"] == 1 and earlier["arrays"] != identity["arrays"]
