"""What extractors share: the fields that say where they are, and one compiled program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.evaluation.extractors import extractor
from tests import tiny


def test_a_field_that_is_needed_is_named_where_it_is_empty():
    assert extractor.needed("judge", "a/file", "the file") == "a/file"
    message = (
        r"^config.eval.quality.extractor = 'judge' needs config.eval.quality.judge, the"
        r" file\.$"
    )
    with pytest.raises(ConfigError, match=message):
        extractor.needed("judge", "", "the file")


def test_a_preparation_is_one_of_those_there_are():
    with pytest.raises(ValueError, match=r"^preparation = 'pytorch' is not one of"):
        extractor.ExtractorFiles(preparation="pytorch")


def test_looking_gives_both_parts_on_the_host_and_compiles_once():
    traced = []

    def look(params, pixels):
        traced.append(1)
        flat = pixels.reshape(len(pixels), -1)
        return params * flat, jax.nn.log_softmax(flat)

    made = extractor.compiled(
        tiny.one_device(), {"name": "own"}, jnp.float32(2.0), look
    )
    pixels = np.arange(12.0, dtype=np.float32).reshape(3, 2, 2, 1)
    for _ in range(2):
        seen = made.extract(jnp.asarray(pixels))
    assert traced == [1] and made.identity == {"name": "own"}
    assert all(isinstance(part, np.ndarray) for part in seen)
    np.testing.assert_array_equal(seen.features, 2.0 * pixels.reshape(3, 4))
    np.testing.assert_allclose(np.exp(seen.log_probs).sum(axis=1), 1.0, rtol=1e-6)
