"""Every figure of a report by formulas of numpy, and the files that hold it."""

import json
import math

import numpy as np
import pytest
from etils import epath

from ddpm_jax.evaluation.results import density, report
from ddpm_jax.evaluation.results.density import Truth
from tests.evaluation.results import made_up

NUM_DIMS = 48
UNIT = NUM_DIMS * math.log(2.0)
# A figure's fields, and how the total's names end.
ENDS = {"bits_per_dim": "", "stderr": "_stderr", "stderr_images": "_stderr_images"}
CONVENTION = {"estimator": "one", "data": {"split": "test"}, "step": 7}


def made(rows, **changes):
    settings = {
        "num_draws": 4,
        "num_pilot_evaluations": 30,
        "convention": CONVENTION,
    }
    return report.make(rows, NUM_DIMS, **(settings | changes))


def figures(nats, variance):
    """Mean and its two standard errors in bits per dim, once more."""
    bits, num = np.asarray(nats) / UNIT, len(nats)
    return {
        "bits_per_dim": np.mean(bits),
        "stderr": np.sqrt(np.sum(np.asarray(variance) / UNIT**2)) / num,
        "stderr_images": np.std(bits, ddof=1) / np.sqrt(num),
    }


def assert_figures(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-12, err_msg=name)


def test_every_field_is_what_its_rows_say():
    rows = made_up.rows(0)
    found = made(rows)
    total = figures(rows["nats.total"], rows["variance.total"])
    of_terms = {
        name: figures(rows[f"nats.{name}"], rows[f"variance.{name}"])
        for name in made_up.TERMS
    }
    assert found["terms"].keys() == of_terms.keys()
    for name, expected in of_terms.items():
        assert_figures(found["terms"][name], expected)
    assert_figures(
        {name: found[f"bits_per_dim{end}"] for name, end in ENDS.items()}, total
    )
    rest = {
        "estimator": "one",
        "num_examples": 12,
        "num_dims": NUM_DIMS,
        "num_draws": 4,
        "num_network_evaluations": np.mean(rows["evaluations"]),
        "num_pilot_evaluations": 30,
        "failed": {"not_converged": [], "not_finite": []},
        "convention": CONVENTION,
    }
    figured = {"terms", *(f"bits_per_dim{end}" for end in ENDS.values())}
    assert found.keys() == rest.keys() | figured
    assert {name: found[name] for name in rest} == rest


def test_images_that_did_not_converge_are_in_no_mean():
    rows = made_up.rows(1)
    rows["converged"][[2, 7]] = False
    rows["nats.total"][7] = np.nan
    found, kept = made(rows), np.delete(np.arange(12), [2, 7])
    assert found["failed"] == {"not_converged": [5, 10], "not_finite": []}
    assert found["num_examples"] == 10
    total = figures(rows["nats.total"][kept], rows["variance.total"][kept])
    for name, end in ENDS.items():
        np.testing.assert_allclose(found[f"bits_per_dim{end}"], total[name])
    for name in made_up.TERMS:
        own = figures(rows[f"nats.{name}"][kept], rows[f"variance.{name}"][kept])
        assert_figures(found["terms"][name], own)
    # What they took of the network they took.
    assert found["num_network_evaluations"] == np.mean(rows["evaluations"])


def test_one_figure_that_is_no_number_leaves_no_mean():
    rows = made_up.rows(2)
    rows["nats.total"][4] = np.inf
    rows["converged"][0] = False
    found = made(rows)
    assert found["failed"] == {"not_converged": [3], "not_finite": [7]}
    assert found["num_examples"] == 10
    none = dict.fromkeys(ENDS)
    assert all(found[f"bits_per_dim{end}"] is None for end in ENDS.values())
    assert all(found["terms"][name] == none for name in made_up.TERMS)


def test_one_image_has_no_error_over_images_and_one_draw_none_over_draws():
    rows = made_up.rows(3, num=1)
    rows["variance.total"][:] = np.nan
    found = made(rows)
    assert found["bits_per_dim"] == rows["nats.total"][0] / UNIT
    assert found["bits_per_dim_stderr_images"] is None
    assert found["bits_per_dim_stderr"] is None
    assert found["terms"]["prior"]["stderr"] > 0


def with_profile(rows):
    """One batch's draws: 40 in the bin from -6 to -5.625, 1 in the next, none elsewhere."""
    rng = np.random.default_rng(4)
    draws = rng.normal(3.0, 1.0, 40)
    profile = np.zeros((1, 3, 32))
    profile[0, :, 0] = [40, draws.sum(), np.square(draws).sum()]
    profile[0, :, 1] = [1, 2.0, 4.0]
    return draws, {**rows, "profile": profile, "ends": np.array([[-6.0, 6.0]])}


def test_the_curve_has_the_standard_error_of_its_draws():
    draws, rows = with_profile(made_up.rows(0))
    curve = made(rows)["loss_by_log_snr"]
    assert curve.keys() == {"log_snr", "bits_per_dim", "stderr", "std_of_draws"}
    std = np.std(draws, ddof=1)
    expected = {
        "log_snr": -5.8125,
        "bits_per_dim": draws.mean() / UNIT,
        "stderr": std / np.sqrt(40) / UNIT,
        "std_of_draws": std / UNIT,
    }
    # One draw alone tells no deviation.
    for name, value in expected.items():
        np.testing.assert_allclose(curve[name], [value], rtol=1e-9, err_msg=name)


