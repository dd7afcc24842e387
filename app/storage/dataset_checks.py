"""Checks a decoded dataset.json beyond its types. Loops over all images run in C, because there may be 100,000."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain
from operator import attrgetter
from pathlib import Path

from pydantic import ValidationError

from app.annotations.base import AnnotationRecord
from app.annotations.registry import get_kind, kind_of
from app.datasets.pixels.records import reading_of
from app.datasets.table import DatasetTable, ImageRecord
from app.schemas.common import id_pattern, parse_time
from app.schemas.refusals import explain_refusal
from app.schemas.splits import SplitRatios
from app.storage.paths import UNSAFE_CHARACTERS, UnsafePathError, check_name

_DATASET_ID = re.compile(id_pattern("dataset")[1:-1])
# Looks through names that are joined by line ends, for what no name may hold.
_UNSAFE_IN_LINES = re.compile("[" + UNSAFE_CHARACTERS.replace(r"\x00-\x1f", r"\x00-\x09\x0b-\x1f") + "]")
_NO_NAMES = {"", ".", ".."}
MAX_NAME_CHARACTERS = 255


def find_fault(table: DatasetTable) -> str:
    """Return what is wrong with a table, empty when nothing is."""
    return _check_heads(table) or _check_names(table.images) or _check_images(table)


def find_misfit(table: DatasetTable, task: str, kinds: Mapping[str, str]) -> str:
    """Return why a table does not fit its project's task, empty when it does; `kinds`: annotation kinds by task."""
    if table.task != task:
        return f"task: it says {table.task[:64]!r}, and its project is of {task[:64]!r}"
    if task not in kinds:
        return ""
    found = set(map(type, chain.from_iterable(map(attrgetter("annotations"), table.images))))
    if others := found - {get_kind(kinds[task]).record}:
        names = ", ".join(sorted(other.__name__ for other in others))
        return f"annotations: {names} does not fit the task {task!r}, which is about {kinds[task]}"
    return ""


def locate_reference(table_mode: str, source_path: str, source: str) -> Path | None:
    """Return the file that an image refers to, None when it is not inside of the folder that was imported.

    Links are followed first: what counts is where the file is.
    """
    if table_mode != "reference" or not (Path(source_path).is_absolute() and Path(source).is_absolute()):
        return None
    try:
        root, path = Path(source_path).resolve(), Path(source).resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, a NUL
        return None
    is_whole_disk = root.parent == root
    return path if path.is_relative_to(root) and not is_whole_disk else None


def _check_heads(table: DatasetTable) -> str:
    if _DATASET_ID.fullmatch(table.id) is None:
        return "id: it is not the id of a dataset"
    if fault := _check_times(table):
        return fault
    for name in ("classes", "split_names", "value_names"):
        values = getattr(table, name)
        if len(set(values)) != len(values):
            return f"{name}: a name occurs twice"
    if table.image_stats.num_images != len(table.images):
        return f"image_stats.num_images: it says {table.image_stats.num_images}, there are {len(table.images)} images"
    names = [split.name for split in table.splits]
    if len(set(names)) != len(names):
        return "splits: a name occurs twice"
    if unknown := {split.name for split in table.splits} - set(table.split_names):
        return f"splits: {min(unknown)!r} is none of split_names"
    return _check_ratios(table) or _check_pixels(table)


def _check_pixels(table: DatasetTable) -> str:
    try:
        reading_of(table)
    except ValidationError as error:
        return f"pixel_scale: {explain_refusal(error.errors(include_url=False, include_input=False)[0])}"
    return ""


def _check_ratios(table: DatasetTable) -> str:
    for split in table.splits:
        try:
            if split.ratios:
                SplitRatios.model_validate(split.ratios)
        except ValidationError as error:
            reason = explain_refusal(error.errors(include_url=False, include_input=False)[0])
            return f"splits.{split.name}.ratios: {reason}"
    return ""


def _check_times(table: DatasetTable) -> str:
    """Splits of early tables have no time."""
    times = {"imported_at": table.imported_at} | {f"splits.{s.name}.created_at": s.created_at for s in table.splits}
    for name, iso in times.items():
        try:
            parse_time(iso if iso or name == "imported_at" else table.imported_at)
        except ValueError as error:
            return f"{name}: {error}"
    return ""


def _check_names(images: list[ImageRecord]) -> str:
    names = list(map(attrgetter("filename"), images))
    different = set(names)
    if len(different) != len(names):
        return "images: a filename occurs twice"
    text = "\n".join(names)
    is_plain = text.count("\n") == max(0, len(names) - 1) and _UNSAFE_IN_LINES.search(text) is None
    is_plain = is_plain and not different & _NO_NAMES
    if names and not (is_plain and max(map(len, names)) <= MAX_NAME_CHARACTERS):
        return f"images: {_find_unsafe(names)[:80]!r} is not a plain file name"
    return ""


def _find_unsafe(names: list[str]) -> str:
    for name in names:
        try:
            check_name(name)
        except UnsafePathError:
            return name
    return max(names, key=len)


def _check_images(table: DatasetTable) -> str:
    images, num_splits = table.images, len(table.split_names)
    lengths = set(map(len, map(attrgetter("split"), images)))
    if lengths - {num_splits}:
        return f"images.split: it has {min(lengths - {num_splits})} entries and there are {num_splits} splits"
    if table.import_mode != "reference" and set(map(attrgetter("source"), images)) - {None}:
        return f"images.source: images of an import by {table.import_mode} lie in the workspace"
    return _check_annotations(table, list(chain.from_iterable(map(attrgetter("annotations"), images))))


def _check_annotations(table: DatasetTable, annotations: list[AnnotationRecord]) -> str:
    """Each kind checks its own. Most datasets have one kind, and nothing is copied for them."""
    records = sorted(set(map(type, annotations)), key=lambda record: record.__name__)
    for record in records:
        own = annotations if len(records) == 1 else [item for item in annotations if type(item) is record]
        if fault := kind_of(record).find_fault(own, table.classes, table.value_names):
            return fault
    return ""
