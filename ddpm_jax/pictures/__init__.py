"""Images and curves as pictures to look at, and images from a user's files."""
