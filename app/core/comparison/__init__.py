"""Experiments side by side: differences, paired tests, notes."""
