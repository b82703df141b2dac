"""Small blocks, so that few examples are many blocks."""

import numpy as np
import pytest

from ddpm_jax.metrics import features


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def blocks_of_seven(monkeypatch):
    monkeypatch.setattr(features, "BLOCK", 7)
