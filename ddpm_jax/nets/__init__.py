"""Flax networks: tensors and a time in, tensors out. They know nothing of diffusion."""
