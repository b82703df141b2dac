"""The theory of diffusion: pure functions of arrays. No Flax, no config, no I/O."""
