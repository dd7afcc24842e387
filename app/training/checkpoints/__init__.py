"""Checkpoints: content, files, when they are written, what may change when resuming."""
