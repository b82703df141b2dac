"""Samples by repetition: by number those that --mode=sample draws."""

import numpy as np
import pytest

from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures
from ddpm_jax.evaluation.repeated_samples import RepeatedSamples, Repetition
from ddpm_jax.sampling import sample_batches

pytestmark = pytest.mark.usefixtures("small_network", "one_device")
NUM = 13  # Of a repetition: a batch of 8 and 5 of another.


@pytest.fixture(scope="module")
def samples(judged, restored, extractor):
    c = judged(eval__quality__num_samples=NUM)
    return RepeatedSamples(c, restored, extractor)


def test_each_repetition_has_the_next_samples_by_number(
    samples, judged, restored, look
):
    batches = sample_batches.Batches(judged(), restored.mesh, restored.model)
    every = [batches.draw(restored.params, first) for first in range(0, 32, 8)]
    pixels = np.concatenate([batch.pixels for batch in every])
    for number in (0, 1):
        own, numbers = samples.draw(number), slice(number * NUM, (number + 1) * NUM)
        expected = look(pixels[numbers])
        np.testing.assert_allclose(own.features.features, expected.features, atol=1e-6)
        np.testing.assert_allclose(
            own.features.log_probs, expected.log_probs, atol=1e-5
        )
        assert own.labels.tolist() == NUM * [-1]
        # As many as config.sample.num_steps, of a sampler that asks once a step.
        assert own.num_evaluations == 3.0 and own.seconds > 0.0


def test_looking_ahead_changes_nothing(samples):
    first = samples.draw(0)
    samples.warm_up()
    again = samples.draw(0)
    np.testing.assert_array_equal(again.features.features, first.features.features)


def test_an_unguided_model_tells_of_no_other(samples):
    said = samples.convention({})
    assert not [name for name in said if name.startswith("arrays")]


def repetition(classes, labels):
    log_probs = np.log(np.eye(3, dtype=np.float32)[classes] + 0.1)
    features = np.zeros((len(classes), 1), np.float32)
    return Repetition(
        ExtractedFeatures(features, log_probs), np.array(labels), 1.0, 0.0
    )


def test_accuracy_is_over_samples_that_were_told_a_class():
    assert repetition([0, 1, 2, 2], [0, 2, 2, -1]).accuracy == 2 / 3
    assert repetition([1, 1], [1, 1]).accuracy == 1.0
