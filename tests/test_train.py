import os
import re
import signal
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image

from ddpm_jax import train
from ddpm_jax.core.errors import ConfigError, OutsideError
from ddpm_jax.data import pipeline
from ddpm_jax.training import nonfinite
from ddpm_jax.training.state import Window
from tests import tiny
from tests.kill_and_resume import differences, newest_state

pytestmark = pytest.mark.usefixtures("small_network")


EVERY = {"training__eval_every": 3, "training__sample_every": 6}


def config(**changes):
    """With history in the state, rows that span checkpoints, and a partial last row."""
    return tiny.config(
        **({"loss__time_sampling": "importance", "ema__extra_decays": (0.5,)} | changes)
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of 6 steps that nothing interrupted."""
    path = tmp_path_factory.mktemp("whole")
    assert train.run(config(**EVERY), path) == 0
    return path


def signal_at(monkeypatch, step, number):
    """The process gets a signal as it takes the batch of `step`."""
    iterate = pipeline.iterate

    def signalling(batches, *args, **options):
        # Evaluation reads without saying how.
        start_step = options.get("start_step") if "num_threads" in options else None
        for n, batch in enumerate(iterate(batches, *args, **options), 1):
            if start_step is not None and start_step + n == step:
                os.kill(os.getpid(), number)
            yield batch

    monkeypatch.setattr(pipeline, "iterate", signalling)


def test_a_run_leaves_what_it_should(whole):
    names = {p.name for p in whole.iterdir()}
    assert {"config.json", "metrics.jsonl", "speed.jsonl", "checkpoints"} <= names
    assert sorted(p.name for p in (whole / "eval").iterdir()) == [
        "3.json",
        "3_stratified.npz",
        "6.json",
        "6_stratified.npz",
    ]
    assert (whole / "samples" / "6.png").exists()
    images = np.load(whole / "samples" / "6.npz")["images"]
    assert images.shape == (9, 8, 8, 1) and images.max() <= 16
    lines = (whole / "metrics.jsonl").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        '{"step": 3',
        '{"step": 4',
        '{"step": 6',
        '{"step": 6',
    ]


@pytest.mark.parametrize(
    "stop_at", [*(pytest.param(n, marks=pytest.mark.long) for n in (1, 3, 4)), 5]
)
def test_a_resumed_run_is_bitwise_the_uninterrupted_one(
    whole, tmp_path, monkeypatch, stop_at
):
    # 3 is a step that evaluates, 4 one that closes a row, 5 one inside a row.
    with monkeypatch.context() as patch:
        signal_at(patch, stop_at, signal.SIGTERM)
        assert train.run(config(**EVERY), tmp_path) == 143
    assert int(newest_state(tmp_path)["['step']"]) == stop_at
    assert train.run(config(**EVERY), tmp_path) == 0
    assert differences(tmp_path, whole) == []


@pytest.mark.long
def test_a_run_made_longer_is_bitwise_the_long_one(whole, tmp_path):
    assert train.run(config(**EVERY, training__num_steps=4), tmp_path) == 0
    assert train.run(config(**EVERY), tmp_path) == 0
    ours, theirs = newest_state(tmp_path), newest_state(whole)
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


def test_sigint_ends_with_130_and_the_handlers_come_back(tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    signal_at(monkeypatch, 2, signal.SIGINT)
    assert train.run(config(), tmp_path) == 130
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_finished_run_started_again_does_nothing(whole):
    before = {p: p.stat().st_mtime_ns for p in (whole / "checkpoints").rglob("*")}
    rows = (whole / "metrics.jsonl").read_bytes()
    assert train.run(config(**EVERY), whole) == 0
    assert {
        p: p.stat().st_mtime_ns for p in (whole / "checkpoints").rglob("*")
    } == before
    assert (whole / "metrics.jsonl").read_bytes() == rows


@pytest.mark.long
def test_a_damaged_newest_checkpoint_costs_its_steps_and_no_more(whole, tmp_path):
    assert train.run(config(**EVERY, training__num_steps=4), tmp_path) == 0
    for path in (tmp_path / "checkpoints" / "4" / "state").rglob("d/*"):
        path.write_bytes(path.read_bytes()[:100])
    assert train.run(config(**EVERY), tmp_path) == 0
    assert (tmp_path / "checkpoints_damaged" / "4").exists()
    for name, value in newest_state(whole).items():
        np.testing.assert_array_equal(newest_state(tmp_path)[name], value, err_msg=name)


def test_another_seed_is_another_run(whole, tmp_path):
    assert train.run(config(**EVERY, seed=1), tmp_path) == 0
    assert "['params']['net']['conv_in']['kernel']" in differences(tmp_path, whole)


def test_a_loss_that_stays_non_finite_stops_the_run_and_names_the_steps(tmp_path):
    c = config(
        optimizer__learning_rate=1e38,
        optimizer__warmup_steps=0,
        optimizer__clip_norm=0.0,
        training__num_steps=40,
        training__max_skipped=3,
        training__checkpoint_every=1,
    )
    with pytest.raises(nonfinite.NonFiniteError) as error:
        train.run(c, tmp_path)
    said = re.search(r"at steps (\d+) to (\d+), 3 in a row", str(error.value))
    assert said is not None
    first, last = map(int, said.groups())
    assert last - first == 2
    state = newest_state(tmp_path)
    assert all(np.all(np.isfinite(v)) for n, v in state.items() if "['params']" in n)


def test_another_config_is_refused(whole):
    with pytest.raises(ConfigError, match=r"config.seed \(now 5, then 0\)"):
        train.run(config(**EVERY, seed=5), whole)


def test_a_checkpoint_of_another_architecture_is_the_users_error(whole, tmp_path):
    assert train.run(config(training__num_steps=2), tmp_path) == 0
    (tmp_path / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"is of another model: .*conv_out"):
        train.run(config(training__num_steps=2, reverse_variance="learned"), tmp_path)


@pytest.fixture
def pictures(tmp_path):
    """A data set of images on disk, and the fields of a run on it."""
    generator = np.random.default_rng(0)
    for i in range(24):
        file = tmp_path / ("train", "test")[i % 6 == 5] / "ab"[i % 2] / f"{i:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
    fields = {"data__name": f"folder:{tmp_path}", "data__batch_size": 8}
    return tmp_path / "train" / "a" / "02.png", fields


def test_a_broken_image_ends_a_run_with_a_checkpoint_from_which_it_goes_on(
    pictures, tmp_path, monkeypatch
):
    file, fields = pictures
    whole = file.read_bytes()
    c = tiny.config(**fields, training__checkpoint_every=0)
    # It breaks once two batches are read; nobody looks ahead.
    monkeypatch.setattr(
        train.wholeness,
        "Watch",
        lambda *_: SimpleNamespace(check=lambda: None, close=lambda: None),
    )
    read, calls = pipeline._read, []

    def reading(source, index):
        calls.append(index)
        if len(calls) == 17:
            file.write_bytes(whole[:60])
        return read(source, index)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "_read", reading)
        with pytest.raises(
            ConfigError, match=r"image a/02.png .*skip_broken=True"
        ) as e:
            train.run(c, tmp_path / "run")
    assert "\n" not in str(e.value)
    (kept,) = (int(p.name) for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert 1 <= kept <= 4
    file.write_bytes(whole)
    assert train.run(c, tmp_path / "run") == 0


def test_a_broken_image_is_found_before_it_is_met(pictures, tmp_path):
    _, fields = pictures
    file = tmp_path / "test" / "b" / "05.png"  # Not met before the last step.
    file.write_bytes(file.read_bytes()[:60])
    long = {"num_steps": 10_000, "eval_every": 10_000, "log_every": 0}
    c = tiny.config(**fields, **{f"training__{k}": v for k, v in long.items()})
    with pytest.raises(ConfigError, match=r"image b/05\.png cannot be read"):
        train.run(c, tmp_path / "run")
    # It may be left out, or be another one from now on.
    c.training.num_steps = 1
    c.data.skip_broken = True
    assert train.run(c, tmp_path / "run") == 0
    file.write_bytes((tmp_path / "test" / "b" / "11.png").read_bytes())
    c.data.skip_broken = False
    assert train.run(c, tmp_path / "run") == 0


@pytest.mark.parametrize(
    "function, named",
    [
        ("in_training.while_training", "lower config.eval.batch_size"),
        ("snapshots.first", "lower config.sample.batch_size"),
    ],
)
def test_a_device_out_of_memory_between_steps_names_what_to_lower(
    function, named, tmp_path, monkeypatch
):
    def full(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    module, name = function.split(".")
    replaced = (
        full
        if name == "first"
        else lambda *_: SimpleNamespace(headline="x", measured=full)
    )
    monkeypatch.setattr(getattr(train, module), name, replaced)
    c = tiny.config(training__eval_every=2, training__sample_every=2)
    if name == "first":
        c.training.eval_every = 0
    with pytest.raises(OutsideError, match=named):
        train.run(c, tmp_path)
    # What was trained is there, and that output is made when the run goes on.
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["2"]


def test_rows_are_means_over_the_window():
    window = jax.tree.map(
        np.asarray,
        Window(
            num_steps=4,
            loss=2.0,
            grad_norm=8.0,
            update_norm=4.0,
            param_norm=40.0,
            learning_rate=0.4,
            quarter_loss=[2.0, 0.0, 9.0, 4.0],
            quarter_count=[4.0, 0.0, 3.0, 1.0],
        ),
        is_leaf=lambda v: isinstance(v, list),
    )
    found = train.row(window, np.int32(7))
    assert found == {
        "loss": 0.5,
        "grad_norm": 2.0,
        "update_norm": 1.0,
        "param_norm": 10.0,
        "learning_rate": 0.1,
        "loss_quarter_1": 0.5,
        "loss_quarter_2": None,
        "loss_quarter_3": 3.0,
        "loss_quarter_4": 4.0,
        "skipped_steps": 7,
    }
