import numpy as np
import pytest

from ddpm_jax.evaluation.results import pairs, saved
from tests import evaluation_files


def result(path, values, **changes):
    (found,) = saved.read(evaluation_files.run(path, values, **changes))
    return found


def test_a_difference_of_shared_noise_is_numpys_and_surer_than_either(tmp_path):
    ours, theirs = (
        evaluation_files.halves(seed, shared=5.0, own=0.5, offset=offset)
        for seed, offset in ((1, 2.0), (2, 0.0))
    )
    a, b = result(tmp_path / "a", ours), result(tmp_path / "b", theirs)
    found = pairs.difference(a, b)
    by_half = ours - theirs
    d = by_half.mean(0)
    np.testing.assert_allclose(found.bits_per_dim, d.mean() / evaluation_files.UNIT)
    np.testing.assert_allclose(
        found.stderr_images, d.std(ddof=1) / np.sqrt(20) / evaluation_files.UNIT
    )
    # Of two values, the variance with one degree of freedom; half of it is their mean's.
    variance = by_half.var(0, ddof=1) / 2.0
    np.testing.assert_allclose(
        found.stderr, np.sqrt(variance.sum()) / 20 / evaluation_files.UNIT
    )
    assert found.has_common_noise and found.num_images == 20
    for one in (a, b):
        assert found.stderr < 0.3 * one.stderr
        assert found.stderr_images < 0.3 * one.stderr_images


def test_the_paired_error_is_that_of_repeated_differences(tmp_path):
    # 400 repeats of new noise on the same images: the deviation of the mean difference.
    rng = np.random.default_rng(0)
    means, said = [], []
    base = result(tmp_path / "a", evaluation_files.halves(1))
    for _ in range(400):
        shared = 3.0 * rng.standard_normal((2, 20))
        a, b = (
            base._replace(
                images=base.images._replace(nats=halves.mean(0), halves=halves)
            )
            for halves in (
                100.0 + shared + rng.standard_normal((2, 20)),
                98.0 + shared + rng.standard_normal((2, 20)),
            )
        )
        found = pairs.difference(a, b)
        means.append(found.bits_per_dim)
        said.append(found.stderr)
    # The deviation of 400 is off by 3.5%, and by five of these once in 1.7 million.
    ratio = np.std(means, ddof=1) / np.sqrt(np.mean(np.square(said)))
    assert 0.82 < ratio < 1.18


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"num_draws": 8}, {"options": {"num_importance": 2}}]
)
def test_other_draws_of_noise_are_not_paired_but_images_are(changes, tmp_path):
    a = result(tmp_path / "a", evaluation_files.halves(1, shared=5.0), **changes)
    b = result(tmp_path / "b", evaluation_files.halves(2, shared=5.0))
    found = pairs.difference(a, b)
    assert not found.has_common_noise
    np.testing.assert_allclose(found.stderr, np.hypot(a.stderr, b.stderr))
    assert found.stderr_images < 0.5 * a.stderr_images


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {**evaluation_files.CONVENTION["data"], "version": "two"}},
        {
            "data": {
                **evaluation_files.CONVENTION["data"],
                "split": "test, the first 20",
            }
        },
        {"figure": "log-likelihood"},
        {"estimator": "full"},
        {"x_hat": "clipped to [-1, 1]"},
        {"num_dims": 65},
    ],
)
def test_figures_of_two_kinds_have_no_difference(changes, tmp_path):
    a = result(tmp_path / "a", evaluation_files.halves(1))
    b = result(tmp_path / "b", evaluation_files.halves(2), **changes)
    assert pairs.difference(a, b) is None
    assert len(pairs.groups([a, b])) == (1 if "num_dims" in changes else 2)


def test_images_that_failed_in_either_run_are_left_out(tmp_path):
    ours, theirs = evaluation_files.halves(1), evaluation_files.halves(2)
    a = result(tmp_path / "a", ours, failed=[3])
    b = result(tmp_path / "b", theirs, failed=[5])
    kept = np.delete(np.arange(20), [3, 5])
    found = pairs.difference(a, b)
    assert found.num_images == 18
    d = (ours - theirs).mean(0)[kept]
    np.testing.assert_allclose(found.bits_per_dim, d.mean() / evaluation_files.UNIT)


