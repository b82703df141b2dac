"""InceptionV3, whose features samples are judged by."""
