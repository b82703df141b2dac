"""Tests of the theory, most of them against answers known in closed form."""
