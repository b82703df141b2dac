"""Foundations of every room: errors, choices, files, randomness, devices, progress."""
