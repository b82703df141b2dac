"""How like the data samples are, from features of both: numpy in float64."""
