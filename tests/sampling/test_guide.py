"""What a model is told of classes: those it knows, and none where it knows none."""

import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.sampling import guide, guides
from tests import tiny
from tests.sampling import guided

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def test_a_model_is_told_its_classes_and_one_that_knows_none_nothing(told, plain):
    labels = jnp.array([3, -1])
    np.testing.assert_array_equal(
        guide.class_conditioning(told.model, labels).labels, labels
    )
    assert guide.class_conditioning(plain.model, labels).labels is None
    assert guide.class_conditioning(told.model, labels).numbers is None


def test_without_guidance_the_model_is_bound_as_it_is(told, plain):
    for run, c, num in ((told, guided.config(), 10), (plain, tiny.config(), 0)):
        alone = guides.alone(c, run.model)
        assert (alone.num_classes, alone.params) == (num, ())
        labels = jnp.array([3, -1])
        bound = alone.bind(run.params, (), labels)
        z_t, t = jnp.ones((2, 8, 8, 1)), jnp.array([0.2, 0.8])
        conditioning = guide.class_conditioning(run.model, labels)
        own = run.model.bind(run.params, conditioning=conditioning).denoise(z_t, t)
        np.testing.assert_array_equal(bound.denoise(z_t, t).eps, own.eps)
