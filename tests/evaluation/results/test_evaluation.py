"""Whatever measures between two steps of training hands back what a run's log needs."""

import jax
import numpy as np
import pytest
from etils import epath

from ddpm_jax.evaluation import in_training
from ddpm_jax.evaluation.results.evaluation import Evaluation, Measurement
from ddpm_jax.models import build
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


@pytest.mark.parametrize(
    "config",
    [
        tiny.config,
        lambda: tiny.config(
            eval__estimators="ode", eval__ode__rtol=0.1, eval__ode__atol=0.1
        ),
        tiny.sorting,
    ],
)
def test_the_headline_is_one_of_the_scalars(config, tmp_path):
    """By it, a run that goes on knows whether a step was evaluated."""
    c = config()
    source = build.source(c, "test")
    model = build.backbone(c, source)
    measurement = in_training.while_training(c, tiny.one_device(), model, source)
    assert isinstance(measurement, Measurement)
    params = tiny.away_from_start(jax.jit(model.init)(jax.random.key(0)))
    found = measurement.measured(epath.Path(tmp_path), params, 3)
    assert isinstance(found, Evaluation) and found.failure == ""
    assert found.scalars[measurement.headline] is not None
    assert f"{found.scalars[measurement.headline]:.4f}" in found.summary
    assert "\n" not in found.summary
    file = epath.Path(found.file)
    assert file.exists() and file.parent == epath.Path(tmp_path) / "eval"
    for picture in found.pictures.values():
        assert picture.dtype == np.uint8 and picture.ndim == 3
