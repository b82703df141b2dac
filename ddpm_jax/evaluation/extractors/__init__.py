"""What judges samples by their features: a network, or nothing but the values, a file."""
