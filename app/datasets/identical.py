"""Finds images whose files have the same content, and what that means for a split. Reads hashes, no files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from app.annotations.base import numbers_of
from app.datasets.table import ImageRecord, class_name_of, source_name_of, to_builtins
from app.schemas.leaks import IdenticalAcross, IdenticalGroup, IdenticalImages, SplitLeaks

Groups: TypeAlias = "list[list[int]]"

MAX_EXAMPLES = 20
MAX_NAMES = 6
_USED = ("train", "val", "test")


def find_identical(images: Sequence[ImageRecord]) -> Groups:
    """Return the positions of images with the same content, a list for each content that occurs more than once.

    Groups come in the order of their first images. An image without a hash is alone.
    """
    # Sorting a million integers takes a tenth of the time and memory of a dictionary of a million strings. Equal
    # integers only make candidates; the strings decide.
    codes = np.fromiter((hash(image.content_hash) for image in images), np.int64, len(images))
    order = np.argsort(codes, kind="stable")
    same = codes[order[1:]] == codes[order[:-1]]
    is_candidate = np.zeros(len(images), dtype=bool)
    is_candidate[order[1:][same]] = True
    is_candidate[order[:-1][same]] = True
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index in np.flatnonzero(is_candidate).tolist():
        if images[index].content_hash:
            groups[images[index].content_hash].append(index)
    return [group for group in groups.values() if len(group) > 1]


def has_other_labels(images: Sequence[ImageRecord], group: Sequence[int]) -> bool:
    """Return whether images that are annotated say different things; an image without annotations says nothing."""
    said = [annotations for index in group if (annotations := images[index].annotations)]
    return any(annotations != said[0] for annotations in said[1:])


def summarize_identical(images: Sequence[ImageRecord], groups: Groups) -> IdenticalImages:
    """Return how many images of a dataset are identical to another one, and the first of them by name."""
    contradictory = [has_other_labels(images, group) for group in groups]
    ordered = sorted(range(len(groups)), key=lambda number: not contradictory[number])
    return IdenticalImages(
        groups=len(groups),
        images=sum(map(len, groups)),
        groups_with_other_labels=sum(contradictory),
        examples=[
            _name_group(images, groups[number], is_contradictory=contradictory[number])
            for number in ordered[:MAX_EXAMPLES]
        ],
    )


def measure_split_leaks(images: Sequence[ImageRecord], groups: Groups, values: Sequence[str]) -> SplitLeaks:
    """Return what a split lets through: `values` is the subset of each image."""
    found = IdenticalAcross()
    for group in groups:
        used = [index for index in group if values[index] in _USED]
        subsets = [values[index] for index in used]
        if len(set(subsets)) > 1:
            found.groups += 1
            found.images += len(used)
            found.groups_with_other_labels += has_other_labels(images, used)
            _count_copies(found, {subset: subsets.count(subset) for subset in _USED})
        elif len(used) > 1:
            found.groups_together += 1
            found.images_together += len(used)
    return SplitLeaks(identical=found)


def _count_copies(found: IdenticalAcross, counts: Mapping[str, int]) -> None:
    if counts["train"]:
        found.val_in_train += counts["val"]
        found.test_in_train += counts["test"]
    if counts["val"]:
        found.test_in_val += counts["test"]


def _name_group(images: Sequence[ImageRecord], group: Sequence[int], *, is_contradictory: bool) -> IdenticalGroup:
    shown = _show_both(images, group) if is_contradictory else list(group[:MAX_NAMES])
    return IdenticalGroup(
        filenames=[images[index].filename for index in shown],
        source_names=[source_name_of(images[index]) for index in shown],
        num_images=len(group),
        labels=[_describe_label(images[index]) for index in shown] if is_contradictory else [],
    )


def _show_both(images: Sequence[ImageRecord], group: Sequence[int]) -> list[int]:
    """Return the first images of a group, with one among them that differs from the first annotated one."""
    shown = list(group[:MAX_NAMES])
    if not has_other_labels(images, shown):
        first = next(index for index in group if images[index].annotations)
        other = next(i for i in group if images[i].annotations and images[i].annotations != images[first].annotations)
        shown = [*list(dict.fromkeys([first, *shown]))[: MAX_NAMES - 1], other]
    return shown


def _describe_label(image: ImageRecord) -> str:
    name = class_name_of(image)
    if name is not None:
        return name
    if values := numbers_of(image.annotations):
        return ", ".join(f"{value:g}" for value in values)
    described: list[Any] = [to_builtins(annotation) for annotation in image.annotations]
    return f"{len(described)} annotations" if described else "none"
