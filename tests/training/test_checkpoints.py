import contextlib
import errno
import gc
import resource
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.core import files, sharding
from ddpm_jax.core.errors import OutsideError
from ddpm_jax.training import parallel
from ddpm_jax.training.checkpoints import FOLDER, SET_ASIDE, Checkpoints, digest
from tests.training import toy
from tests.training.test_step import assert_same

WIDTH = 64


def tree(seed):
    keys = jax.random.split(jax.random.key(seed), 3)
    return {
        "params": {
            "kernel": jax.random.normal(keys[0], (WIDTH, WIDTH)),
            "bias": jax.random.normal(keys[1], (WIDTH,), jnp.bfloat16),
        },
        "opt_state": (jnp.int32(seed), (), {"mu": jax.random.normal(keys[2], (3,))}),
        "step": jnp.int32(seed),
    }


def abstract(fsdp=1, of=None):
    shapes = jax.eval_shape(lambda: tree(0)) if of is None else of
    shardings = parallel.state_shardings(sharding.make_mesh(fsdp), shapes)
    return jax.tree.map(
        lambda a, s: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=s),
        shapes,
        shardings,
    )


@pytest.fixture
def saved(tmp_path):
    """A workdir with the checkpoints of steps 1 and 2."""
    checkpoints = Checkpoints(tmp_path, keep_last=3)
    for step in (1, 2):
        checkpoints.save(step, tree(step))
    checkpoints.close()
    return tmp_path


def biggest_file(workdir, step):
    files = (workdir / FOLDER / str(step) / "state").rglob("*")
    return max((f for f in files if f.is_file()), key=lambda f: f.stat().st_size)


@pytest.mark.parametrize("fsdp", [1, 8])
def test_what_is_restored_is_what_was_saved_on_any_number_of_devices(saved, fsdp):
    step, state = Checkpoints(saved).restore_newest(abstract(fsdp))
    assert step == 2
    assert_same(state, tree(2), rtol=0)
    kernel = state["params"]["kernel"]
    assert kernel.sharding == abstract(fsdp)["params"]["kernel"].sharding


def test_a_train_state_survives(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    state = jax.jit(toy.make_step())(toy.init(), toy.batch(0))
    checkpoints.save(1, state)
    checkpoints.wait()
    shapes = jax.eval_shape(toy.init)
    _, again = checkpoints.restore_newest(abstract(of=shapes))
    assert jax.tree.structure(again) == jax.tree.structure(state)
    assert_same(again, state, rtol=0)


def test_the_state_may_be_donated_while_it_is_written(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    state = {"a": jnp.arange(2.0**20)}
    kept = np.asarray(state["a"]).copy()
    checkpoints.save(1, state)
    overwrite = jax.jit(lambda s: jax.tree.map(lambda a: a * 0, s), donate_argnums=0)
    for _ in range(3):
        state = overwrite(state)
    checkpoints.wait()
    shapes = jax.eval_shape(lambda: {"a": jnp.arange(2.0**20)})
    _, again = checkpoints.restore_newest(abstract(of=shapes))
    np.testing.assert_array_equal(again["a"], kept)


def test_a_workdir_may_be_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoints = Checkpoints("run")
    checkpoints.save(1, tree(1))
    checkpoints.close()
    assert Checkpoints("run").restore_newest(abstract())[0] == 1


def test_an_empty_workdir_has_none(tmp_path):
    assert Checkpoints(tmp_path).restore_newest(abstract()) is None


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, lambda path: path.unlink()])
def test_a_damaged_newest_is_set_aside_and_the_one_before_used(saved, damage):
    damage(biggest_file(saved, 2))
    checkpoints = Checkpoints(saved, keep_last=3)
    step, state = checkpoints.restore_newest(abstract())
    assert step == 1
    assert_same(state, tree(1), rtol=0)
    assert (saved / SET_ASIDE / "2").exists(), "what was written must not be lost"
    # The run goes on and writes that step again.
    checkpoints.save(2, tree(2))
    checkpoints.close()
    step, state = Checkpoints(saved).restore_newest(abstract())
    assert step == 2
    assert_same(state, tree(2), rtol=0)


def test_values_that_changed_in_storage_are_noticed(saved, monkeypatch):
    # As if the file system returned other bytes that decode well.
    from ddpm_jax.training import checkpoints as module

    real = module.digest

    def wrong_for_step_2(state):
        if int(state["step"]) == 2:
            bias = state["params"]["bias"].at[3].add(0.5)
            state = state | {"params": state["params"] | {"bias": bias}}
        return real(state)

    monkeypatch.setattr(module, "digest", wrong_for_step_2)
    with pytest.raises(RuntimeError, match=r"step 2 .* params/bias"):
        Checkpoints(saved).restore(2, abstract())
    step, _ = Checkpoints(saved).restore_newest(abstract())
    assert step == 1


def test_a_half_written_one_does_not_count(saved):
    unfinished = saved / FOLDER / "3.orbax-checkpoint-tmp"
    unfinished.mkdir()
    (unfinished / "state").write_text("half")
    assert Checkpoints(saved).steps() == [1, 2]


