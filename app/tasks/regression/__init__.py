"""Regression: one or several numbers for each image."""
