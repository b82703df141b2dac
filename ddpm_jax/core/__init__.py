"""What every room stands on: errors, files, randomness, devices, progress."""
