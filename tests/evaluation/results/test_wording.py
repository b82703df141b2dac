"""A report in words: every figure of it, and what went wrong."""

import math

import numpy as np

from ddpm_jax.evaluation.results import report, wording
from ddpm_jax.evaluation.results.density import Truth
from tests.evaluation.results import made_up

TRUTH = Truth(1.5, 0.01, np.linspace(-2.0, -1.0, 12))
DATA = {"name": "digits", "version": "one", "split": "test", "resizing": "none"}


def of(name, seed, *, change=lambda rows: None, pilot=0):
    rows = made_up.rows(seed)
    change(rows)
    convention = {
        "estimator": name,
        "figure": f"what {name} is",
        "data": DATA,
        "weights": "ema:0.9",
    }
    return report.make(
        *(rows, 48),
        num_draws=4,
        num_pilot_evaluations=pilot,
        convention=convention,
    )


def test_the_summary_has_every_figure_of_the_first():
    found = of("one", 0)
    said = wording.summary(found)
    assert "\n" not in said
    assert said.startswith(f"{found['bits_per_dim']:.4f} bits per dim,")
    assert f"s.e. {found['bits_per_dim_stderr']:.4f} over draws" in said
    assert f"{found['bits_per_dim_stderr_images']:.4f} over images" in said
    for term, figures in found["terms"].items():
        assert f"{term} {figures['bits_per_dim']:.4f}" in said
    assert f"12 images, {found['num_network_evaluations']:.4g} network" in said
    assert "converge" not in said


def test_the_table_has_every_figure_of_all():
    first, second = of("one", 0, pilot=33), of("two", 1)
    gap = {"bits_per_dim": 0.5, "stderr": None, "stderr_images": 0.25}
    found = report.merged({"one": first, "two": second}, {"two - one": gap})
    lines = wording.table(found).splitlines()
    for own, name in ((first, "one"), (second, "two")):
        total = [own[f"bits_per_dim{end}"] for end in ("", "_stderr", "_stderr_images")]
        evaluations = f"{own['num_network_evaluations']:.4g}"
        row = next(line for line in lines if line.startswith(f"{name} "))
        assert row.split()[1:] == [*(f"{value:.4f}" for value in total), evaluations]
        at = lines.index(row)
        for line, (term, figures) in zip(
            lines[at + 1 : at + 4], own["terms"].items(), strict=True
        ):
            values = (figures[f] for f in ("bits_per_dim", "stderr", "stderr_images"))
            assert line.split() == [term, *(f"{value:.4f}" for value in values)]
        assert f"{name}: what {name} is" in lines
    (row,) = (line for line in lines if line.startswith("two - one"))
    assert row.split()[3:] == ["0.5000", "unknown", "0.2500"]
    assert "one: 33 evaluations more in the pilot pass" in lines
    assert not any(line.startswith("two: 0 evaluations") for line in lines)
    columns = ["bits/dim", "s.e. draws", "s.e. images", "evaluations"]
    assert [part.strip() for part in lines[0].split("  ") if part] == columns
    last = "digits, one, split 'test', resizing none; weights ema:0.9"
    assert lines[-1] == last


def left_out(rows):
    rows["converged"][:2] = False


def test_what_did_not_converge_is_told_and_no_failure():
    found = of("ode", 0, change=left_out)
    assert "; 2 more did not converge)" in wording.summary(found)
    line = "ode: the solve of images 3, 4 did not converge; left out of every mean"
    assert line in wording.table(found).splitlines()
    assert wording.failure(found) == ""


def nothing(rows):
    rows["converged"][:] = False


def broken(rows):
    rows["nats.total"][4] = math.nan


def test_a_figure_that_is_none_is_a_failure_of_its_estimator():
    good = of("one", 0)
    assert wording.failure(good) == ""
    none = of("ode", 1, change=nothing)
    assert wording.failure(none) == (
        "ode: no solve converged (images 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 2 more):"
        " raise config.eval.ode.max_steps, rtol or atol, or look at the weights."
    )
    not_finite = of("two", 2, change=broken)
    assert wording.failure(not_finite) == (
        "two: the figure of image 7 of split 'test' is not a finite number, so that no mean"
        " is given."
    )
    assert "unknown bits per dim" in wording.summary(not_finite)
    # Of several, whichever it is.
    both = report.merged({"one": good, "ode": none}, {})
    assert wording.failure(both) == wording.failure(none)


def test_images_are_listed_by_number_the_first_few_of_many():
    assert wording.listed([7]) == "image 7"
    assert wording.listed([1, 5]) == "images 1, 5"
    assert wording.listed([1, 5, 9], most=2) == "images 1, 5 and 1 more"


def test_a_figure_that_is_not_known_is_said_to_be():
    assert wording.number(None) == "unknown" and wording.number(0.12345) == "0.1235"


def of_points(name, seed, *, truth=TRUTH):
    convention = {
        "estimator": name,
        "figure": "a density",
        "data": DATA,
        "weights": "raw",
    }
    return report.make(
        *(made_up.rows(seed), 2),
        num_draws=4,
        num_pilot_evaluations=0,
        convention=convention,
        is_density=True,
        truth=truth,
    )


def test_the_summary_of_points_begins_with_nats_and_their_excess():
    found = of_points("one", 0)
    nats, excess = (
        found["density"][name] for name in ("nats_per_point", "excess_over_the_truth")
    )
    said = wording.summary(found)
    assert said.startswith(
        f"{nats['nats']:.4f} nats a point, {excess['nats']:.4f} over the truth (s.e."
        f" {excess['stderr']:.4f} over draws and {excess['stderr_points']:.4f} over"
        f" points; its entropy 1.5000); {found['bits_per_dim']:.4f} bits per dim,"
    )
    assert " over points (" in said and "; 12 points, " in said and "image" not in said
    alone = wording.summary(of_points("one", 0, truth=None))
    assert alone.startswith(
        f"{nats['nats']:.4f} nats a point; {found['bits_per_dim']:.4f}"
    )


def test_the_table_of_points_has_nats_the_excess_and_the_entropy():
    first, second = of_points("one", 0), of_points("two", 1)
    found = report.merged({"one": first, "two": second}, {})
    lines = wording.table(found).splitlines()
    head = next(i for i, line in enumerate(lines) if line.split()[:1] == ["nats"])
    assert lines[head].split() == ["nats", "s.e.", "draws", "s.e.", "points"]
    names = ("nats_per_point", "excess_over_the_truth")
    for at, own in ((head + 1, first), (head + 3, second)):
        for line, name in zip(lines[at : at + 2], names, strict=True):
            figures = own["density"][name]
            ends = ("nats", "stderr", "stderr_points")
            assert line.split()[-3:] == [f"{figures[end]:.4f}" for end in ends]
        assert lines[at].startswith(own["estimator"])
        assert lines[at + 1].startswith("  over the truth")
    assert lines[head + 5].split() == [
        "entropy",
        "of",
        "the",
        "truth",
        "1.5000",
        "0.0100",
    ]
    assert "image" not in wording.table(found)
    plain = wording.table(of_points("one", 0, truth=None))
    assert "over the truth" not in plain and "entropy" not in plain


def test_points_are_listed_as_points():
    found = of_points("one", 0)
    found["failed"]["not_converged"] = [3]
    assert "one: the solve of point 3 did not converge" in wording.table(found)
    found["failed"]["not_finite"] = [3, 4]
    assert "the figure of points 3, 4 of split" in wording.failure(found)
