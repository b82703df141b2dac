"""Accuracy of a classifier by noise level.

Image i of the split is seen once at each of a few levels of noise, drawn from (seed, i): the
same for every checkpoint, batch size and number of devices.
"""

import json
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.core import files, sharding
from ddpm_jax.core.choice import Choice, Options
from ddpm_jax.core.randomness import Stream, example_keys, stream_key
from ddpm_jax.data import passes, pipeline
from ddpm_jax.data.source import Source
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.evaluation import convention
from ddpm_jax.evaluation.results.evaluation import Evaluation
from ddpm_jax.evaluation.results.saved import FOLDER, known
from ddpm_jax.evaluation.results.wording import number
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.pictures import encoding, plots
from ddpm_jax.training.state import Params

NAME = "accuracy"
# Evenly spaced in t, from the least noise to the most.
NUM_LEVELS = 11


class Accuracy:
    """Measures one split; compiles once.

    Args:
      config: config of the run.
      mesh: the devices.
      model: the classifier.
      source: the split.
    """

    headline = "eval/accuracy"

    def __init__(
        self, config: Config, mesh: Mesh, model: ClassifierModel, source: Source
    ) -> None:
        if config.eval.num_examples:
            source = pipeline.first(source, config.eval.num_examples)
        self._config, self._mesh, self._source = config, mesh, source
        root = stream_key(config.seed, Stream.EVAL)
        times = levels(model.num_steps)

        def look(params: Params, batch: Any) -> Any:
            keys = example_keys(root, batch["index"])
            x = model.pixel_decoder.encode(batch["image"])
            log_snr_of, classify = model.log_snr(params), model.bind(params)

            def at(level: Any) -> Any:
                t = jnp.full(keys.shape, times[level])
                eps = gaussian.normal(gaussian.fold_in(keys, level), model.shape)
                z_t = gaussian.diffuse(x, eps, log_snr_of(t))
                logits, labels = classify(z_t, t).logits, batch["label"]
                nats = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
                is_right = jnp.argmax(logits, axis=-1) == labels
                return jnp.stack([is_right.astype(jnp.float32), nats])

            found = jax.lax.map(at, jnp.arange(NUM_LEVELS))
            log_snr = jnp.broadcast_to(log_snr_of(times)[:, None], found[:, 0].shape)
            # One axis of examples, first, as all that a batch gives has.
            return jnp.concatenate([found, log_snr[:, None]], axis=1).transpose(2, 1, 0)

        self._times = np.asarray(times, np.float64)
        self._look = sharding.compile_for_batch(mesh, look)

    def measured(self, path: epath.Path, params: Params, step: int) -> Evaluation:
        """Writes eval/<step>_accuracy.json and the same as a picture."""
        found = self._report(self._rows(params), step)
        by_level = found["by_level"]
        picture = plots.accuracy_by_log_snr(
            log_snr=np.asarray(by_level["log_snr"]),
            accuracy=np.asarray(by_level["accuracy"]),
            stderr=np.asarray(by_level["stderr"], np.float64),
            chance=1.0 / self._source.num_classes,
        )
        file = path / FOLDER / f"{step}_{NAME}.json"
        if jax.process_index() == 0:
            file.parent.mkdir(parents=True, exist_ok=True)
            files.replace_text(file, json.dumps(found, indent=2) + "\n")
            files.replace_bytes(file.with_suffix(".png"), encoding.png(picture))
        summary = (
            f"accuracy {found['accuracy']:.4f}, s.e. {number(found['stderr'])} over images,"
            f" at the least noise {by_level['accuracy'][0]:.4f}"
            f" ({found['num_examples']} images at {NUM_LEVELS} levels of noise)"
        )
        scalars = {
            self.headline: found["accuracy"],
            f"{self.headline}_stderr": found["stderr"],
            f"{self.headline}_at_least_noise": by_level["accuracy"][0],
            "eval/cross_entropy_bits": found["cross_entropy_bits"],
        }
        return Evaluation(scalars, {NAME: picture}, summary, str(file), failure="")

    def _rows(self, params: Params) -> np.ndarray:
        """[images, (is right, nats, log SNR), levels]."""
        size, title = self._config.eval.batch_size, f"evaluating ({NAME})"
        rows = []
        for batch, kept in passes.device_batches(self._mesh, self._source, size, title):
            found = np.asarray(self._look(params, batch), np.float64)
            rows.append(found[kept])
        return np.concatenate(rows)

    def _report(self, rows: np.ndarray, step: int) -> dict[str, Any]:
        num = len(rows)
        is_right, bits = rows[:, 0], rows[:, 1] / math.log(2.0)

        def error(values: np.ndarray) -> Any:
            """The standard error of the mean over images; nan of one alone."""
            if num == 1:
                return np.full(values.shape[1:], np.nan)
            return np.std(values, axis=0, ddof=1) / math.sqrt(num)

        return {
            "estimator": NAME,
            "accuracy": float(is_right.mean()),
            "stderr": known(error(is_right.mean(axis=1))),
            "cross_entropy_bits": float(bits.mean()),
            "by_level": {
                "t": self._times.tolist(),
                "log_snr": rows[:, 2].mean(axis=0).tolist(),
                "accuracy": is_right.mean(axis=0).tolist(),
                "stderr": [known(value) for value in error(is_right)],
                "cross_entropy_bits": bits.mean(axis=0).tolist(),
            },
            "num_examples": num,
            "num_classes": self._source.num_classes,
            "convention": convention.of_classifier(self._config, self._source, step),
        }


def levels(num_steps: int) -> jax.Array:
    """Times from 0 to 1; of a chain those nearest that it has."""
    times = np.linspace(0.0, 1.0, NUM_LEVELS)
    if num_steps != CONTINUOUS:
        times = np.rint(times * (num_steps - 1)) / (num_steps - 1)
    return jnp.asarray(times, jnp.float32)


CHOICE = Choice(
    Options,
    lambda _, config, mesh, model, source: Accuracy(config, mesh, model, source),
    frozenset({"of_a_classifier"}),
)
