import json
import platform
import time

import pytest

from benchmarks import measure


def test_every_run_has_its_turn_in_every_round_and_the_first_is_not_timed():
    turns = []
    seconds = measure.alternated(
        {"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, rounds=2
    )
    assert turns == ["a", "b"] * 3
    assert {name: len(values) for name, values in seconds.items()} == {"a": 2, "b": 2}


def test_seconds_are_those_of_the_run_without_the_pause():
    seconds = measure.alternated({"a": lambda: time.sleep(0.05)}, rounds=1, pause=0.2)
    # A machine that holds the process up for 0.15 s fails a correct program.
    assert 0.05 <= seconds["a"][0] < 0.2


def test_ratio_is_the_median_of_the_rounds_own():
    result = measure.compared(
        {"ours": [1.0, 2.0, 9.0], "torch": [4.0, 2.0, 3.0]}, per=2
    )
    assert result == {
        "ours_seconds": 1.0,
        "torch_seconds": 1.5,
        "rounds": 3,
        "ratio": 1.0,
        "ratio_range": [0.25, 3.0],
    }


def test_a_run_without_a_peer_has_no_ratio():
    assert "ratio" not in measure.compared({"ours": [1.0]})


@pytest.mark.parametrize(
    "kind, peak",
    [
        ("NVIDIA H200", 989.0),
        ("NVIDIA H100 PCIe", 756.0),
        ("NVIDIA H100 80GB HBM3", 989.0),
        ("NVIDIA L40S", 362.0),
        ("NVIDIA L4", 121.0),
        ("NVIDIA A100-SXM4-40GB", 312.0),
        ("NVIDIA A10G", 125.0),
        ("TPU v5 lite", 197.0),
        ("TPU v5p", 459.0),
        ("cpu", None),
    ],
)
def test_peak_is_found_by_the_devices_kind(kind, peak):
    assert measure.peak_tflops(kind) == peak


def test_report_names_device_and_versions_but_no_machine(tmp_path):
    path = measure.write(
        "step", measure.environment() | {"time": 1.0}, tmp_path / "new"
    )
    text = path.read_text()
    report = json.loads(text)
    assert path.name == "step_cpu.json"
    assert report["device"] == "cpu" and report["time"] == 1.0
    assert {"python", "jax", "flax", "optax"} <= set(report["versions"])
    assert platform.node() not in text
