"""Imports, dry runs, sources, sample projects."""
