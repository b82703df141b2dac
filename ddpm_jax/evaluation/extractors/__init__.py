"""Networks that judge images by their features: a network a file."""
