"""One runnable document an experiment; each starts from `ddpm_jax.config.default()`."""
