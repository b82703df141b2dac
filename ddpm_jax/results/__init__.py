"""What evaluations found: rows an image, reports of means, and runs beside each other."""
