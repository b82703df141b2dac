"""Compare the evaluations of several runs, in a table and a picture.

    python -m ddpm_jax compare runs/digits runs/digits_vdm [--out=compared.png]
    python -m ddpm_jax compare runs/digits@450 runs/digits@900

The newest evaluation of each run is compared, or that of the step after "@", or of --step.
Differences are to the first run, paired by image. Figures of different kinds (of other data, of
another quantity) are set apart, each kind with a first run of its own.

    python -m ddpm_jax compare runs/a/samples/900_ddim_20 'runs/b/samples/900_ddim_20*'
        [--out=grid.png]

Folders of samples are compared by what they depend on, and in a picture. Several folders of one
set, by commas or a pattern, are those of jobs that shared out a range of numbers.
"""

import json
import os
import sys
from collections.abc import Sequence

from etils import epath

from ddpm_jax.commands import compare_samples
from ddpm_jax.core import arguments, files, paths
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import changes, record_files
from ddpm_jax.evaluation.results import pairs, plot, saved, table
from ddpm_jax.evaluation.results.saved import Result
from ddpm_jax.sampling import sample_folders


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    return arguments.run(_main, argv)


def _main(argv: list[str]) -> int:
    parser = arguments.Parser("compare", __doc__ or "")
    parser.add_argument("directories", nargs="*", metavar="DIR", help="a run's workdir")
    parser.add_argument("--step", type=int, help="of each run; by default its newest")
    parser.add_argument("--estimator", help="whose figures; by default all")
    parser.add_argument("--out", metavar="FILE.png", help="where to draw the figures")
    parser.add_argument("--json", action="store_true", help="print rows for a program")
    flags = parser.parse_args(argv)
    out = None
    if flags.out is not None:
        out = paths.expanded(flags.out, f"--out={flags.out}")
        if out.suffix != ".png":
            raise ConfigError(
                f"--out={flags.out} will be a PNG picture: write FILE.png."
            )
    if flags.directories and sample_folders.is_one(flags.directories[0]):
        given = {"step": flags.step, "estimator": flags.estimator}
        for name, value in given.items():
            if value is not None:
                raise ConfigError(f"--{name}={value} is not for folders of samples.")
        compare_samples.run(flags.directories, out, flags.json)
        return 0
    results = gather(flags.directories, flags.step)
    if flags.estimator is not None:
        results = only(results, flags.estimator)
    if flags.json:
        print(json.dumps(table.rows(results), indent=2))
    else:
        for line in changes_of_data(results):
            print(f"WARNING: {line}\n")
        print(table.text(results))
    if out is not None:
        write_picture(out, results)
    return 0


def gather(
    directories: Sequence[epath.PathLike], step: int | None = None
) -> list[Result]:
    """The results of some workdirs, in their order, under names that tell them apart.

    Args:
      directories: the workdirs; "@" and a step after one choose its evaluation.
      step: step of the weights; None: the newest evaluation of each.

    Raises:
      ConfigError: there are no workdirs, or one has no evaluation of that step.
    """
    if not directories:
        raise ConfigError(
            "a compare of nothing: write workdirs, python -m ddpm_jax compare DIR..."
        )
    results = [result for text in directories for result in _read(text, step)]
    names = {(str(result.path), result.step): result.name for result in results}
    if len(set(names.values())) < len(names):
        results = [
            result._replace(name=result.name.replace(_folder(result), str(result.path)))
            for result in results
        ]
    return results


def changes_of_data(results: Sequence[Result]) -> list[str]:
    """A line for each run whose data are those of the first, but have changed."""
    lines: dict[str, None] = {}
    for result in results[1:]:
        first = results[0]
        if "data.contents" not in pairs.separating([first, result]):
            continue
        states = [
            record_files.state_of_contents(one.path, one.convention["data"]["contents"])
            for one in (first, result)
        ]
        if states[0] and states[1]:
            clauses = changes.between(states[0], states[1])
            lines[
                f"the data of {result.name} are not those of {first.name}:"
                f" {'; '.join(clauses)}"
            ] = None
    return list(lines)


def _read(directory: epath.PathLike, step: int | None) -> list[Result]:
    """The results of DIR or of DIR@STEP."""
    whole = paths.expanded(directory, f"the workdir {os.fspath(directory)!r}")
    path, at, chosen_step = os.fspath(whole).rpartition("@")
    if not at or not chosen_step.isdecimal() or whole.is_dir():
        return saved.read(whole, step)
    results = saved.read(path, int(chosen_step))
    return [result._replace(name=f"{result.name}@{chosen_step}") for result in results]


def _folder(result: Result) -> str:
    return result.path.resolve().name


def only(results: Sequence[Result], estimator: str) -> list[Result]:
    """The results of one estimator; runs without one are reported on stderr.

    Raises:
      ConfigError: nobody has any.
    """
    kept = [result for result in results if result.estimator == estimator]
    if not kept:
        known = ", ".join(sorted({result.estimator for result in results}))
        raise ConfigError(
            f"--estimator={estimator} is none of these evaluations': they have {known}."
        )
    for name in dict.fromkeys(result.name for result in results):
        if name not in {result.name for result in kept}:
            print(f"{name} has no figure by {estimator!r}: left out", file=sys.stderr)
    return kept


def write_picture(file: epath.Path, results: Sequence[Result]) -> None:
    """Writes figures and differences as a PNG picture.

    Raises:
      ConfigError: it cannot be written.
    """
    picture = plot.png(pairs.groups(results))
    try:
        files.replace_bytes(file, picture)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written: {error.strerror or error}."
        ) from error
