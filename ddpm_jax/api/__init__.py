"""What a notebook uses: a run read back, asked for samples and for bits per dim."""
