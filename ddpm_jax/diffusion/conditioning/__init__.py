"""Functions from `Diffusion` to `Diffusion`: guidance, constraints, editing."""
