"""Samplers of a diffusion model, each a short file on the one loop of `loop.py`."""

from ddpm_jax.diffusion.samplers import analytic_variance as analytic_variance
from ddpm_jax.diffusion.samplers import ancestral as ancestral
from ddpm_jax.diffusion.samplers import ddim as ddim
from ddpm_jax.diffusion.samplers import dpm_solver as dpm_solver
from ddpm_jax.diffusion.samplers import edm as edm
from ddpm_jax.diffusion.samplers import exponential as exponential
from ddpm_jax.diffusion.samplers import loop as loop
from ddpm_jax.diffusion.samplers import predictor_corrector as predictor_corrector
from ddpm_jax.diffusion.samplers import readout as readout
from ddpm_jax.diffusion.samplers import repaint as repaint
from ddpm_jax.diffusion.samplers import setting as setting
from ddpm_jax.diffusion.samplers import table as table
from ddpm_jax.diffusion.samplers import time_grids as time_grids
from ddpm_jax.diffusion.samplers import unipc as unipc
