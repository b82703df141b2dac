"""Arrays over a mesh of devices, of which there are eight here."""

import jax
import numpy as np
import pytest

from ddpm_jax.core import sharding
from tests.training import toy


def test_a_batch_is_cut_over_all_devices():
    mesh = sharding.make_mesh(2)
    batch = sharding.put_batch(mesh, toy.batch(0))
    assert len(batch["image"].sharding.device_set) == 8
    assert batch["image"].addressable_shards[0].data.shape == (2, toy.DIM)
    np.testing.assert_array_equal(batch["image"], toy.batch(0)["image"])


def test_results_come_back_whole():
    mesh = sharding.make_mesh(2)
    double = sharding.compile_for_batch(mesh, lambda p, b: p * b["image"])
    found = double(2.0, sharding.put_batch(mesh, toy.batch(0)))
    assert found.is_fully_replicated
    np.testing.assert_array_equal(found, 2.0 * toy.batch(0)["image"])


@pytest.mark.parametrize("fsdp", [0, 3, 16])
def test_a_mesh_that_does_not_divide_is_refused(fsdp):
    with pytest.raises(ValueError, match=rf"parallel.fsdp = {fsdp} .*\[1, 2, 4, 8\]"):
        sharding.make_mesh(fsdp)


def test_the_mesh_is_all_devices_in_groups():
    mesh = sharding.make_mesh(2)
    assert mesh.shape == {"data": 4, "fsdp": 2}
    assert len(set(mesh.devices.ravel().tolist())) == 8


def test_a_batch_that_every_host_has_is_cut_and_comes_back_whole():
    mesh, values = sharding.make_mesh(4), np.arange(48.0).reshape(16, 3)
    placed = sharding.put_whole(mesh, values)
    assert {shard.data.shape for shard in placed.addressable_shards} == {(2, 3)}
    back = sharding.gathered(mesh, placed)
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, values)


def test_the_mask_says_which_examples_fill_up():
    mesh = sharding.make_mesh(1)
    batch = {"image": np.ones((8, 2), np.uint8), "mask": np.arange(8) < 5}
    placed, kept = sharding.put_masked(mesh, batch)
    assert kept.dtype == bool
    np.testing.assert_array_equal(kept, batch["mask"])
    np.testing.assert_array_equal(placed["image"], batch["image"])


def test_all_processes_take_the_number_of_the_first(monkeypatch):
    assert sharding.from_process_0(7) == 7
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    asked = []

    def broadcast(number):
        asked.append(int(number))
        return np.int32(4)

    monkeypatch.setattr(sharding.multihost_utils, "broadcast_one_to_all", broadcast)
    assert sharding.from_process_0(7) == 4 and asked == [7]
