import json

import numpy as np
import pytest

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.evaluation.results import saved
from tests import evaluation_files


def test_a_result_is_what_its_report_says(tmp_path):
    values = evaluation_files.halves(1)
    path = evaluation_files.run(
        tmp_path / "a", values, seed=7, failed=[3], prediction="v"
    )
    (found,) = saved.read(path)
    nats = values.mean(0)
    assert (found.name, found.step, found.seed) == ("a", 4, 7)
    assert (found.estimator, found.num_examples, found.num_draws) == (
        "stratified",
        19,
        4,
    )
    mean = np.delete(nats, 3).mean()
    np.testing.assert_allclose(found.bits_per_dim, mean / evaluation_files.UNIT)
    assert found.terms.keys() == {"prior", "diffusion"}
    assert found.failed == {"not_converged": [3]}
    assert found.convention["prediction"] == "v"
    kept = np.delete(np.arange(20), 3)
    np.testing.assert_array_equal(found.images.numbers, kept)
    np.testing.assert_array_equal(found.images.nats, nats[kept])
    np.testing.assert_array_equal(found.images.halves, values[:, kept])
    np.testing.assert_allclose(found.images.nats_per_unit, evaluation_files.UNIT)


def test_the_newest_step_is_read_unless_another_is_named(tmp_path):
    for step in (4, 10, 9):
        evaluation_files.run(
            tmp_path, evaluation_files.halves(1, offset=step), step=step
        )
    assert saved.steps(tmp_path) == [4, 9, 10]
    assert [r.step for r in saved.read(tmp_path)] == [10]
    (ninth,) = saved.read(tmp_path, 9)
    bits = evaluation_files.halves(1, offset=9).mean() / evaluation_files.UNIT
    np.testing.assert_allclose(ninth.bits_per_dim, bits)


def test_every_estimator_of_a_step_is_a_result_with_its_own_images(tmp_path):
    also = {"ode": evaluation_files.halves(2, offset=5.0)}
    evaluation_files.run(tmp_path, evaluation_files.halves(1), also=also)
    first, second = saved.read(tmp_path)
    assert (first.estimator, second.estimator) == ("stratified", "ode")
    np.testing.assert_array_equal(second.images.halves, also["ode"])
    assert second.bits_per_dim > first.bits_per_dim


def test_what_is_not_finite_or_not_kept_is_unknown(tmp_path):
    values = evaluation_files.halves(1)
    values[0] = np.nan
    evaluation_files.run(tmp_path, values)
    (tmp_path / "eval" / "4_stratified.npz").unlink()
    (tmp_path / "config.json").unlink()
    (found,) = saved.read(tmp_path)
    assert found.bits_per_dim is None
    assert found.stderr is None
    assert found.images is None
    assert found.seed is None


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"estimator": "full"}'])
def test_a_report_that_is_none_is_refused_by_its_name(content, tmp_path):
    evaluation_files.run(tmp_path, evaluation_files.halves(1))
    (tmp_path / "eval" / "4.json").write_text(content)
    with pytest.raises(ConfigError, match=r"eval/4\.json"):
        saved.read(tmp_path)


@pytest.mark.parametrize("field", saved.DEFINING)
def test_a_figure_that_does_not_say_of_what_it_is_is_refused(field, tmp_path):
    evaluation_files.run(tmp_path, evaluation_files.halves(1))
    file = tmp_path / "eval" / "4.json"
    report = json.loads(file.read_text())
    del report["convention"][field]
    file.write_text(json.dumps(report))
    with pytest.raises(ConfigError, match=field):
        saved.read(tmp_path)


def test_damaged_images_are_refused_by_their_name(tmp_path):
    evaluation_files.run(tmp_path, evaluation_files.halves(1))
    file = tmp_path / "eval" / "4_stratified.npz"
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2]):
        file.write_bytes(damaged)
        with pytest.raises(ConfigError, match=r"4_stratified\.npz cannot be read"):
            saved.read(tmp_path)
    arrays = dict.fromkeys(("index", "nats"), np.arange(3.0))
    np.savez(file, **arrays, halves=np.zeros((2, 4)), num_dims=64)
    with pytest.raises(ConfigError, match="not of one length"):
        saved.read(tmp_path)


def test_values_of_another_evaluation_are_refused(tmp_path):
    """As a kill between two files of one report would leave them."""
    path = evaluation_files.run(tmp_path / "a", evaluation_files.halves(1))
    other = evaluation_files.run(tmp_path / "b", evaluation_files.halves(2))
    name = "4_stratified.npz"
    (path / "eval" / name).write_bytes((other / "eval" / name).read_bytes())
    with pytest.raises(ConfigError, match=rf"{name}, of mean .* is not of 4.json"):
        saved.read(path)


def test_nats_of_continuous_data_are_read_and_checked(tmp_path):
    path = evaluation_files.run(tmp_path, evaluation_files.halves(1))
    file = path / "eval" / "4.json"
    report = json.loads(file.read_text())
    assert saved.read(path)[0].density is None
    part = {"nats_per_point": {"nats": 2.0, "stderr": None, "stderr_points": 0.1}}
    file.write_text(json.dumps({**report, "density": part}))
    assert saved.read(path)[0].density == part
    for wrong in ({}, [], {"nats_per_point": 3.0}):
        file.write_text(json.dumps({**report, "density": wrong}))
        with pytest.raises(ConfigError, match="is not a report as this version writes"):
            saved.read(path)
