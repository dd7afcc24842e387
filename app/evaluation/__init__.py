"""The evaluation engine, the same for every task."""
