"""All checks of a config that need nothing to be built: in whole, and what each mode needs."""

from collections.abc import Collection

from ml_collections import ConfigDict as Config

from ddpm_jax.config import check, combinations
from ddpm_jax.core.errors import choose
from ddpm_jax.evaluation import estimators
from ddpm_jax.models.build import weight_names
from ddpm_jax.sampling import checks

GROUPS = {"eval": estimators.check, "sample": checks.check}


def check_values(config: Config) -> None:
    """Checks each field of a config by itself.

    Raises:
      ConfigError: the first fault, in one line.
    """
    check.fields(config)
    check.choices(config)


def check_config(config: Config, groups: Collection[str] = tuple(GROUPS)) -> None:
    """Checks a config by all checks that need nothing to be built.

    Args:
      config: the config.
      groups: those of `GROUPS` that are used.

    Raises:
      ConfigError: the first fault, in one line.
    """
    check_values(config)
    combinations.combinations(config)
    for group in groups:
        GROUPS[group](config)
    for group in groups:
        field = f"{group}.weights"
        choose(dict.fromkeys(weight_names(config)), config[group].weights, field)


def for_training(config: Config, num_devices: int) -> None:
    """Checks all of a config, and the batches that training uses on so many devices.

    Raises:
      ConfigError: the first fault, in one line.
    """
    check_config(config)
    every = config.training
    beside = {"eval": every.eval_every, "sample": every.sample_every}
    used = [group for group, cadence in beside.items() if cadence]
    combinations.devices(config, num_devices, ["data", *used])


def for_evaluation(config: Config, num_devices: int) -> None:
    """The same of what evaluation uses: config.sample only where samples are measured."""
    check_config(config, ["eval"])
    used = ["eval"]
    if estimators.names(config, "of_samples"):
        check_config(config, ["sample"])
        used.append("sample")
    combinations.devices(config, num_devices, used)


def for_sampling(config: Config, num_devices: int) -> None:
    """The same of what sampling uses."""
    check_config(config, ["sample"])
    combinations.devices(config, num_devices, ["sample"])


def for_reference(config: Config, num_devices: int) -> None:
    """The same of what a reference of samples needs."""
    check_config(config, [])
    combinations.devices(config, num_devices, ["eval"])
