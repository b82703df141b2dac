"""Measure the gains and costs of guidance by its scale, in a table and pictures.

    python -m ddpm_jax guidance runs/digits_cond --judge=runs/judge

For each scale, samples are drawn by the checkpoint's model and judged by a classifier that did
not guide them: the share that it assigns to the class they were drawn for (accuracy), the share
of the data that samples cover (recall), the share of samples that are like the data
(precision), and the Frechet distance of its features, each with its standard error over
repetitions. The run's folder scales/ gets the table as JSON and its curves, samples by class
and scale, and trajectories of the first samples of each scale, all from the same noise.
"""

import argparse
import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import logging
from etils import epath
from ml_collections import ConfigDict as Config

from ddpm_jax.check import check_config
from ddpm_jax.config import plugins
from ddpm_jax.config.schema import default
from ddpm_jax.core import arguments, files, folders, paths, terminal
from ddpm_jax.core.errors import ConfigError, choose
from ddpm_jax.evaluation import convention, features, reference, sample_quality
from ddpm_jax.evaluation.extractors.extractor import Extractor
from ddpm_jax.evaluation.repeated_samples import RepeatedSamples
from ddpm_jax.evaluation.results.table import aligned
from ddpm_jax.models import build
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.pictures import encoding, plots
from ddpm_jax.pictures.samples import Drawing
from ddpm_jax.runs import restore
from ddpm_jax.sampling import checks, drawings, guides, sample_batches
from ddpm_jax.sampling.guides import GUIDES

FOLDER = "scales"
# Samples of each class in a picture, and frames of a trajectory.
NUM_SHOWN, NUM_FRAMES = 4, 8
COLUMNS = ("accuracy", "precision", "recall", "fid")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    return arguments.run(_main, argv)


def _main(argv: list[str]) -> int:
    parser = arguments.Parser("guidance", __doc__ or "")
    parser.add_argument("directory", metavar="DIR", help="the run's workdir")
    parser.add_argument("--judge", required=True, help="a classifier's workdir")
    parser.add_argument("--scales", default="0,0.5,1,1.5,2,3,4", help="by commas")
    parser.add_argument("--guidance", default="classifier_free")
    parser.add_argument("--guide", help="the guide's workdir, if it has one")
    parser.add_argument("--guide-step", type=int, default=-1)
    parser.add_argument("--sampler", default="unipc")
    parser.add_argument("--num-steps", type=int, default=20)
    parser.add_argument("--num-samples", type=int, default=1000)
    parser.add_argument("--num-repeats", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=250)
    plugins.add_argument(parser)
    flags = parser.parse_args(argv)
    terminal.begin_log()
    plugins.load_flags(flags.plugins)
    config = _config(flags)
    scales = _scales(flags.scales)
    for scale in scales:
        with errors_about_scales(flags.scales):
            checks.check_guidance(at_scale(config, scale))
    restored = restore.load(config, flags.directory, step=-1, weights="ema")
    guide = guides.of(config, restored)
    if not guide.num_classes:
        raise ConfigError(
            f"{flags.directory} is told no classes, by which accuracy goes: write a run of"
            " config.model.class_conditional = True, or --guidance=classifier."
        )
    folder = restored.path / FOLDER
    folders.make_folder(folder)
    extractor = features.make(config, restored.mesh, restored.data, restored.others)
    real = reference.of(config, restored.path, restored.mesh, extractor, restored.data)
    if extractor.identity["arrays"] in guides.identity(config, guide).values():
        raise ConfigError(
            f"--judge={flags.judge} is the guide itself, to which its samples look right:"
            " write another classifier."
        )
    rows, shown = [], []
    stem = folder / f"{restored.step}_{flags.guidance}"
    for num, scale in enumerate(scales, start=1):
        logging.info("scale %g ...", scale)
        scaled = at_scale(config, scale)
        rows.append(measured(scaled, restored, extractor, real))
        shown.append(_drawn(scaled, restored))
        # Results are on disk after each scale, whatever happens later.
        _write(stem, config, restored, guide, real, scales[:num], rows, shown)
    print(aligned(_lines(scales, rows)))
    print(f"these, and pictures: {stem}.json, .png, _classes.png, _film.png")
    return 0


@contextlib.contextmanager
def errors_about_scales(text: str) -> Iterator[None]:
    """Turns an error in a check of one scale into one that names the flag."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"--scales={text}: {error}") from error


def at_scale(config: Config, scale: float) -> Config:
    """The config with the given scale of its guidance."""
    scaled = config.copy_and_resolve_references()
    with scaled.unlocked():
        scaled.sample[scaled.sample.guidance].scale = scale
    return scaled


def measured(
    config: Config,
    restored: Restored[Denoiser],
    extractor: Extractor,
    real: reference.Reference,
) -> dict[str, Any]:
    """The mean, error and repetitions of each of `COLUMNS`."""
    samples = RepeatedSamples(config, restored, extractor)
    rows = []
    for number in range(config.eval.quality.num_repeats):
        own = samples.draw(number)
        row = sample_quality.figures(config, real, own.features)
        rows.append(row | {"accuracy": own.accuracy})
    return {
        name: sample_quality.summarised([row[name] for row in rows]) for name in COLUMNS
    }


def _config(flags: argparse.Namespace) -> Config:
    """The run's config, with the sampling that the flags ask for."""
    field = f"the workdir {flags.directory!r}"
    config = restore.config_of(field, flags.directory, default())
    if build.is_classifier(config):
        raise ConfigError(f"{field} is a classifier's, which draws nothing.")
    guided = {n: g for n, g in GUIDES.items() if not g.has("unguided")}
    choose(guided, flags.guidance, "--guidance")
    judge = paths.expanded(flags.judge, f"--judge={flags.judge}")
    guide = ""
    if flags.guide is not None:
        guide = os.fspath(paths.expanded(flags.guide, f"--guide={flags.guide}"))
    if guide and "workdir" not in config.sample[flags.guidance]:
        raise ConfigError(
            f"--guide is not for --guidance={flags.guidance}: leave it out."
        )
    with config.unlocked():
        config.sample.update(
            sampler=flags.sampler,
            num_steps=flags.num_steps,
            batch_size=flags.batch_size,
            guidance=flags.guidance,
            task="generate",
            classes=(),
        )
        if "workdir" in config.sample[flags.guidance]:
            config.sample[flags.guidance].update(workdir=guide, step=flags.guide_step)
        config.eval.update(estimators="fid,precision_recall", step=-1, weights="ema")
        config.eval.quality.update(
            extractor="classifier",
            classifier=os.fspath(judge),
            num_samples=flags.num_samples,
            num_repeats=flags.num_repeats,
            reference="",
        )
    check_config(config)
    return config


