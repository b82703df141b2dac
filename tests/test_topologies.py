"""One device, eight in every arrangement, two processes: the same losses and parameters."""

import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

from ddpm_jax.core import sharding
from tests import topology

ROOT = pathlib.Path(__file__).parents[1]

EIGHT_DEVICES = {
    "jit, 8 x 1": ("jit", 1),
    "jit, 2 x 4": ("jit", 4),
    "pmap over 8": ("pmap", 1),
}
OTHERS = ("jit, 2 x 4", "pmap over 8")


pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture(scope="module")
def alone():
    mesh = jax.make_mesh(
        (1, 1),
        sharding.BATCH_AXES,
        axis_types=(AxisType.Auto,) * 2,
        devices=jax.devices()[:1],
    )
    return topology.train("jit", mesh)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """The folder of what two processes wrote, of two devices each: one run for each mode."""
    folder = tmp_path_factory.mktemp("two_processes")
    command = [sys.executable, "-m", "tests.topology", str(folder)]
    command += ["--devices=2", "--fsdp=2", "--mode", "jit", "pmap"]
    command += ["--processes=2", f"--port={free_port()}"]
    processes = [
        subprocess.Popen(
            [*command, f"--process={i}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(2)
    ]
    for process in processes:
        printed, _ = process.communicate(timeout=400)
        assert process.returncode == 0, printed
    return folder


def assert_the_same(found, alone):
    assert found.keys() == alone.keys()
    np.testing.assert_allclose(found["losses"], alone["losses"], rtol=1e-5)
    assert len(alone["losses"]) == 20
    for array, value in found.items():
        # Relative to the array's own scale: of one that starts at zero, such as a bias,
        # single elements may be arbitrarily small.
        scale = max(np.max(np.abs(alone[array])), 1e-3)
        np.testing.assert_allclose(
            value, alone[array], atol=1e-5 * scale, rtol=1e-5, err_msg=array
        )


@pytest.mark.parametrize(
    "name", [pytest.param("jit, 8 x 1", marks=pytest.mark.long), *OTHERS]
)
def test_eight_devices_learn_the_same(name, alone):
    mode, fsdp = EIGHT_DEVICES[name]
    assert_the_same(topology.train(mode, sharding.make_mesh(fsdp)), alone)


@pytest.mark.parametrize("mode", ["jit", "pmap"])
def test_two_processes_learn_the_same(mode, alone, two_processes):
    assert_the_same(dict(np.load(two_processes / f"{mode}.npz")), alone)
