"""What becomes of the classes once it is known which images can be read. The same for every format of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from app.datasets.formats.base import ProblemList
from app.datasets.table import Annotation, Label


def count_classes(annotations: Iterable[Sequence[Annotation]]) -> Counter[str]:
    """Return how many images have each class; an image counts once per class."""
    counts: Counter[str] = Counter()
    for row in annotations:
        counts.update({name for item in row if (name := getattr(item, "class_name", None)) is not None})
    return counts


def drop_empty_classes(
    classes: Sequence[str], counts: Counter[str], problems: ProblemList
) -> tuple[tuple[str, ...], dict[str, Label]]:
    """Return the classes that have an image, and the label of each; warn of the others and of those with one image."""
    kept = tuple(name for name in classes if counts[name])
    for name in classes:
        if counts[name] == 0:
            problems.warn(name, f"The class {name!r} has no readable image and is left out.", "Add images of it.")
        elif counts[name] == 1:
            problems.warn(
                name,
                f"The class {name!r} has one image, which can only be trained on.",
                "Add images, or merge classes.",
            )
    if len(kept) == 1:
        problems.warn(kept[0], "There is only one class; a model has nothing to tell apart.", "Add images of another.")
    return kept, {name: Label(index, name) for index, name in enumerate(kept)}
