"""All checks of a config that need nothing to be built."""

from ml_collections import ConfigDict as Config

from ddpm_jax.config import check, combinations
from ddpm_jax.core.errors import choose
from ddpm_jax.evaluation import estimators
from ddpm_jax.models.build import weight_names
from ddpm_jax.sampling import checks


def check_config(config: Config) -> None:
    """Checks a config by all checks that need nothing to be built.

    Raises:
      ConfigError: the first fault, in one line.
    """
    check.fields(config)
    check.choices(config)
    combinations.combinations(config)
    estimators.check(config)
    checks.check(config)
    for group in ("eval", "sample"):
        field = f"{group}.weights"
        choose(dict.fromkeys(weight_names(config)), config[group].weights, field)
