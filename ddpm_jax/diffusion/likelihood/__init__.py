"""Bounds on and estimates of the likelihood."""