def _scales(text: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(
            f"--scales={text} are not numbers: write some by commas, such as 0,1,2."
        ) from error
    return sorted(set(found))


def _drawn(config: Config, restored: Restored[Denoiser]) -> sample_batches.Batch:
    """A few samples of every class with trajectories; sample j has class j mod num_classes."""
    guide = guides.of(config, restored)
    num_classes = guide.num_classes
    few = sample_batches.with_small_batch(config, NUM_SHOWN * num_classes)
    with few.unlocked():
        few.sample.classes = tuple(range(num_classes))
    batches = sample_batches.Batches(
        few, restored.mesh, restored.model, guide, num_frames=NUM_FRAMES
    )
    return batches.draw(restored.params, 0)


def _write(
    stem: epath.Path,
    config: Config,
    restored: Restored[Denoiser],
    guide: guides.Guide,
    real: reference.Reference,
    scales: list[float],
    rows: list[dict[str, Any]],
    shown: list[sample_batches.Batch],
) -> None:
    """Writes the table as JSON, and the pictures."""
    others = guides.identity(config, guide)
    means = convention.of_samples(config, real.identity, restored.step, others)
    # The scale differs by row.
    means["options"][config.sample.guidance].pop("scale")
    report = {
        "guidance": config.sample.guidance,
        "rows": [
            {"scale": scale} | row for scale, row in zip(scales, rows, strict=True)
        ],
        "num_samples": config.eval.quality.num_samples,
        "num_repeats": config.eval.quality.num_repeats,
        "convention": means,
    }
    contents = {
        ".json": (json.dumps(report, indent=2) + "\n").encode(),
        ".png": encoding.png(_curves(scales, rows)),
        "_classes.png": encoding.png(_classes(restored, scales, shown)),
        "_film.png": encoding.png(_film(restored, scales, shown)),
    }
    for end, data in contents.items():
        files.write(stem.with_name(f"{stem.name}{end}"), data)


def _lines(scales: list[float], rows: list[dict[str, Any]]) -> list[list[str]]:
    lines = [["scale", *(part for name in COLUMNS for part in (name, "s.e."))]]
    for scale, row in zip(scales, rows, strict=True):
        line = [f"{scale:g}"]
        for name in COLUMNS:
            stderr = row[name]["stderr"]
            line += [
                f"{row[name]['mean']:.4f}",
                "-" if stderr is None else f"{stderr:.4f}",
            ]
        lines.append(line)
    return lines


def _curves(scales: list[float], rows: list[dict[str, Any]]) -> plots.Picture:
    def curve(name: str) -> plots.Estimates:
        # A standard error that is not known draws no bar.
        errors = [row[name]["stderr"] for row in rows]
        return plots.Estimates(
            np.array([row[name]["mean"] for row in rows]),
            np.array([np.nan if error is None else error for error in errors]),
        )

    shares = {name: curve(name) for name in ("accuracy", "precision", "recall")}
    return plots.trade_off(np.array(scales), shares, curve("fid"))


def _classes(
    restored: Restored[Denoiser], scales: list[float], shown: list[sample_batches.Batch]
) -> np.ndarray:
    """A picture of samples with a row for each class and a column for each scale."""
    num_classes = int(shown[0].labels.max()) + 1
    cells = {
        f"class {label}": [
            batch.pixels[batch.labels == label][:NUM_SHOWN] for batch in shown
        ]
        for label in range(num_classes)
    }
    return _drawing(restored).comparison(
        cells, [f"scale {scale:g}" for scale in scales]
    )


def _film(
    restored: Restored[Denoiser], scales: list[float], shown: list[sample_batches.Batch]
) -> np.ndarray:
    """A picture of the first samples' x_hat: a row for each scale, a column for each frame."""
    cells = {}
    for scale, batch in zip(scales, shown, strict=True):
        assert batch.film is not None
        x_hat, _ = batch.film
        cells[f"scale {scale:g}"] = list(np.asarray(x_hat[:, :NUM_SHOWN]))
    last = NUM_FRAMES - 1
    names = ["first", *(f"{i}/{last}" for i in range(1, last)), "sample"]
    return _drawing(restored).comparison(cells, names)


def _drawing(restored: Restored[Denoiser]) -> Drawing:
    return drawings.of_run(restored.data, restored.config.data.train_split)
