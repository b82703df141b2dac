"""Commands beside train, eval and sample: each a program of its own over runs."""
