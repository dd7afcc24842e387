"""What a user should know about a split, in sentences. Every number comes from the counts of the split itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from app.datasets.class_twins import describe_difference, find_twins
from app.datasets.table import DatasetTable
from app.plurals import count, name_first
from app.schemas.leaks import SplitLeaks
from app.schemas.splits import SUBSET_WORDS, SplitCounts, SplitRatios

SUBSETS = ("train", "val", "test")
MIN_IMAGES = 3
_MAX_NAMED_CLASSES = 10


def explain_split(
    stats: SplitCounts, by_class: Mapping[str, SplitCounts], leaks: SplitLeaks, ratios: SplitRatios | None
) -> list[str]:
    """Return the warnings; `ratios` is None for a split that came with the images, which wants what it has."""
    wanted = [subset for subset in SUBSETS if _is_wanted(subset, stats, ratios)]
    named = {name: counts for name, counts in by_class.items() if name and count_used(counts)}
    return [*_explain_size(stats, leaks, wanted), *_explain_classes(named, wanted), *explain_leaks(stats, leaks)]


def find_untrained_classes(table: DatasetTable, split_name: str) -> list[str]:
    """Return the classes of which no image is in train, in the order of the table; raises ValueError without the split.

    A dataset whose annotations name no classes has none.
    """
    column = table.split_names.index(split_name)
    seen, trained = set[str](), set[str]()
    for image in table.images:
        names = trained if image.split[column] == "train" else seen
        for annotation in image.annotations:
            if name := annotation.class_label:
                names.add(name)
    return [name for name in table.classes if name in seen and name not in trained]


def count_used(counts: SplitCounts) -> int:
    """Return the images in train, val and test."""
    return counts.train + counts.val + counts.test


def explain_leaks(stats: SplitCounts, leaks: SplitLeaks) -> Iterator[str]:
    """Yield what identical images mean for the scores on a split."""
    found = leaks.identical
    if found.test_in_train:
        yield (
            f"{_share(found.test_in_train, stats.test, 'test', 'a training image', 'training images')}: "
            "the metrics on them say little about new images."
        )
    if found.val_in_train:
        yield (
            f"{_share(found.val_in_train, stats.val, 'validation', 'a training image', 'training images')}: "
            "they favour epochs that memorised these images."
        )
    if found.test_in_val:
        yield (
            f"{_share(found.test_in_val, stats.test, 'test', 'a validation image', 'validation images')}: "
            "the best epoch was chosen on them."
        )
    if found.groups_with_other_labels:
        number, of = found.groups_with_other_labels, found.groups
        yield (
            f"{number:,} of the {count(of, 'group')} of identical images across subsets "
            f"{'has' if number == 1 else 'have'} more than one label."
        )
    if found.groups:
        yield "A new split keeps identical images in one subset."
    if found.groups_together:
        images = f"{found.images_together:,} images are identical"
        if found.groups_together == 1:
            yield f"{images}; they are in the same subset."
        else:
            yield f"{images} to another image ({found.groups_together:,} groups); each group is in one subset."


def _is_wanted(subset: str, stats: SplitCounts, ratios: SplitRatios | None) -> bool:
    if ratios is None:
        return subset == "train" or getattr(stats, subset) > 0
    return float(getattr(ratios, subset)) > 0.0


def _explain_size(stats: SplitCounts, leaks: SplitLeaks, wanted: Sequence[str]) -> Iterator[str]:
    number, found = count_used(stats), leaks.identical
    empty = [subset for subset in wanted if not getattr(stats, subset)]
    if number < MIN_IMAGES:
        yield f"The split has only {count(number, 'image')}: training, validation and test need at least one each."
    elif empty:
        num_copies = found.images + found.images_together - found.groups - found.groups_together
        differ = f": only {number - num_copies:,} of the {number:,} images differ in content" if num_copies else ""
        yield f"No {' or '.join(SUBSET_WORDS[subset] for subset in empty)} images{differ}."


def _explain_classes(counts: Mapping[str, SplitCounts], wanted: Sequence[str]) -> Iterator[str]:
    """`counts` has the classes with an image in train, val or test."""
    if len(counts) == 1:
        yield f"There is only one class ({next(iter(counts))}); training needs at least two classes."
    single = {name for name, of_class in counts.items() if count_used(of_class) == 1}
    if kept := sorted(name for name in single if counts[name].train):
        if len(kept) == 1:
            yield f"A class has only one image, which is a training image: {kept[0]}."
        else:
            yield f"Classes with only one image, which is a training image: {_join(kept)}."
    for subset in wanted:
        missing = sorted(
            name
            for name, of_class in counts.items()
            if not getattr(of_class, subset) and (subset == "train" or name not in single)
        )
        if missing:
            why = " The model cannot learn them." if subset == "train" else ""
            yield f"Classes without {SUBSET_WORDS[subset]} images: {_join(missing)}.{why}"
    if twins := find_twins(sorted(counts)):
        pairs = _join([" and ".join(names) for names in twins])
        difference = " or ".join(sorted({describe_difference(names) for names in twins}))
        yield (
            f"Names of classes differ in {difference} only: {pairs}. If they mean the same, merge them when you import."
        )


def _share(number: int, of: int, noun: str, one: str, many: str) -> str:
    """Return "1 of 60 test images is identical to a training image"."""
    verb = f"is identical to {one}" if number == 1 else f"are identical to {many}"
    return f"{number:,} of {count(of, f'{noun} image')} {verb}"


def _join(names: Sequence[str]) -> str:
    return name_first(names, _MAX_NAMED_CLASSES)
