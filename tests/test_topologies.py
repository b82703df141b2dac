"""One device, eight in every arrangement, two processes: the same losses and parameters."""

import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]

TOPOLOGIES = {
    "jit, 8 x 1": ["--devices=8", "--mode=jit", "--fsdp=1"],
    "jit, 2 x 4": ["--devices=8", "--mode=jit", "--fsdp=4"],
    "pmap over 8": ["--devices=8", "--mode=pmap"],
    "two processes, jit": ["--devices=2", "--mode=jit", "--fsdp=2"],
    "two processes, pmap": ["--devices=2", "--mode=pmap"],
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(out, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.topology", str(out), *arguments],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def trained(folder, name, arguments):
    out = folder / f"{name}.npz"
    if name.startswith("two processes"):
        port = f"--port={free_port()}"
        processes = [
            start(out, *arguments, port, "--processes=2", f"--process={i}")
            for i in range(2)
        ]
    else:
        processes = [start(out, *arguments)]
    for process in processes:
        printed, _ = process.communicate(timeout=400)
        assert process.returncode == 0, printed
    return dict(np.load(out))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("alone"), "alone", ["--devices=1"])


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_twenty_steps_are_the_same(name, alone, tmp_path):
    found = trained(tmp_path, name, TOPOLOGIES[name])
    assert found.keys() == alone.keys()
    np.testing.assert_allclose(found.pop("losses"), alone["losses"], rtol=1e-5)
    assert len(alone["losses"]) == 20
    for array, value in found.items():
        # Relative to the array's own scale: of one that starts at zero, such as a bias,
        # single elements may be arbitrarily small.
        scale = max(np.max(np.abs(alone[array])), 1e-3)
        np.testing.assert_allclose(
            value, alone[array], atol=1e-5 * scale, rtol=1e-5, err_msg=array
        )
