"""Runs: their folders, and models restored from them."""
