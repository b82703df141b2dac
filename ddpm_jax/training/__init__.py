"""The machinery of training: each file wraps one outside library."""
