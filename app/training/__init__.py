"""The training engine, the same for every task."""
