"""Counts and orders over a decoded dataset, computed once per table and kept while the table lives."""

from __future__ import annotations

import operator
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import get_args

from pydantic import ValidationError

from app.annotations.base import AnnotationKind, numbers_of
from app.annotations.registry import kind_of
from app.datasets.identical import Groups, find_identical, measure_split_leaks, summarize_identical
from app.datasets.split_warnings import find_untrained_classes
from app.datasets.table import DatasetTable, ImageRecord, hash_split, source_name_of
from app.schemas.datasets import ImageQuery, SplitValue
from app.schemas.leaks import IdenticalImages, SplitLeaks
from app.schemas.names import fold_name
from app.storage.cache import Cache

CACHED_ORDERS = 32
CACHED_VIEWS = 4
NO_CLASS = ""


@dataclass
class TableView:
    """What pages need of one table: the classes of each image, counts, and orders by query.

    `class_names` has one class of each image, the dominant one. `class_sets` has all of them; it is None where an image
    has no more than one, because sets of a million images take time and memory.
    """

    table: DatasetTable
    class_names: list[str]
    class_sets: list[frozenset[str]] | None
    class_counts: dict[str, int]
    by_name: dict[str, int]
    total_bytes: int
    _orders: Cache[tuple[object, ...], list[int]] = field(default_factory=lambda: Cache(CACHED_ORDERS))
    # By the number of a split's column.
    _subset_counts: Cache[int, dict[SplitValue, int]] = field(default_factory=Cache)
    _leaks: Cache[int, SplitLeaks] = field(default_factory=Cache)
    _untrained: Cache[int, list[str]] = field(default_factory=Cache)
    _hashes: Cache[int, str] = field(default_factory=Cache)

    def order(self, query: ImageQuery) -> list[int]:
        """Return the indices of the images that match a query, in its order."""
        key = (
            query.sort_by,
            query.sort_order,
            query.filter_class,
            fold_name(query.search or ""),
            query.split_name,
            query.subset,
        )
        return self._orders.get(key, lambda: self._sort(self._match(query), query))

    def count_subsets(self, column: int) -> dict[SplitValue, int]:
        """Return the images in each subset of a split, by the number of its column."""
        return self._subset_counts.get(column, lambda: self._count_subsets(column))

    def leaks_of(self, column: int) -> SplitLeaks:
        """Return what a split lets through, by the number of its column: as it was stored, else counted now."""
        return self._leaks.get(column, lambda: self._find_leaks(column))

    def untrained_classes(self, column: int) -> list[str]:
        """Return the classes without an image in train, by the number of a split's column."""
        return self._untrained.get(column, lambda: find_untrained_classes(self.table, self.table.split_names[column]))

    def hash_of(self, column: int) -> str:
        """Return the hash over which image is in which subset, as runs record it, by the number of a split's column."""
        return self._hashes.get(column, lambda: hash_split(self.table, self.table.split_names[column]))

    @cached_property
    def identical(self) -> IdenticalImages:
        """The images that are the same as another one."""
        return summarize_identical(self.table.images, self._identical_groups)

    def _count_subsets(self, column: int) -> dict[SplitValue, int]:
        counted = Counter(image.split[column] for image in self.table.images)
        return {value: counted[value] for value in get_args(SplitValue) if counted[value]}

    def _find_leaks(self, column: int) -> SplitLeaks:
        leaks = self._read_leaks(column)
        if leaks is not None:
            return leaks
        values = [image.split[column] for image in self.table.images]
        return measure_split_leaks(self.table.images, self._identical_groups, values)

    def _read_leaks(self, column: int) -> SplitLeaks | None:
        name = self.table.split_names[column]
        stored = next((split.leaks for split in self.table.splits if split.name == name), None)
        try:
            return SplitLeaks.model_validate(stored) if stored is not None else None
        except ValidationError:
            return None  # another version counted other things

    @cached_property
    def _identical_groups(self) -> Groups:
        return find_identical(self.table.images)

    @cached_property
    def _in_name_order(self) -> list[int]:
        """By the names that pages show: those of the source keep the images of a folder together."""
        images = self.table.images
        return sorted(range(len(images)), key=lambda i: (source_name_of(images[i]), images[i].filename))

    @cached_property
    def _folded_names(self) -> list[str]:
        """What a search looks into; folding 100,000 names costs more than searching them."""
        return [_searched_text(image) for image in self.table.images]

    def _match(self, query: ImageQuery) -> list[int]:
        """Return the indices that match, in the order of the names."""
        images = self.table.images
        indices = self._in_name_order
        if query.filter_class is not None:
            indices = self._match_class(indices, query.filter_class)
        if query.search:
            needle, names = fold_name(query.search), self._folded_names
            indices = [i for i in indices if needle in names[i]]
        if query.split_name is not None and query.subset is not None:
            column = self.table.split_names.index(query.split_name)
            indices = [i for i in indices if images[i].split[column] == query.subset]
        return indices

    def _match_class(self, indices: list[int], name: str) -> list[int]:
        if self.class_sets is None:
            classes = self.class_names
            return [i for i in indices if classes[i] == name]
        sets = self.class_sets
        return [i for i in indices if name in sets[i]] if name != NO_CLASS else [i for i in indices if not sets[i]]

    def _sort(self, indices: list[int], query: ImageQuery) -> list[int]:
        """Return indices that come in the order of the names in the order of a query; names decide among equals."""
        images, classes = self.table.images, self.class_names
        is_descending = query.sort_order == "desc"
        if is_descending:
            indices = indices[::-1]
        if query.sort_by == "class":
            return sorted(indices, key=lambda i: classes[i], reverse=is_descending)
        if query.sort_by == "size":
            return sorted(indices, key=lambda i: images[i].width * images[i].height, reverse=is_descending)
        return indices


