"""The gallery: figures of what diffusion does to a density, with their numbers, as one page."""
