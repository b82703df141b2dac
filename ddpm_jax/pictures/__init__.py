"""Pictures: grids of images, curves, their files, and images from a user's files."""
