"""The figures, one file each: options, numbers, words and a drawing."""
