"""The first steps of a project."""