def test_an_image_whose_figure_is_no_number_leaves_no_difference(tmp_path):
    broken = evaluation_files.halves(1)
    broken[:, 3] = np.nan
    a = result(tmp_path / "a", broken)
    b = result(tmp_path / "b", evaluation_files.halves(2))
    found = pairs.difference(a, b)
    assert found[:3] == (None, None, None)


def test_images_are_paired_by_their_numbers_not_their_places(tmp_path):
    ours, theirs = evaluation_files.halves(1), evaluation_files.halves(2)
    a, b = result(tmp_path / "a", ours), result(tmp_path / "b", theirs)
    part = a.images._replace(
        numbers=a.images.numbers[5:],
        nats=a.images.nats[5:],
        halves=a.images.halves[:, 5:],
    )
    found = pairs.difference(a._replace(images=part), b)
    d = (ours - theirs)[:, 5:]
    assert found.num_images == 15 and found.has_common_noise
    unit = evaluation_files.UNIT
    np.testing.assert_allclose(found.bits_per_dim, d.mean() / unit)
    np.testing.assert_allclose(
        [found.stderr_images, found.stderr],
        [
            d.mean(0).std(ddof=1) / np.sqrt(15) / unit,
            np.sqrt(np.sum((d[0] - d[1]) ** 2) / 4) / 15 / unit,
        ],
    )


def test_halves_that_are_not_known_leave_the_error_over_draws_unknown(tmp_path):
    a = result(tmp_path / "a", evaluation_files.halves(1))
    b = result(tmp_path / "b", evaluation_files.halves(2))
    unknown = np.full((2, 20), np.nan)
    a = a._replace(images=a.images._replace(halves=unknown))
    found = pairs.difference(a, b)
    assert found.stderr is None
    assert found.stderr_images is not None
    assert pairs.difference(a._replace(images=None), b) is None


def test_a_run_of_several_estimators_is_listed_once_a_value(tmp_path):
    also = {"ode": evaluation_files.halves(2)}
    a = saved.read(
        evaluation_files.run(tmp_path / "a", evaluation_files.halves(1), also=also)
    )
    b = result(tmp_path / "b", evaluation_files.halves(3), prediction="v")
    assert pairs.differing([*a, b]) == {
        "estimator": {"stratified": ["a", "b"], "ode": ["a"]},
        "prediction": {"eps": ["a"], "v": ["b"]},
    }


def test_what_differs_is_listed_by_field_and_value(tmp_path):
    found = [
        result(tmp_path / "a", evaluation_files.halves(1)),
        result(tmp_path / "b", evaluation_files.halves(1), prediction="v"),
        result(tmp_path / "c", evaluation_files.halves(1), weights="raw"),
        result(
            tmp_path / "d",
            evaluation_files.halves(1),
            data={**evaluation_files.CONVENTION["data"], "version": "two"},
        ),
    ]
    assert pairs.differing(found) == {
        "data.version": {"one": ["a", "b", "c"], "two": ["d"]},
        "prediction": {"eps": ["a", "c", "d"], "v": ["b"]},
        "weights": {"not said": ["a", "b", "d"], "raw": ["c"]},
    }
    assert pairs.separating(found) == {"data.version"}


FOLDER = evaluation_files.CONVENTION["data"] | {"name": "folder:/a"}


def test_data_are_told_apart_by_their_contents_not_by_their_place(tmp_path):
    def of(run, **data):
        values = evaluation_files.halves(1)
        return result(tmp_path / run, values, data={**FOLDER, **data})

    def kinds(*results):
        return [[one.name for one in group] for group in pairs.groups(results)]

    a = of("a", contents="1234")
    moved = of("moved", name="folder:/b", contents="1234")
    changed = of("changed", contents="5678")
    older, older_moved = of("older"), of("older_moved", name="folder:/b")
    assert kinds(a, moved) == [["a", "moved"]]
    assert pairs.difference(moved, a) is not None
    assert kinds(a, changed) == [["a"], ["changed"]]
    assert pairs.separating([a, changed]) == {"data.contents"}
    # An evaluation of an earlier version does not say: it may be of either.
    assert kinds(older, a) == [["older", "a"]]
    assert kinds(a, changed, older) == [["a", "older"], ["changed"]]
    assert kinds(older, a, changed) == [["older", "a"], ["changed"]]
    assert kinds(older_moved, a) == [["older_moved"], ["a"]]
    assert pairs.separating([older, a, moved]) == {"data.name"}
