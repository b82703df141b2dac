"""Results beside each other: every field of a row, and notes on what differs."""

import json

import pytest

from ddpm_jax.evaluation.results import pairs, saved, table
from ddpm_jax.evaluation.results.pairs import Difference
from ddpm_jax.evaluation.results.saved import Result
from tests import evaluation_files

# A row's fields are those of a result but for its arrays, and of images but for nats.
NOT_OF_IMAGES = {"images", "density"}


@pytest.fixture
def two(tmp_path):
    """Two comparable runs that share most of their noise."""
    found = []
    for seed, name in enumerate("ab"):
        values = evaluation_files.halves(seed, shared=5.0, offset=seed)
        failed = [3] if name == "b" else []
        path = evaluation_files.run(tmp_path / name, values, failed=failed)
        found += saved.read(path)
    return found


def test_a_row_for_a_program_is_the_result_and_its_difference(two):
    first, second = table.rows(two)
    a, b = two
    for row, result in ((first, a), (second, b)):
        assert row.keys() == {*Result._fields, "kind", "difference"} - NOT_OF_IMAGES
        for name in row.keys() - {"kind", "difference", "path"}:
            assert row[name] == getattr(result, name), name
        assert row["path"] == str(result.path) and row["kind"] == 0
    assert first["difference"] is None
    difference = pairs.difference(b, a)
    assert second["difference"] == {"to": "a", **difference._asdict()}
    assert second["difference"].keys() == {"to", *Difference._fields}
    assert json.loads(json.dumps([first, second]))[1]["name"] == "b"


def test_a_line_has_every_figure_in_its_column(two):
    ((title, (header, *lines), notes),) = table.tables(two)
    assert header == [
        *("run", "step", "bits/dim", "± draws", "± images"),
        *("difference", "± draws", "± images"),
        *("prior", "diffusion", "evaluations", "images", "failed"),
    ]
    a, b = two
    d = pairs.difference(b, a)
    for line, result in zip(lines, two, strict=True):
        differences = ["-", "-", "-"]
        if result is b:
            differences = [f"{d.bits_per_dim:+.4f}", f"{d.stderr:.4f}"]
            differences.append(f"{d.stderr_images:.4f}")
        assert line == [
            *(result.name, "4", f"{result.bits_per_dim:.4f}"),
            *(f"{result.stderr:.4f}", f"{result.stderr_images:.4f}"),
            *differences,
            *(f"{result.terms[name]:.4f}" for name in ("prior", "diffusion")),
            *("6.0", str(result.num_examples), "1" if result is b else "0"),
        ]
    assert notes == ["b and a differ by that over the 19 images that both have."]
    assert title == (
        "variational upper bound, by the estimator 'stratified', x_hat not clipped.\n"
        "Data: name digits, version one, split test, resizing none, num_examples 20."
        " Differences are to a, paired by image."
    )


def test_what_is_not_known_is_a_dash_and_terms_that_one_has_alone(two):
    a, b = two
    b = b._replace(bits_per_dim=None, stderr=None, images=None, terms={"gap": 0.5})
    ((_, (header, _, line), notes),) = table.tables([a, b])
    cells = dict(zip(header, line, strict=True))
    assert cells["bits/dim"] == cells["difference"] == cells["prior"] == "-"
    assert cells["gap"] == "0.5000" and header.count("gap") == 1
    assert notes[0].startswith("b has no difference to a: one of the two keeps no")


@pytest.mark.parametrize("field", saved.DEFINING)
def test_another_kind_stands_apart_with_a_warning(two, field):
    a, b = two
    other = {"split": "other"} if field == "data" else "other"
    b = b._replace(convention={**b.convention, field: other})
    first, second = table.tables([a, b])
    assert len(first.rows) == len(second.rows) == 2
    assert [row["kind"] for row in table.rows([a, b])] == [0, 1]
    said = table.warnings([a, b])
    assert all("these are not comparable, and stand apart" in line for line in said)
    assert any(f"{field}" in line and "other (b)" in line for line in said)
    assert table.text([a, b]).startswith("WARNING: ")


def test_what_else_differs_is_a_note(two):
    a, b = two
    b = b._replace(convention={**b.convention, "prediction": "v"}, seed=1)
    ((_, _, notes),) = table.tables([a, b])
    assert "differs: prediction: eps (a); v (b)" in notes
    assert any("not known to share their draws of noise" in note for note in notes)
    assert table.warnings([a, b]) == []


def test_other_estimators_are_no_reason_for_a_warning(two):
    a, b = two
    convention = {**b.convention, "estimator": "ode"}
    b = b._replace(estimator="ode", convention=convention)
    assert table.warnings([a, b]) == [] and len(table.tables([a, b])) == 2


def test_columns_are_even_and_a_document_has_rules(two):
    lines = table.aligned([["run", "x"], ["long name", "1"], ["b", "10"]])
    assert lines == "run         x\nlong name   1\nb          10"
    page = table.markdown(two).splitlines()
    (header,) = (line for line in page if line.startswith("| run | step |"))
    assert page[page.index(header) + 1].startswith("| --- | ---: |")


def in_nats(nats, excess):
    """A report's part of continuous data, with made-up errors."""
    figures = {"stderr": 0.01, "stderr_points": 0.02}
    return {
        "nats_per_point": {"nats": nats, **figures},
        "excess_over_the_truth": {"nats": excess, **figures, "bits_per_dim": excess},
    }


def test_points_have_columns_of_nats_and_what_they_are_over_the_truth(two):
    of_points = [
        result._replace(density=in_nats(2.5 + i, 0.125 + i))
        for i, result in enumerate(two)
    ]
    ((title, (header, *lines), notes),) = table.tables(of_points)
    assert header[-7:] == [
        *("nats", "over the truth", "± draws", "± points"),
        *("evaluations", "points", "failed"),
    ]
    assert lines[1][-7:-3] == ["3.5000", "1.1250", "0.0100", "0.0200"]
    assert title.endswith("Differences are to a, paired by point.")
    assert notes == ["b and a differ by that over the 19 points that both have."]
    assert "image" not in table.text(of_points)
    # Without a truth, a dash.
    density = {"nats_per_point": in_nats(2.5, 0.0)["nats_per_point"]}
    ((_, (_, line), _),) = table.tables([two[0]._replace(density=density)])
    assert line[-7:-3] == ["2.5000", "-", "-", "-"]
    rows = table.rows(of_points)
    assert rows[1]["density"] == in_nats(3.5, 1.125)
    assert json.loads(json.dumps(rows))[0]["density"]["nats_per_point"]["nats"] == 2.5
