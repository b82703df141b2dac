"""Data: sources of examples, and batches of them."""
