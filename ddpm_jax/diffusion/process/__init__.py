"""The forward process, its schedules, parameterisations of the denoiser, and pixel decoders."""
