"""A checkpoint's parameters and what they belong to: nothing of it is lost on the way."""

import jax
import numpy as np
import pytest

from ddpm_jax.data.source import Source
from ddpm_jax.models import build
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import OtherRuns, Restored
from ddpm_jax.runs import restore
from tests import tiny
from tests.training.test_checkpoints import assert_same

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def test_a_restored_run_has_all_that_evaluation_and_sampling_start_from(plain_run):
    c = tiny.config(training__num_steps=2)
    found = restore.load(tiny.config(), plain_run, step=2, weights="raw")
    assert isinstance(found, Restored) and isinstance(found.model, Denoiser)
    assert isinstance(found.source, Source) and isinstance(found.others, OtherRuns)
    assert (str(found.path), found.step) == (str(plain_run), 2)
    assert found.config.to_dict() == c.to_dict()
    assert found.mesh.devices.size == 1
    assert found.source.identity == build.source(c, "test").identity
    # Raw and averaged weights are two, of the same shapes.
    averaged = restore.load(c, plain_run, step=-1, weights="ema")
    assert jax.tree.structure(averaged.params) == jax.tree.structure(found.params)
    pairs = zip(
        jax.tree.leaves(averaged.params), jax.tree.leaves(found.params), strict=True
    )
    assert any(np.any(a != b) for a, b in pairs)
    assert_same(
        restore.load(c, plain_run, step=2, weights="ema:0.9").params,
        averaged.params,
        rtol=0,
    )
