"""Estimators of a model's likelihood: an estimator a file."""
