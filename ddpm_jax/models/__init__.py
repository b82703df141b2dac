"""What is trained: a network and the theory, bound by parameters."""
