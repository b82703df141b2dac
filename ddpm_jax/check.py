"""All that can be said against a config before anything is built."""

from collections.abc import Mapping
from typing import Any, get_args

from ml_collections import ConfigDict as Config

from ddpm_jax.config import check as config_check
from ddpm_jax.core.errors import ConfigError, choose, flat
from ddpm_jax.diffusion.likelihood import dequantization, probability_flow
from ddpm_jax.diffusion.likelihood.divergence import ProbeKind
from ddpm_jax.diffusion.objectives import weightings
from ddpm_jax.diffusion.process import pixel_decoder, predictions
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.evaluation import estimators
from ddpm_jax.models import objective
from ddpm_jax.models.backbone import TimeInput
from ddpm_jax.models.build import (
    CLASSIFIER,
    INTERIORS,
    LEARNED,
    NETWORKS,
    PIXEL_DECODERS,
    SCHEDULES,
    VARIANCE_FRACTIONS,
    is_table,
    weight_names,
)
from ddpm_jax.sampling import checks as sample_checks
from ddpm_jax.training import optimizer, parallel


def check_config(config: Config) -> None:
    """All that can be said against a config before anything is built.

    Raises:
      ConfigError: the first such thing, in one line.
    """
    config_check.fields(config)
    tables: dict[str, Mapping[str, Any]] = {
        "prediction": predictions.PARAMETERIZATIONS,
        "reverse_variance": VARIANCE_FRACTIONS,
        "schedule.name": {**SCHEDULES, LEARNED: None},
        f"schedule.{LEARNED}.interior": INTERIORS,
        "decoder.name": PIXEL_DECODERS,
        "decoder.mean": dict.fromkeys(get_args(pixel_decoder.MeanFrom)),
        "model.name": {**NETWORKS, CLASSIFIER: None},
        "model.time_input": dict.fromkeys(get_args(TimeInput)),
        "loss.weighting": {**weightings.WEIGHTINGS, objective.ELBO: None},
        "loss.time_sampling": dict.fromkeys(objective.TIME_SAMPLING),
        "loss.interior": dict.fromkeys(objective.INTERIOR),
        "optimizer.name": optimizer.OPTIMIZERS,
        "optimizer.decay": optimizer.DECAYS,
        "parallel.mode": parallel.MODES,
        "eval.ode.dequantization": dequantization.DEQUANTIZATIONS,
        "eval.ode.divergence": estimators.DIVERGENCES,
        "eval.ode.probe": dict.fromkeys(get_args(ProbeKind)),
        "eval.ode.solver": probability_flow.SOLVERS,
        **{
            f"model.{network}.dtype": dict.fromkeys(("float32", "bfloat16"))
            for network in (*NETWORKS, CLASSIFIER)
        },
    }
    for field, table in tables.items():
        choose(table, flat(config)[field], field)
    config_check.ranges(config)
    config_check.ends(config)
    config_check.combinations(config)
    if config.schedule.num_steps == CONTINUOUS and is_table(config):
        raise ConfigError(
            f"config.schedule.name = {config.schedule.name!r} is a table of T betas, which"
            " continuous time (config.schedule.num_steps = 0) has not: write one of"
            f" {sorted({LEARNED, *(n for n, (t, _) in SCHEDULES.items() if not t)})}."
        )
    estimators.check(config)
    sample_checks.check(config)
    for group in ("eval", "sample"):
        field = f"{group}.weights"
        choose(dict.fromkeys(weight_names(config)), config[group].weights, field)
