"""A trained model in a notebook: `run = ddpm_jax.load("runs/digits")`, then `run.sample(16)`.

Keyword arguments are named like the fields of the config: `sampler="unipc"` is
config.sample.sampler, and the options of one choice are a dict named after it, such as
`unipc={"order": 3}`. Other fields are those of the run's own config. Each method compiles once
for each set of arguments.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from etils import epath
from ml_collections import ConfigDict as Config

from ddpm_jax.api import options
from ddpm_jax.config import plugins as plugin_files
from ddpm_jax.config.schema import default
from ddpm_jax.core import terminal
from ddpm_jax.core.errors import ConfigError, choose
from ddpm_jax.core.limits import LARGEST_INT
from ddpm_jax.data.source import Images
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.evaluation import estimators, likelihood
from ddpm_jax.evaluation.results import report, wording
from ddpm_jax.evaluation.table import ESTIMATORS
from ddpm_jax.models import build
from ddpm_jax.models.backbone import Conditioning
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.pictures.samples import Drawing, Picture
from ddpm_jax.runs import restore
from ddpm_jax.sampling import (
    analytic_variance,
    drawings,
    guides,
    sample_batches,
    tasks,
)
from ddpm_jax.sampling.sample_batches import Batches
from ddpm_jax.training.nonfinite import NonFiniteError
from ddpm_jax.training.state import Params

# Fields that are no keywords: they are arguments of their own, or concern files alone.
EXCLUDED_FROM_SAMPLE = (
    *("num_samples", "first", "step", "weights"),
    *("folder", "format", "shard_size", "film", "contrast"),
)
EXCLUDED_FROM_EVAL = ("estimators", "step", "weights", "quality", "folder")


class BitsPerDim(NamedTuple):
    """An estimate of bits per dim, with its standard errors.

    Attributes:
      value: mean over images.
      stderr: standard error over draws of noise; None: there was only one draw.
      stderr_images: standard error over images, as a sample of all possible ones.
      report: the whole report with terms and convention, as in eval/<step>.json.
    """

    value: float
    stderr: float | None
    stderr_images: float | None
    report: report.Report

    def __str__(self) -> str:
        return wording.summary(self.report)


class Run:
    """A trained model, restored from its workdir by `load`.

    Attributes:
      config: config of the run.
    """

    def __init__(self, config: Config, restored: Restored[Denoiser]) -> None:
        self.config = config
        self._restored = restored
        self._batches: dict[str, Batches] = {}
        self._evaluators: dict[str, likelihood.Evaluator] = {}

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, step={self.step})"

    @property
    def path(self) -> epath.Path:
        """The workdir."""
        return self._restored.path

    @property
    def step(self) -> int:
        """The training step of its checkpoint."""
        return self._restored.step

    @property
    def model(self) -> Denoiser:
        """The network and the schedule, without parameters."""
        return self._restored.model

    @property
    def class_names(self) -> Sequence[str]:
        """The names that classes had in training, in the order of their numbers."""
        return self._restored.data.class_names

    @property
    def params(self) -> Params:
        """The parameters: by default, the average of the weights."""
        return self._restored.params

    @functools.cached_property
    def diffusion(self) -> Diffusion:
        """The model bound by its parameters, without a class."""
        return self.model.bind(self.params)

    def of_classes(self, classes: Sequence[int]) -> Diffusion:
        """The model for a batch of examples, each of a given class; -1 is none.

        Raises:
          ConfigError: the model has no classes, or no such class.
        """
        num_classes = self.model.num_classes
        for label in classes:
            if not -1 <= label < num_classes:
                raise ConfigError(
                    f"classes = {tuple(classes)}: there is no class {label};"
                    + (
                        f" there are 0 to {num_classes - 1}, and -1 for none."
                        if num_classes
                        else " the model is told none."
                    )
                )
        labels = jnp.asarray(classes, jnp.int32)
        return self.model.bind(self.params, conditioning=Conditioning(labels=labels))

    def sample(
        self,
        num_samples: int = 16,
        *,
        first: int = 0,
        seed: int | None = None,
        **choices: Any,
    ) -> Images:
        """Draws images.

        Sample j is a function of the weights, the seed, the choices and j alone. The first
        ones are those that `--mode=sample` writes, but for rounding.

        Args:
          num_samples: number of samples.
          first: number of the first sample.
          seed: seed of all draws; None: the run's config.sample.seed.
          choices: fields of config.sample, such as sampler="unipc", num_steps=20,
            guidance="classifier_free", classifier_free={"scale": 2.0}, classes=range(10).

        Returns:
          Pixel values as the data has them, uint8 from 0 to
          `model.pixel_decoder.num_values` - 1; float32 where these are 0, for real numbers.

        Raises:
          ConfigError: a choice does not exist or cannot work, by its name.
        """
        _check_count("num_samples", num_samples, at_least=1)
        _check_count("first", first, at_least=0)
        # The numbers of samples are 32-bit integers.
        _check_count("first + num_samples", first + num_samples, at_least=1)
        given = choices if seed is None else {**choices, "seed": seed}
        config = options.applied(
            self.config, "sample", given, excluded=EXCLUDED_FROM_SAMPLE
        )
        with config.unlocked():
            config.sample.update(first=first, num_samples=num_samples)
            size = config.sample.batch_size
            if "batch_size" not in choices:
                size = min(size, num_samples)
            config.sample.batch_size = _divisible(size)
        with options.named("sample"):
            batches = self._batches_of(config)
            return sample_batches.drawn(config, batches, self.params)

    def grid(self, images: Images) -> Picture:
        """Images in a square, or points in a plot, as one picture of 0..255 to be shown."""
        return self._drawing.grid(images)

    @functools.cached_property
    def _drawing(self) -> Drawing:
        return drawings.of_run(self._restored.data, self.config.data.train_split)

    def bits_per_dim(
        self, estimator: str = "", *, split: str = "", **choices: Any
    ) -> BitsPerDim:
        """Measures the likelihood of the images of a split.

        Args:
          estimator: "stratified", "full" or "ode"; "": the first that config.eval lists.
          split: a split of the run's data, such as "train"; "": its evaluation split.
          choices: fields of config.eval, such as num_draws=4, num_examples=100 (0: all).

        Raises:
          ConfigError: a choice does not exist or cannot work, by its name.
          NonFiniteError: a figure is not a number, or there is none at all.
        """
        likelihoods = {n: c for n, c in ESTIMATORS.items() if c.has("likelihood")}
        listed = estimators.names(self.config, "likelihood")
        name = estimator or next(iter([*listed, *likelihoods]))
        with options.named("eval"):
            choose(likelihoods, name, "eval.estimator")
        config = self.config.copy_and_resolve_references()
        with config.unlocked():
            config.eval.estimators = name
            if not ESTIMATORS[name].has("takes_pilot"):
                config.eval.pilot_examples = 0
            config.data.eval_split = split or config.data.eval_split
        config = options.applied(config, "eval", choices, excluded=EXCLUDED_FROM_EVAL)
        with config.unlocked():
            config.eval.batch_size = _divisible(config.eval.batch_size)
        key = config.to_json(sort_keys=True)
        if key not in self._evaluators:
            source = self._restored.data.open_split(config.data.eval_split)
            self._evaluators[key] = likelihood.make_evaluator(
                config, self._restored.mesh, self.model, source, name
            )
        evaluator = self._evaluators[key]
        evaluated = evaluator.report(evaluator.rows(self.params), self.step)
        if failure := wording.failure(evaluated):
            raise NonFiniteError(failure)
        return BitsPerDim(
            evaluated["bits_per_dim"],
            evaluated["bits_per_dim_stderr"],
            evaluated["bits_per_dim_stderr_images"],
            evaluated,
        )

    def _batches_of(self, config: Config) -> Batches:
        """The compiled sampler of a config, made when it is first needed."""
        shape, decoder = self.model.shape, self.model.pixel_decoder
        task = tasks.of(config, shape, decoder.num_values)
        keyed = config.copy_and_resolve_references()
        if task.last is None:
            # A sample depends on the number of samples in an interpolation only.
            keyed.sample.update(num_samples=0, first=0)
        key = f"{keyed.to_json(sort_keys=True)} {task.identity}"
        if key not in self._batches:
            guide = guides.of(config, self._restored)
            self._batches[key] = Batches(
                config,
                self._restored.mesh,
                self.model,
                guide,
                task,
                analytic_variance.of(config, self._restored, guide),
            )
        return self._batches[key]


def load(
    directory: epath.PathLike,
    *,
    step: int = -1,
    weights: str = "ema",
    plugins: str | Sequence[str] = (),
) -> Run:
    """Restores a run from its workdir, which is not changed: it may be training there.

    Args:
      directory: the workdir.
      step: step of the checkpoint; -1: the newest whole one.
      weights: "ema", "raw", or "ema:<one of config.ema.extra_decays>".
      plugins: that the run had, as `ddpm_jax.plugins.load` takes them.

    Raises:
      ConfigError: it is not the workdir of a denoiser, or has no such checkpoint or weights.
    """
    terminal.leave_out_libraries()
    plugin_files.load(plugins)
    field = f"load({str(directory)!r})"
    config = restore.config_of(field, directory, default())
    if build.is_classifier(config):
        raise ConfigError(f"{field} is of a classifier, which draws nothing.")
    with restore.errors_about(field):
        restored = restore.load(config, directory, step=step, weights=weights)
    return Run(config, restored)


def _check_count(name: str, value: int, at_least: int) -> None:
    if value < at_least:
        raise ConfigError(f"{name} = {value}: write a whole number from {at_least} on.")
    if value > LARGEST_INT:
        raise ConfigError(f"{name} = {value}: write at most {LARGEST_INT}.")


def _divisible(size: int) -> int:
    """The next batch size that divides over all devices."""
    num_devices = jax.device_count()
    return -(-size // num_devices) * num_devices
