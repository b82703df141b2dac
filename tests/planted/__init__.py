"""Small mistakes, planted one at a time: which test sees each (`python -m tests.planted`)."""
