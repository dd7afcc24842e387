"""What becomes of the classes once it is known which images can be read. The same for every format of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from app.datasets.class_twins import describe_difference, find_twins, tidy_name
from app.datasets.formats.base import FoundImage
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.table import Annotation
from app.schemas.datasets import ImportOptions
from app.schemas.import_report import Remedy

_MAX_TWINS = 1000


def count_classes(annotations: Iterable[Sequence[Annotation]]) -> Counter[str]:
    """Return how many images have each class; an image counts once per class."""
    counts: Counter[str] = Counter()
    for row in annotations:
        counts.update({name for item in row if (name := item.class_label) is not None})
    return counts


def drop_empty_classes(
    classes: Sequence[str], counts: Counter[str], problems: ProblemList
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the classes that have an image, and the number of each; warn of the others and of those with one image."""
    kept = tuple(name for name in classes if counts[name])
    for name in classes:
        if counts[name] == 0:
            message = f"The class {name!r} has no readable image and is left out."
            problems.warn(name, message, "Add images of this class.", kind="empty")
        elif counts[name] == 1 and len(kept) > 1:  # of a single class there is more to say than that
            message = f"The class {name!r} has only one image, so none is left for validation or test."
            problems.warn(name, message, "Add images, or merge classes.", kind="few_images")
    if len(kept) == 1:
        message = "There is only one class, so there is nothing to tell apart."
        fix = "Choose a folder or an annotation file with at least two classes, or add images of another class."
        problems.warn(kept[0], message, fix, kind="one_class")
    return kept, {name: index for index, name in enumerate(kept)}


def warn_of_classes(
    images: Sequence[FoundImage], found_classes: Iterable[str], options: ImportOptions, problems: ProblemList
) -> None:
    """Warn of classes that no training image has, and of those whose names may mean the same.

    `images` are those that can be read, `found_classes` the names that the source has before any mapping.
    """
    counts = count_classes(image.annotations for image in images)
    in_train = count_classes(image.annotations for image in images if image.split in (None, "train"))
    names = _ClassNames(list(found_classes), options.class_mapping)
    few = [name for name in counts if counts[name] == 1]
    _offer_to_leave_out("few_images", few, counts, names, problems)
    if any(image.split is not None for image in images):
        untrained = _warn_of_untrained(images, counts, in_train, problems)
        _offer_to_leave_out("class_not_in_train", untrained, counts, names, problems)
    # The class that most training images have keeps its name.
    order = sorted(counts, key=lambda name: (-in_train[name], -counts[name], name))
    _warn_of_twins({name: counts[name] for name in order}, names, problems)


class _ClassNames(NamedTuple):
    """The classes as the source names them, and the new names that the options give."""

    found: Sequence[str]
    mapping: Mapping[str, str | None]


def _offer_to_leave_out(
    kind: str, classes: Sequence[str], counts: Counter[str], names: _ClassNames, problems: ProblemList
) -> None:
    """Offer to import without some classes, where two or more others stay."""
    if classes and len(counts) - len(classes) >= 2:
        mapping = _extend_mapping(names.mapping, names.found, dict.fromkeys(classes))
        label = "Leave out this class" if len(classes) == 1 else f"Leave out these {len(classes):,} classes"
        problems.offer(kind, Remedy(label=label, options={"class_mapping": mapping}))


def _warn_of_untrained(
    images: Sequence[FoundImage], counts: Counter[str], in_train: Counter[str], problems: ProblemList
) -> list[str]:
    """Warn of the classes that no training image has, and return them."""
    missing = [name for name in sorted(counts) if not in_train[name]]
    by_subset = {
        subset: count_classes(image.annotations for image in images if image.split == subset)
        for subset in (("val", "test", "none") if missing else ())
    }
    for name in missing:
        found = {subset: counted[name] for subset, counted in by_subset.items() if counted[name]}
        where = " and ".join(f"{number:,} in {subset}" for subset, number in found.items())
        message = f"The class {name!r} has no training image ({where}): a model cannot learn what it never sees."
        fix = "Move some of its images into train, or create a new split after the import."
        problems.warn(name, message, fix, kind="class_not_in_train")
    return missing


def _warn_of_twins(counts: Mapping[str, int], names: _ClassNames, problems: ProblemList) -> None:
    """Warn of classes that differ in letter case, Unicode form or blanks only, and offer to merge them.

    They are merged into the first that has composed letters and no needless blanks, or into the first written so.
    """
    chosen: dict[str, str] = {}
    for ordered in find_twins(counts):
        if len(chosen) > _MAX_TWINS:
            break
        kept = next((name for name in ordered if name == tidy_name(name)), tidy_name(ordered[0]))
        chosen.update({name: kept for name in ordered if name != kept})
        listed = ", ".join(f"{name!r} ({counts[name]:,})" for name in ordered)
        message = f"The classes {listed} differ in {describe_difference(ordered)} only and may be meant as one."
        problems.warn(ordered[0], message, "Merge them, or give them names that differ more.", kind="class_twins")
    if chosen:
        merged = _extend_mapping(names.mapping, names.found, chosen)
        problems.offer("class_twins", Remedy(label="Merge these classes", options={"class_mapping": merged}))


def _extend_mapping(
    mapping: Mapping[str, str | None], found_classes: Iterable[str], chosen: Mapping[str, str | None]
) -> dict[str, str | None]:
    """Return the mapping of the options with the chosen classes under the names that they get, None to leave out."""
    merged = dict(mapping)
    for name in found_classes:
        new_name = mapping.get(name, name)
        if new_name is not None and new_name in chosen:
            merged[name] = chosen[new_name]
    return merged
