"""Configs of guided samples, and what is drawn by them."""

import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.sampling import guides, sample_batches
from ddpm_jax.sampling.guide import Guide
from tests import tiny

LEARNING = {"model__class_conditional": True, "optimizer__learning_rate": 0.05}


FREE = {"sample__guidance": "classifier_free"}


WEAK = {"sample__guidance": "autoguidance", "sample__autoguidance__step": 2}


TOLD = {"sample__classes": (3, 7, 0)}


def config(**changes):
    return tiny.config(**(LEARNING | changes))


def by_sorter(path, scale=1.0):
    return {
        "sample__guidance": "classifier",
        "sample__classifier__workdir": str(path),
        "sample__classifier__scale": scale,
    }


def drawn(told, **changes):
    """Eight samples, as pixels, guided as the config says."""
    c = config(**changes)
    check_config(c)
    batches = sample_batches.Batches(c, told.mesh, told.model, guides.of(c, told))
    return batches.draw(told.params, 0).pixels


def labels_of(num_classes, **changes):
    guide = Guide(num_classes, (), lambda *_: None)
    of_numbers = guides.labels(tiny.config(**changes), guide)
    return lambda numbers: np.asarray(of_numbers(jnp.asarray(numbers)))


def refused(told, message, **changes):
    """Told in one line, once the runs it names are looked at."""
    c = config(**changes)
    check_config(c)
    with pytest.raises(ConfigError, match=message) as error:
        sample_batches.Batches(c, told.mesh, told.model, guides.of(c, told))
    assert "\n" not in str(error.value)
