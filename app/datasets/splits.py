"""Draws splits: which image is for training, validation and testing. Pure functions over a dataset's table.

Nothing here writes. scikit-learn is imported when the first split is drawn, so that the web process starts without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
import numpy as np

from app.annotations.base import AnnotationKind
from app.datasets.grouped_split import Units, place_units, unite_strata
from app.datasets.identical import Groups, find_identical, measure_split_leaks
from app.datasets.split_warnings import explain_split
from app.datasets.table import DatasetTable, SplitRecord
from app.schemas.common import utc_now
from app.schemas.datasets import SplitValue
from app.schemas.leaks import SplitLeaks
from app.schemas.splits import SplitCounts, SplitCreate, SplitRatios

Indices: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
Sizes: TypeAlias = "tuple[int, int, int]"

# With fewer images than this the shares of a class round to nothing, so one of them is kept for training first.
_TINY_CLASS = 4
SUBSETS: tuple[SplitValue, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class DrawnSplit:
    """The subset of each image, in the order of the table, and what a person should know about it."""

    values: list[SplitValue]
    warnings: list[str]
    leaks: SplitLeaks


def draw_split(table: DatasetTable, kind: AnnotationKind, ratios: SplitRatios, seed: int) -> DrawnSplit:
    """Divide the images by the ratios, stratified; the same table, ratios and seed give the same split.

    Strata are classes, or bins of equal size for values. Sizes are the ratios rounded to whole images, but every
    subset with a ratio above 0 gets an image as long as there are enough of them. Images with the same content stay
    in one subset; the sizes are then as near as such groups allow.
    """
    annotations = [image.annotations for image in table.images]
    names = kind.stratify(annotations)
    strata = np.unique(names, return_inverse=True)[1].astype(np.int64)
    sizes = _subset_sizes(len(names), ratios)
    groups = find_identical(table.images)
    subsets = _assign_groups(strata, groups, sizes, seed) if groups else _assign(strata, sizes, seed)
    leaks = measure_split_leaks(table.images, groups, subsets)
    stats, by_class = count_split(subsets, [kind.dominant_class(item) for item in annotations])
    return DrawnSplit(subsets, explain_split(stats, by_class, leaks, ratios), leaks)


def add_split(table: DatasetTable, request: SplitCreate, drawn: DrawnSplit) -> DatasetTable:
    """Return the table with one more column."""
    record = SplitRecord(
        name=request.name,
        seed=request.seed,
        ratios=request.ratios.model_dump(),
        warnings=drawn.warnings,
        created_at=utc_now(),
        leaks=drawn.leaks.model_dump(),
    )
    images = [
        msgspec.structs.replace(image, split=[*image.split, value])
        for image, value in zip(table.images, drawn.values, strict=True)
    ]
    return msgspec.structs.replace(
        table, images=images, split_names=[*table.split_names, record.name], splits=[*table.splits, record]
    )


def count_split(values: Sequence[str], class_names: Sequence[str | None]) -> tuple[SplitCounts, dict[str, SplitCounts]]:
    """Return the images per subset, in all and per class; images without a class are in the first figure only."""
    pairs = Counter(zip(class_names, values, strict=True))
    classes = sorted({name for name in class_names if name is not None})
    by_class = {
        name: SplitCounts(**{value: pairs[name, value] for value in ("train", "val", "test", "none")})
        for name in classes
    }
    return SplitCounts(**Counter(values)), by_class


def _subset_sizes(num_images: int, ratios: SplitRatios) -> Sizes:
    """Round the ratios to whole images by the largest remainder; no wanted subset stays empty if it can be helped."""
    shares = (ratios.train, ratios.val, ratios.test)
    quotas = [round(share * num_images, 6) for share in shares]
    sizes = [int(quota) for quota in quotas]
    by_remainder = sorted(range(3), key=lambda i: (sizes[i] - quotas[i], i))
    for i in by_remainder[: num_images - sum(sizes)]:
        sizes[i] += 1
    wanted = [i for i in range(3) if shares[i] > 0.0]
    if num_images >= len(wanted):
        for i in wanted:
            if sizes[i] == 0:
                sizes[sizes.index(max(sizes))] -= 1
                sizes[i] = 1
    elif num_images:
        sizes = [num_images, 0, 0]
    return sizes[0], sizes[1], sizes[2]


def _assign(strata: Indices, sizes: Sizes, seed: int) -> list[SplitValue]:
    """Draw the test images, then the validation images from the rest; what is left is for training."""
    _, num_val, num_test = sizes
    pool = _without_reserved(strata, num_val + num_test, seed)
    test = _draw(pool, strata, num_test, seed)
    rest = np.setdiff1d(pool, test)
    val = _draw(rest, strata, num_val, seed)
    values: list[SplitValue] = ["train"] * len(strata)
    for i in test:
        values[i] = "test"
    for i in val:
        values[i] = "val"
    return values


def _assign_groups(strata: Indices, groups: Groups, sizes: Sizes, seed: int) -> list[SplitValue]:
    """Assign as `_assign` does, with each group in one subset."""
    united = unite_strata(strata, groups)
    numbers = {subset: number for number, subset in enumerate(SUBSETS)}
    loose = np.array([numbers[subset] for subset in _assign(united, sizes, seed)], dtype=np.int64)
    targets = np.zeros((int(united.max()) + 1, len(SUBSETS)), dtype=np.int64)
    np.add.at(targets, (united, loose), 1)
    return [SUBSETS[number] for number in place_units(Units(united, groups), targets, seed).tolist()]


def _without_reserved(strata: Indices, num_needed: int, seed: int) -> Indices:
    """Return the images that may leave training: all but one of each tiny class, as far as the sizes allow."""
    generator = np.random.default_rng(seed)
    counts = np.bincount(strata)
    reserved = [
        generator.choice(np.flatnonzero(strata == i)) for i in np.flatnonzero((counts > 0) & (counts < _TINY_CLASS))
    ]
    num_spare = len(strata) - num_needed
    return np.setdiff1d(np.arange(len(strata)), np.asarray(reserved[:num_spare], dtype=np.int64))


def _draw(pool: Indices, strata: Indices, size: int, seed: int) -> Indices:
    """Return `size` images of the pool in which each stratum has its share, as far as so few images can show it."""
    if size == 0:
        return pool[:0]
    if size == len(pool):
        return pool
    from sklearn.model_selection import train_test_split

    drawn: Indices = train_test_split(
        pool, test_size=size, random_state=seed, stratify=_usable_strata(pool, strata, size)
    )[1]
    return np.sort(drawn)


def _usable_strata(pool: Indices, strata: Indices, size: int) -> Indices | None:
    """Return the strata of the pool with the single ones put together; None when there are more of them than images.

    scikit-learn refuses a stratum with one member, and a subset that is smaller than the number of strata.
    """
    labels = strata[pool].copy()
    counts = np.bincount(labels)
    single = counts[labels] == 1
    if single.any():
        labels[single] = len(counts) if single.sum() > 1 else int(counts.argmax())
    num_strata = len(np.unique(labels))
    return labels if num_strata <= min(size, len(pool) - size) and np.bincount(labels)[labels].min() > 1 else None
