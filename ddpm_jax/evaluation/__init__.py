"""Evaluation of models: likelihood, accuracy of a classifier, quality of samples."""
