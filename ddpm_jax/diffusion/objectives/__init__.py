"""Training losses of diffusion, the sampling of their times, and histories of losses."""
