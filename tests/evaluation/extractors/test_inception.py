"""What the network of the FID is shown, and what is taken of its answer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import table
from ddpm_jax.evaluation.extractors import inception
from ddpm_jax.evaluation.extractors.extractor import ExtractorFiles
from ddpm_jax.runs import restore
from tests import tiny


class Shown:
    """A network whose features are the pixels that it is shown; of three classes."""

    def __init__(self, preparation):
        self.preparation = preparation

    def apply(self, variables, pixels):
        assert pixels.dtype == jnp.uint8
        flat = pixels.reshape(len(pixels), -1).astype(jnp.float32)
        logits = variables["params"]["scale"] * flat[:, :3]
        nothing = jnp.zeros((len(pixels), 1))
        with_bias = logits + jnp.arange(3.0)[None]
        return inception.network.Features(*3 * [nothing], flat, with_bias, logits)


@pytest.fixture
def make(monkeypatch):
    """Makes the extractor of digits by a network with these parameters."""
    monkeypatch.setattr(inception.network, "InceptionV3", Shown)
    monkeypatch.setattr(inception.torch_file, "read_state_dict", lambda file: file)

    def make(scale=0.1, preparation="tensorflow", data="digits"):
        def params(arrays, field):
            assert arrays == "weights.pth"
            assert field == "config.eval.quality.inception = 'weights.pth'"
            return {"scale": jnp.float32(scale)}

        monkeypatch.setattr(inception.network, "from_state_dict", params)
        files = ExtractorFiles(inception="weights.pth", preparation=preparation)
        load = inception.CHOICE.make(inception.CHOICE.options(), files)
        source = table.make(data, "test")
        return load(tiny.config(), tiny.one_device(), source, restore.OTHERS)

    return make


def test_pixels_fill_eight_bits_and_classes_are_judged_without_their_bias(make):
    pixels = np.random.default_rng(0).integers(0, 17, (5, 8, 8, 1), np.uint8)
    seen = make().extract(jax.device_put(pixels))
    shown = np.rint(pixels.reshape(5, -1) * 255.0 / 16.0)
    np.testing.assert_array_equal(seen.features, shown)
    expected = scipy.special.log_softmax(0.1 * shown[:, :3], axis=1)
    np.testing.assert_allclose(seen.log_probs, expected, atol=1e-5)


def test_its_identity_is_of_arrays_and_preparation(make):
    first = make().identity
    assert first.keys() == {"name", "layer", "arrays", "preparation"}
    assert make().identity == first
    assert make(scale=0.2).identity["arrays"] != first["arrays"]
    other = make(preparation="pytorch_fid").identity
    assert other == {**first, "preparation": "pytorch_fid"}


def test_points_are_refused(make):
    message = (
        r"^config.eval.quality.extractor = 'inception' judges images, and"
        r" 'points:two_peaks' are points: write 'values'\.$"
    )
    with pytest.raises(ConfigError, match=message):
        make(data="points:two_peaks")
