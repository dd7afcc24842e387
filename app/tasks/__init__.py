"""One folder per task, found by the registry."""
