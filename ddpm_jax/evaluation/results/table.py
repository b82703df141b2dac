"""Results of runs beside each other as text, one table for each kind of figure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ddpm_jax.evaluation.results import pairs
from ddpm_jax.evaluation.results.pairs import Difference
from ddpm_jax.evaluation.results.saved import Result

UNKNOWN = "-"


class Table(NamedTuple):
    """Results of one kind.

    Attributes:
      title: the quantity of the figures.
      rows: the header, and a row for each result.
      notes: remarks on the rows, a line each.
    """

    title: str
    rows: list[list[str]]
    notes: list[str]


def text(results: Sequence[Result]) -> str:
    """Warnings and tables for a terminal."""
    return _page(results, aligned)


def markdown(results: Sequence[Result]) -> str:
    """The tables in Markdown, for a document."""
    return _page(results, _piped)


def rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """The tables as rows for a program, one for each result; `kind` numbers the tables."""
    rows_of_tables = []
    for kind, group in enumerate(pairs.groups(results)):
        for result in group:
            row = {**result._asdict(), "path": str(result.path), "kind": kind}
            del row["images"]
            if result.density is None:
                del row["density"]
            difference = _to_first(result, group)
            row["difference"] = difference and {
                "to": group[0].name,
                **difference._asdict(),
            }
            rows_of_tables.append(row)
    return rows_of_tables


def tables(results: Sequence[Result]) -> list[Table]:
    """One for each kind of figure, with differences to its first run."""
    return [_table(group) for group in pairs.groups(results)]


def warnings(results: Sequence[Result]) -> list[str]:
    """A line for each reason why the figures of one estimator are not all of one kind."""
    by_estimator: dict[str, list[Result]] = {}
    for result in results:
        by_estimator.setdefault(result.estimator, []).append(result)
    return [
        f"WARNING: these are not comparable, and stand apart: {line}"
        for own in by_estimator.values()
        for line in _differing(own, separating=True)
    ]


def _page(results: Sequence[Result], layout: Callable[[list[list[str]]], str]) -> str:
    parts = warnings(results)
    for table in tables(results):
        parts += [table.title, layout(table.rows)]
        parts += ["\n".join(f"- {note}" for note in table.notes)] if table.notes else []
    return "\n\n".join(parts)


def _table(group: Sequence[Result]) -> Table:
    terms = list(dict.fromkeys(name for result in group for name in result.terms))
    what = group[0].noun
    errors = ["± draws", f"± {what}"]
    header = ["run", "step", "bits/dim", *errors, "difference", *errors, *terms]
    header += [] if group[0].density is None else ["nats", "over the truth", *errors]
    header += ["evaluations", what, "failed"]
    lines, notes = [header], []
    for result in group:
        difference = _to_first(result, group)
        lines.append(_line(result, difference, terms))
        if result is not group[0]:
            notes += _remarks(result, difference, group[0])
    notes += [f"differs: {line}" for line in _differing(group, separating=False)]
    return Table(_title(group), lines, notes)


def _title(group: Sequence[Result]) -> str:
    first = group[0]
    c = first.convention
    paired = f" Differences are to {first.name}, paired by {group[0].noun[:-1]}."
    data = ", ".join(f"{name} {value}" for name, value in c["data"].items())
    return (
        f"{c['figure']}, by the estimator {first.estimator!r}, x_hat {c['x_hat']}.\n"
        f"Data: {data}.{paired if len(group) > 1 else ''}"
    )


def _line(
    result: Result, difference: Difference | None, terms: Sequence[str]
) -> list[str]:
    figures = (result.bits_per_dim, result.stderr, result.stderr_images)
    differences: tuple[float | None, ...] = (None, None, None)
    if difference is not None:
        d = difference
        differences = (d.bits_per_dim, d.stderr, d.stderr_images)
    return [
        result.name,
        str(result.step),
        *map(_number, figures),
        _number(differences[0], sign="+"),
        *map(_number, differences[1:]),
        *(_number(result.terms.get(name)) for name in terms),
        *_in_nats(result.density),
        _number(result.num_network_evaluations, digits=1),
        str(result.num_examples),
        str(sum(map(len, result.failed.values()))),
    ]


def _in_nats(density: Mapping[str, Any] | None) -> list[str]:
    """The nats of a density, and its excess over the truth with errors; of images nothing."""
    if density is None:
        return []
    excess = density.get("excess_over_the_truth", {})
    figures = [excess.get(name) for name in ("nats", "stderr", "stderr_points")]
    return list(map(_number, [density["nats_per_point"]["nats"], *figures]))


def _remarks(result: Result, difference: Difference | None, first: Result) -> list[str]:
    """Remarks on the columns of differences."""
    what = first.noun
    if difference is None:
        return [
            f"{result.name} has no difference to {first.name}: one of the two keeps no"
            f" values of single {what}, or they have none in common."
        ]
    rows_of_tables = []
    if not difference.has_common_noise:
        rows_of_tables.append(
            f"{result.name} and {first.name} are not known to share their draws of noise:"
            " the error over draws of their difference is that of independent ones."
        )
    if not difference.num_images == result.num_examples == first.num_examples:
        rows_of_tables.append(
            f"{result.name} and {first.name} differ by that over the"
            f" {difference.num_images} {what} that both have."
        )
    return rows_of_tables


def _to_first(result: Result, group: Sequence[Result]) -> Difference | None:
    return None if result is group[0] else pairs.difference(result, group[0])


def _differing(results: Sequence[Result], *, separating: bool) -> list[str]:
    """The fields in which results differ: those that set them apart, or the others."""
    apart = pairs.separating(results)
    return [
        f"{field}: {_listed(values)}"
        for field, values in pairs.differing(results).items()
        if (field in apart) == separating
    ]


def _listed(values: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in values.items())


def _number(value: float | None, *, sign: str = "", digits: int = 4) -> str:
    return UNKNOWN if value is None else format(value, f"{sign}.{digits}f")


def aligned(lines: list[list[str]]) -> str:
    """Columns of even width, all but the first to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _piped(lines: list[list[str]]) -> str:
    header, *body = lines
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, ruler, *body])
