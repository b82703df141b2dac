"""Figures of how good samples are: metrics of one idea a file."""
