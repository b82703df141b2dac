"""Ways of drawing from a model: each a short file on the one loop of `chain.py`."""
