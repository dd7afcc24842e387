"""The images of a project: import, statistics, grid, one image."""
