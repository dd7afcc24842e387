"""Measurements as ratios against plain baselines. `python -m tests.bench` runs them; pytest does not."""
