"""Training runs: start, pause, resume, observe, check."""
