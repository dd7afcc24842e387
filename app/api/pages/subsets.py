"""What the parts of a split are called for people, in one place."""

from __future__ import annotations

SUBSET_TITLES = {"train": "Training", "val": "Validation", "test": "Test", "none": "Not in the split"}
