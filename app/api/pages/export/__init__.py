"""Models as files for other programs, with their certificates."""
