"""Run a sweep: train and evaluate each of its runs, then compare them in one table.

    python -m ddpm_jax sweep configs/sweeps/digits_ablation.py --workdir=runs/ablation
    ... --print                              # Print the commands instead, for a cluster.
    ... --only=prediction=v                  # Only the run of that name; may be repeated.
    ... --plugins=my_schedule.py             # Choices of your own, in every run.
    ... -- --config.training.num_steps=100   # Overrides of every run.

The same command goes on where it was stopped. Runs go to WORKDIR/<name>, with their output in
log.txt there; the comparison to WORKDIR/table.md, .json and .png. Exit status: 0 done,
1 some runs failed, 2 wrong arguments, 143 or 130 stopped by a signal. `commands.sweep_file`
describes sweep files.
"""

import json
import shlex
import sys
import time
from collections.abc import Sequence

from etils import epath

from ddpm_jax.commands import compare, sweep_file
from ddpm_jax.commands.subprocess import Child
from ddpm_jax.commands.sweep_file import Run
from ddpm_jax.config import plugins
from ddpm_jax.core import arguments, files, paths
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.evaluation import estimators
from ddpm_jax.evaluation.results import saved, table
from ddpm_jax.evaluation.results.saved import Result
from ddpm_jax.runs import workdir

# Python's arguments. Relative paths are those of the folder in which the sweep is started.
PROGRAM = ("-m", "ddpm_jax")
LOG, TABLE = "log.txt", "table"
# The lines of a failed run's log that are printed.
NUM_LAST_LINES = 5


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    return arguments.run(_main, argv)


def _main(argv: list[str]) -> int:
    end = argv.index("--") if "--" in argv else len(argv)
    parser = arguments.Parser("sweep", __doc__ or "")
    parser.add_argument("file", metavar="FILE", help="the sweep file")
    parser.add_argument("--workdir", required=True, help="where the runs' folders go")
    parser.add_argument("--print", action="store_true", help="print the commands only")
    parser.add_argument("--only", action="append", metavar="NAME", help="this run only")
    plugins.add_argument(parser)
    parsed = parser.parse_args(argv[:end])
    path = paths.expanded(parsed.workdir, f"--workdir={parsed.workdir}")
    plugins.load_flags(parsed.plugins)
    runs = sweep_file.read(parsed.file, tuple(argv[end + 1 :]))
    plugin_flags = tuple(f"--plugins={text}" for text in parsed.plugins)
    runs = [run._replace(arguments=(*plugin_flags, *run.arguments)) for run in runs]
    chosen = _only(runs, parsed.only)
    if parsed.print:
        for run in chosen:
            print(" && ".join(map(shlex.join, steps("python", run, path))))
        return 0
    return _run_all(runs, chosen, path)


def steps(python: str, run: Run, path: epath.Path) -> list[list[str]]:
    """The two commands of a run: train, and evaluate."""
    arguments = [*run.arguments, f"--workdir={path / run.name}"]
    return [[python, *PROGRAM, mode, *arguments] for mode in ("train", "eval")]


def _only(runs: Sequence[Run], names: Sequence[str] | None) -> list[Run]:
    known = {name: run for run in runs for name in (run.name, *run.aliases)}
    for name in names or ():
        if name not in known:
            raise ConfigError(f"--only={name} is not one of {', '.join(known)}.")
    wanted = {known[name].name for name in names or known}
    return [run for run in runs if run.name in wanted]


def is_finished(run: Run, path: epath.Path) -> bool:
    """Whether a run's last step has figures by all estimators, with the present config.eval."""
    config = path / run.name / workdir.CONFIG
    if not config.exists() or not _report(run, path).exists():
        return False
    written = json.loads(config.read_text())
    if flat(written["eval"]) != flat(run.config.eval):
        return False
    if written["data"].get("eval_split") != run.config.data.eval_split:
        return False
    found = {result.estimator: result.bits_per_dim for result in _results(run, path)}
    return all(
        found.get(name) is not None
        for name in estimators.names(run.config, "likelihood")
    )


def _results(run: Run, path: epath.Path) -> list[Result]:
    return saved.read(path / run.name, run.config.training.num_steps)


def _report(run: Run, path: epath.Path) -> epath.Path:
    step = run.config.training.num_steps
    return path / run.name / saved.FOLDER / f"{step}.json"


def _run_all(runs: Sequence[Run], chosen: Sequence[Run], path: epath.Path) -> int:
    if not files.is_local(path):
        raise ConfigError(f"--workdir={path} is not on this machine: add --print.")
    for run in runs:
        workdir.check_if_begun(path / run.name, run.config)
    left = [run for run in chosen if not is_finished(run, path)]
    print(
        f"{len(chosen)} runs in {path}, {len(chosen) - len(left)} of them done before"
    )

    failed: list[tuple[Run, int]] = []
    start = time.monotonic()
    with Child() as child:
        for number, run in enumerate(left, start=1):
            print(f"{number}/{len(left)} {run.name} ...", end=" ", flush=True)
            status = _run(child, run, path)
            if child.received:
                print("stopped; the same command goes on from there")
                return 128 + child.received
            is_done = status == 0 and is_finished(run, path)
            if not is_done:
                failed.append((run, status))
            how = "done" if is_done else f"failed, exit status {status}"
            mean = (time.monotonic() - start) / number
            print(f"{how}; {_duration(mean * (len(left) - number))} left", flush=True)
    _compare(runs, path)
    for run, status in failed:
        _report_failure(run, status, path)
    return 1 if failed else 0


def _run(child: Child, run: Run, path: epath.Path) -> int:
    """Trains and evaluates a run; returns the exit status of the first failure, or 0."""
    folder = path / run.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A report that is here belongs to another config.eval, which config.json will forget.
        _report(run, path).unlink(missing_ok=True)
        with (folder / LOG).open("ab") as log:
            for command in steps(sys.executable, run, path):
                status = child.run(command, log)
                if status or child.received:
                    return status
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written ({error.strerror or error})."
        ) from error
    return 0


def _compare(runs: Sequence[Run], path: epath.Path) -> None:
    """Prints and writes the table of all finished runs."""
    found = [
        result
        for run in runs
        if is_finished(run, path)
        for result in _results(run, path)
    ]
    if not found:
        return
    aliases = "".join(
        f"\n- {run.name} is also {' and '.join(run.aliases)}"
        for run in runs
        if run.aliases
    )
    files.replace_text(path / f"{TABLE}.md", f"{table.markdown(found)}\n{aliases}\n")
    files.replace_text(
        path / f"{TABLE}.json", json.dumps(table.rows(found), indent=2) + "\n"
    )
    compare.write_picture(path / f"{TABLE}.png", found)
    print(f"\n{table.text(found)}\n{aliases}")


def _report_failure(run: Run, status: int, path: epath.Path) -> None:
    log = path / run.name / LOG
    why = f"exit status {status}" if status else f"no figures in {_report(run, path)}"
    lines = log.read_bytes().decode(errors="replace").splitlines()
    print(f"failed: {run.name}, {why}. The last lines of {log}:", file=sys.stderr)
    for line in lines[-NUM_LAST_LINES:]:
        print(f"    {line}", file=sys.stderr)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"
