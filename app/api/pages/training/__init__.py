"""Experiments: the list, settings, the run and its results."""
