"""What is measured of a model: likelihood, accuracy, the quality of its samples."""
