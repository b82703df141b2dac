"""Faults of the world around the program, injected one at a time."""
