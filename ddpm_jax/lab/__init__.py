"""Densities on a line: their noising and denoising as operators, exactly, in numpy float64."""
