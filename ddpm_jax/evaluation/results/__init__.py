"""Figures of evaluations: of each image, in a report, and read back."""
