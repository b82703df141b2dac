"""One pass: every example once and in order, whatever the batch."""

import jax
import numpy as np
import pytest

from ddpm_jax.core import sharding
from ddpm_jax.data import builtin, passes, pipeline


@pytest.mark.parametrize("size", [8, 16, 32])
def test_every_example_comes_once_and_in_order(size):
    source = pipeline.first(builtin.digits("test"), 21)
    mesh, images, indices = sharding.make_mesh(1), [], []
    for batch, kept in passes.device_batches(mesh, source, size, "looking"):
        assert batch["image"].shape == (size, 8, 8, 1) and kept.shape == (size,)
        images.append(np.asarray(batch["image"])[kept])
        indices.append(np.asarray(batch["index"])[kept])
    np.testing.assert_array_equal(np.concatenate(indices), np.arange(21))
    wanted = np.stack([source[i]["image"] for i in range(21)])
    np.testing.assert_array_equal(np.concatenate(images), wanted)


def test_each_process_reads_its_part(monkeypatch):
    source = pipeline.first(builtin.digits("test"), 21)
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    found = []
    for process in range(4):
        monkeypatch.setattr(jax, "process_index", lambda process=process: process)
        own = passes.batches(source, 8)
        assert len(own) == 3
        found.append(np.stack([own[n]["index"] for n in range(3)]))
    np.testing.assert_array_equal(np.concatenate(found, axis=1).ravel(), np.arange(24))
