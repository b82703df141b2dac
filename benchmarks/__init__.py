"""Measurements of speed and memory; each module is run by `python -m`."""
