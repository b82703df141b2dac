"""Metrics of samples against data, from features of both, in numpy and float64."""
