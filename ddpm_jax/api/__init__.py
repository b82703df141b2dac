"""The interface for notebooks: a restored run, its samples and its bits per dim."""
