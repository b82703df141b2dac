"""Arrays of other people's checkpoints."""
