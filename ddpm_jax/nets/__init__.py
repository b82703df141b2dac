"""Flax networks: tensors and a time in, tensors out. They know nothing of diffusion."""

from ddpm_jax.nets import attention as attention
from ddpm_jax.nets import blocks as blocks
from ddpm_jax.nets import classifier as classifier
from ddpm_jax.nets import embeddings as embeddings
from ddpm_jax.nets import encoder as encoder
from ddpm_jax.nets import interface as interface
from ddpm_jax.nets import layers as layers
from ddpm_jax.nets import learned_schedule as learned_schedule
from ddpm_jax.nets import mlp as mlp
from ddpm_jax.nets import monotone as monotone
from ddpm_jax.nets import unet as unet
from ddpm_jax.nets import vdm_unet as vdm_unet
