"""What the parts of a split are called for people, in one place."""

from __future__ import annotations

from collections.abc import Sequence

from app.plurals import join_words

SUBSET_TITLES = {"train": "Training", "val": "Validation", "test": "Test", "none": "Not in the split"}


def name_measured_images(subsets: Sequence[str]) -> str:
    """Return what an evaluation measured, such as "test images" or "validation and test images"."""
    names = [title.lower() for name, title in SUBSET_TITLES.items() if name in subsets and name != "none"]
    return f"{join_words(names)} images" if names else "images"
