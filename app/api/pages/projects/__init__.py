"""The start page with every project."""
