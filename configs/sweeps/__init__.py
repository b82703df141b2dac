"""One sweep a file: get_sweep() -> dict, as `ddpm_jax.sweep_file` says."""
