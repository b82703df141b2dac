"""The forward process, its schedules, and what a network may predict of it."""
