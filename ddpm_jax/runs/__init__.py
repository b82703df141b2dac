"""A run's folder, and models read back from it."""
