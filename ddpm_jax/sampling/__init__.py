"""From a model and config.sample to samples on disk."""
