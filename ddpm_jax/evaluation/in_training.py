"""The evaluation between two steps of training."""

from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data.source import Source
from ddpm_jax.evaluation import estimators, likelihood
from ddpm_jax.evaluation.results.evaluation import Measurement
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.denoiser import Denoiser


def while_training(
    config: Config, mesh: Mesh, model: Denoiser | ClassifierModel, source: Source
) -> Measurement:
    """The first of config.eval.estimators that needs no samples.

    Raises:
      ConfigError: there is none.
    """
    if isinstance(model, ClassifierModel):
        first = estimators.listed(config, "of_a_classifier")[0]
        return estimators.make_measurement(config, first, mesh, model, source)
    if not estimators.names(config, "likelihood"):
        raise ConfigError(
            f"config.eval.estimators = {config.eval.estimators!r} judge samples, for"
            " --mode=eval: while training list a likelihood too, such as 'stratified', or"
            " write config.training.eval_every = 0."
        )
    return likelihood.make_evaluator(config, mesh, model, source)
