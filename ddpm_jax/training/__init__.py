"""The machinery of training: step, state, optimiser, devices, checkpoints, writers."""
