"""Two or more experiments side by side."""