def test_gaps_are_paired_and_their_errors_those_of_independent_draws():
    ours, base = made_up.rows(5), made_up.rows(6)
    ours["converged"][1] = base["converged"][4] = False
    kept = np.delete(np.arange(12), [1, 4])
    found = report.gaps({"base": base, "ours": ours}, NUM_DIMS)
    assert found.keys() == {"ours - base"}
    nats = (ours["nats.total"] - base["nats.total"])[kept]
    variance = (ours["variance.total"] + base["variance.total"])[kept]
    gap = found["ours - base"]
    assert gap.pop("num_examples") == 10
    assert_figures(gap, figures(nats, variance))


def test_gaps_of_no_common_image_are_not_known():
    ours, base = made_up.rows(5), made_up.rows(6)
    ours["converged"][:] = False
    gap = report.gaps({"base": base, "ours": ours}, NUM_DIMS)["ours - base"]
    assert gap == dict.fromkeys(ENDS) | {"num_examples": 0}


def of(name, seed):
    return made(made_up.rows(seed), convention=CONVENTION | {"estimator": name})


def test_the_first_report_holds_the_others():
    first, second, third = of("one", 0), of("two", 1), of("three", 2)
    assert report.merged({"one": first}, {}) == first
    reports = {"one": first, "two": second, "three": third}
    found = report.merged(reports, {"two - one": 5})
    assert {name: found[name] for name in first} == first
    assert found["also"] == {"two": second, "three": third}
    assert found["gaps"] == {"two - one": 5}
    assert report.each(found) == [found, second, third]


@pytest.mark.parametrize("bounds", [{"one", "two"}, {"two"}, ()])
def test_scalars_are_every_figure_under_its_name(bounds):
    first, second = of("one", 0), of("two", 1)
    found = report.merged({"one": first, "two": second}, {})
    row = report.scalars(found, bounds)
    expected = {}
    for own, name in ((first, "one"), (second, "two")):
        plain = name == "one" and name in bounds
        headline = "eval/bits_per_dim" if plain else f"eval/bits_per_dim_{name}"
        for end in ENDS.values():
            expected[headline + end] = own[f"bits_per_dim{end}"]
        for term in made_up.TERMS:
            key = f"eval/{'' if plain else f'{name}_'}{term}_bits_per_dim"
            expected[key] = own["terms"][term]["bits_per_dim"]
    assert row == expected
    assert report.headline("one", bounds) in row


def test_files_hold_the_report_and_each_image(tmp_path):
    rows = made_up.rows(7)
    rows["converged"][3] = False
    folder = tmp_path / "eval"
    folder.mkdir()
    for old in ("7_two.npz", "7_two_loss.png", "6_two.npz", "7.json"):
        (folder / old).write_bytes(b"of another evaluation")
    found = made(rows)
    file = report.write(epath.Path(tmp_path), 7, found, {"one": rows})
    assert file == epath.Path(folder / "7.json")
    assert json.loads(file.read_text()) == found
    assert {p.name for p in folder.iterdir()} == {"7.json", "7_one.npz", "6_two.npz"}
    kept = np.delete(np.arange(12), 3)
    with np.load(folder / "7_one.npz") as images:
        assert set(images) == {"index", "nats", "halves", "num_dims"}
        np.testing.assert_array_equal(images["index"], rows["index"][kept])
        np.testing.assert_array_equal(images["nats"], rows["nats.total"][kept])
        np.testing.assert_array_equal(images["halves"], rows["halves"][kept].T)
        assert images["num_dims"] == NUM_DIMS


TRUTH = Truth(1.5, 0.0, np.linspace(-2.0, -1.0, 12))


def test_continuous_data_have_nats_beside_bits_and_images_have_not():
    rows = made_up.rows(0)
    rows["converged"][2] = False
    found = made(rows, is_density=True, truth=TRUTH)
    assert found.keys() - made(rows).keys() == {"density"}
    part, kept = found["density"], np.delete(np.arange(12), 2)
    nats, variance = rows["nats.total"], rows["variance.total"]
    assert part == density.made(nats, variance, rows["converged"], NUM_DIMS, TRUTH)
    np.testing.assert_allclose(
        part["excess_over_the_truth"]["nats"], (nats + TRUTH.log_density)[kept].mean()
    )
    np.testing.assert_allclose(
        part["nats_per_point"]["nats"] / UNIT, found["bits_per_dim"]
    )
    assert report.noun(found) == "points" and report.noun(made(rows)) == "images"
    # One figure that is no number leaves none of these, either.
    rows["nats.total"][4] = np.inf
    part = made(rows, is_density=True, truth=TRUTH)["density"]
    assert part["excess_over_the_truth"]["nats"] is None


def test_the_nats_of_each_estimator_are_scalars_of_its_name():
    bound, flow = (
        made(
            made_up.rows(seed),
            convention={**CONVENTION, "estimator": name},
            is_density=True,
            truth=TRUTH,
        )
        for seed, name in ((0, "one"), (1, "two"))
    )
    row = report.scalars(report.merged({"one": bound, "two": flow}, {}), {"one"})
    for prefix, own in (("eval/", bound), ("eval/two_", flow)):
        excess = own["density"]["excess_over_the_truth"]
        assert row[f"{prefix}excess_nats"] == excess["nats"]
        assert row[f"{prefix}nats"] == own["density"]["nats_per_point"]["nats"]
    assert not any("nats" in name for name in report.scalars(made(made_up.rows(0)), ()))
