"""InceptionV3, on whose features samples are compared with data."""
