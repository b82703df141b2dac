"""What is measured between two steps of training."""

from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data.source import Source
from ddpm_jax.evaluation import accuracy, estimators
from ddpm_jax.evaluation.likelihood import Evaluator, make_evaluator
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.denoiser import Denoiser


def while_training(
    config: Config, mesh: Mesh, model: Denoiser | ClassifierModel, source: Source
) -> Evaluator | accuracy.Accuracy:
    """What is measured between two steps: a classifier's accuracy, or a likelihood."""
    if isinstance(model, ClassifierModel):
        return accuracy.Accuracy(config, mesh, model, source)
    if not estimators.names(config):
        raise ConfigError(
            f"config.eval.estimators = {config.eval.estimators!r} judge samples, for"
            " --mode=eval: while training list a likelihood too, such as 'stratified', or"
            " write config.training.eval_every = 0."
        )
    return make_evaluator(config, mesh, model, source)
