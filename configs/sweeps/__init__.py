"""One sweep a file: get_sweep() -> dict, as `ddpm_jax.commands.sweep_file` says."""