class TableViews:
    """Views of the tables that were used last; a table that was replaced gets a new view."""

    def __init__(self) -> None:
        self._views: Cache[str, TableView] = Cache(CACHED_VIEWS, is_same=operator.is_)

    def view(self, project_id: str, table: DatasetTable) -> TableView:
        """Return the view of a table."""
        return self._views.get(project_id, lambda: build_view(table), state=table)


def build_view(table: DatasetTable) -> TableView:
    """Count and index a table."""
    kind = _find_kind(table)
    class_names, class_sets = [NO_CLASS] * len(table.images), None
    if kind is not None:
        dominant_class = kind.dominant_class
        class_names = [dominant_class(image.annotations) or NO_CLASS for image in table.images]
        if kind.has_many_classes:
            class_sets = [kind.classes_of(image.annotations) for image in table.images]
    counted = Counter(class_names if class_sets is None else chain.from_iterable(class_sets))
    return TableView(
        table=table,
        class_names=class_names,
        class_sets=class_sets,
        class_counts={name: counted[name] for name in table.classes},
        total_bytes=sum(image.size_bytes for image in table.images),
        by_name={image.filename: index for index, image in enumerate(table.images)},
    )


def _find_kind(table: DatasetTable) -> AnnotationKind | None:
    """Return the kind of a table's annotations, None for a table without one: a dataset has one kind."""
    first = next((image.annotations[0] for image in table.images if image.annotations), None)
    return kind_of(type(first)) if first is not None else None


def _searched_text(image: ImageRecord) -> str:
    """Return the name in the source, and the file name where it is not a part of that."""
    source_name = source_name_of(image)
    is_within = source_name.endswith(image.filename)
    return fold_name(source_name if is_within else f"{source_name}\n{image.filename}")


def values_of(image: ImageRecord) -> list[float] | None:
    """Return the numbers that annotate an image, None when there are none."""
    return list(numbers_of(image.annotations)) or None
