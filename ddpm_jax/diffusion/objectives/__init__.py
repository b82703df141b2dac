"""What training lowers, at which times, and what it remembers of its losses."""