def test_when_all_are_damaged_it_says_so(saved):
    for step in (1, 2):
        truncate(biggest_file(saved, step))
    with pytest.raises(RuntimeError, match=r"no checkpoint .* \[1, 2\]"):
        Checkpoints(saved).restore_newest(abstract())
    assert not (saved / SET_ASIDE).exists(), "the fault may not be in the files"


def test_reading_only_changes_nothing(saved):
    truncate(biggest_file(saved, 2))
    before = sorted(saved.rglob("*"))
    step, _ = Checkpoints(saved, read_only=True).restore_newest(abstract())
    assert step == 1
    assert sorted(saved.rglob("*")) == before


@pytest.mark.parametrize("change", ["shape", "more", "fewer"])
def test_another_model_is_refused_by_its_first_difference(saved, change):
    def other():
        wanted = tree(0)
        if change == "shape":
            wanted["params"]["kernel"] = jnp.zeros((WIDTH, 2 * WIDTH))
        elif change == "more":
            wanted["params"]["kernel_2"] = jnp.zeros(3)
        else:
            del wanted["params"]["bias"]
        return wanted

    name = {"shape": "params/kernel", "more": "params/kernel_2", "fewer": "params/bias"}
    shapes = jax.eval_shape(other)
    with pytest.raises(ValueError, match=rf"another model: {name[change]} has shape"):
        Checkpoints(saved).restore_newest(abstract(of=shapes))
    assert (saved / FOLDER / "2").exists()


def test_a_step_that_is_not_there_is_refused(saved):
    with pytest.raises(ValueError, match=r"no checkpoint of step 7: it has \[1, 2\]"):
        Checkpoints(saved).restore(7, abstract())


def test_the_last_ones_and_every_nth_stay(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep_last=2, keep_every=4)
    for step in range(1, 11):
        checkpoints.save(step, {"step": jnp.int32(step)})
    checkpoints.close()
    assert Checkpoints(tmp_path, read_only=True).steps() == [4, 8, 9, 10]


def test_the_digest_sees_bits_and_places_and_no_shards():
    state = tree(1)
    plain = digest(state)
    cut = jax.device_put(state, jax.tree.map(lambda a: a.sharding, abstract(8)))
    assert digest(cut) == plain
    kernel = state["params"]["kernel"]
    for changed in (kernel.T, kernel.at[5, 6].multiply(-1.0), kernel[::-1]):
        other = state | {"params": state["params"] | {"kernel": changed}}
        differing = {k for k, v in digest(other).items() if v != plain[k]}
        assert differing == {"params/kernel"}


@contextlib.contextmanager
def small_files(num_bytes):
    """Has this process write no file beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def tasks_are_ended():
    """What a library logs of its tasks when they are collected is logged here."""
    yield
    gc.collect()


@pytest.mark.parametrize("where", ["wait", "close", "save", "check_saving"])
@pytest.mark.usefixtures("tasks_are_ended")
def test_a_save_that_fails_is_one_line_and_costs_no_earlier_one(saved, where):
    before = sorted((saved / FOLDER).rglob("*"))
    checkpoints = Checkpoints(saved, keep_last=1)
    with pytest.raises(OutsideError) as error, small_files(2_000):
        checkpoints.save(3, tree(3))
        while checkpoints._manager.is_saving_in_progress():
            time.sleep(0.01)
        {"save": lambda: checkpoints.save(4, tree(4))}.get(
            where, lambda: getattr(checkpoints, where)()
        )()
    assert "the checkpoint of step 3 cannot be written (" in str(error.value)
    assert "File too large: raise the limit" in str(error.value)
    assert str(error.value).endswith("will go on from the checkpoint of step 2.")
    assert sorted((saved / FOLDER).rglob("*")) == before
    again = Checkpoints(saved, keep_last=1)
    again.save(3, tree(3))
    again.close()
    assert Checkpoints(saved).steps() == [3]


def test_room_is_looked_for_before_a_save(saved, monkeypatch):
    monkeypatch.setattr(files, "free_bytes", lambda path: 2**20)
    checkpoints = Checkpoints(saved)
    with pytest.raises(
        OutsideError, match=r"has room for 1 MiB, .* step 3 takes 1\.01"
    ):
        checkpoints.save(3, tree(3))
    with pytest.raises(OutsideError, match="of step 7 takes"):
        checkpoints.check_room(7, abstract())
    monkeypatch.setattr(files, "free_bytes", lambda path: None)
    checkpoints.check_room(7, abstract())


def test_a_cause_that_may_pass_sets_nothing_aside(saved, monkeypatch):
    checkpoints = Checkpoints(saved)

    def denied(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "2/state")

    monkeypatch.setattr(checkpoints, "_restore", denied)
    with pytest.raises(PermissionError):
        checkpoints.restore_newest(abstract())
    with pytest.raises(PermissionError):
        checkpoints.restore(2, abstract())
    assert not (saved / SET_ASIDE).exists()


def test_a_damaged_one_that_was_asked_for_is_named(saved):
    truncate(biggest_file(saved, 2))
    with pytest.raises(OutsideError, match=r"step 2 in .* is damaged .* of \[1, 2\]"):
        Checkpoints(saved).restore(2, abstract())
