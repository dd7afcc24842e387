"""What the training images of a split are like, as far as settings depend on it. No pixels, no torch.

The web process and the run read it by the same function, so what a page suggests is what a run decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.datasets.table import ImageRecord

IMBALANCED_FROM = 4.0
"""The commonest class has this many times the images of the rarest."""


@dataclass(frozen=True)
class SplitProfile:
    """`class_counts` are training images by class, the commonest first; `num_values` the numbers of an image."""

    class_counts: tuple[tuple[str, int], ...] = ()
    num_values: int = 0

    @property
    def is_imbalanced(self) -> bool:
        """Whether one class has several times the training images of another."""
        if len(self.class_counts) < 2:
            return False
        return self.class_counts[0][1] >= IMBALANCED_FROM * self.class_counts[-1][1]

    @property
    def num_images(self) -> int:
        """Training images with a class."""
        return sum(count for _, count in self.class_counts)


def profile_training(rows: Sequence[ImageRecord]) -> SplitProfile:
    """Return the profile of training images; classes without any are left out."""
    counts: Counter[str] = Counter()
    num_values = 0
    for row in rows:
        for annotation in row.annotations:
            if (name := annotation.class_label) is not None:
                counts[name] += 1
            num_values = max(num_values, len(annotation.numbers))
    return SplitProfile(tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))), num_values)
