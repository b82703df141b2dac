"""Denoising diffusion models in JAX: train, evaluate in bits per dim, sample."""
