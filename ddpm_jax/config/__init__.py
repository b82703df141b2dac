"""The config: every field there is, with its default."""

from ddpm_jax.config.schema import default

__all__ = ["default"]
