"""Takes the split from lists of image names beside the images, such as train.txt and test.txt."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.datasets.formats.base import Scan
from app.datasets.formats.documents.list_files import (
    ONE_COLUMN,
    FoundLists,
    Line,
    ListFile,
    find_list_subset,
    find_lists,
    read_lines,
)
from app.datasets.formats.layouts.file_finder import FileFinder, FoundFile, NoFileError
from app.datasets.formats.layouts.file_matches import describe_matches
from app.datasets.formats.layouts.tree import IMAGE_ENDINGS, read_tree
from app.datasets.formats.report.accounting import list_file_names
from app.datasets.formats.tables.column_names import FILENAME_NAMES
from app.datasets.formats.work import Work
from app.plurals import count
from app.schemas.datasets import ImportOptions, SplitValue

_PEEKED_LINES = 200
_PEEKED_FOLDS = 3
_ENDING = "|".join(re.escape(ending) for ending in sorted(IMAGE_ENDINGS, key=len, reverse=True))
_NAME_AND_MORE = re.compile(rf"(.+?(?:{_ENDING}))[\s,;|].*", re.IGNORECASE)
_HEADER = re.compile(r"[\s,;|]")
_MIN_DISTINCT = 0.5
_FIX_LINE = "Correct the line or remove it, or add the image."


@dataclass(frozen=True)
class _ListReading:
    """A list with the file, or the reason that there is none, of each line."""

    item: ListFile
    lines: Sequence[tuple[Line, FoundFile | NoFileError]]

    def count_found(self, paths: Mapping[Path, int]) -> int:
        """Return how many images of the scan it names."""
        return len({file.path for _, file in self.lines if isinstance(file, FoundFile) and file.path in paths})


def split_by_lists(scan: Scan, root: Path, top: Path, options: ImportOptions, work: Work) -> Scan:
    """Return a scan with the subsets of the lists that name its images; an image of no list has no subset.

    `root` is the folder that the names of the scan are relative to, `top` the folder of the source. A scan that has a
    split already, or whose user wants none, is returned as it is, and so is one whose lists name none of its images.
    """
    if scan.has_split or not scan.images or (options.split_column is not None and not options.split_column.strip()):
        return scan
    lists = find_lists(read_tree(top, work), [root / name for name in scan.read_documents])
    paths = {image.path: index for index, image in enumerate(scan.images)}
    ranked = _rank([[_read(item, top, work) for item in items] for items in lists.sets], paths)
    notes = _note_folds(lists, paths, top, work)
    if not ranked:
        return replace(scan, notes=(*scan.notes, *notes))
    others = [reading.item.title for readings in ranked[1:] for reading in readings]
    if others:
        notes.append(f"Lists that are not used, because others name the subsets: {list_file_names(others)}.")
    divided = _divide(scan, ranked[0], paths)
    used = [reading.item.path for reading in ranked[0] if reading.item.path.is_relative_to(root)]
    documents = dict.fromkeys(path.relative_to(root).as_posix() for path in used)
    return replace(divided, notes=(*divided.notes, *notes), read_documents=(*scan.read_documents, *documents))


def _rank(sets: Sequence[Sequence[_ListReading]], paths: Mapping[Path, int]) -> list[list[_ListReading]]:
    """Return the lists of each set that name images of the scan; the set that names most of them comes first."""
    counted = [[(reading, reading.count_found(paths)) for reading in readings] for readings in sets]
    counted.sort(key=lambda readings: -sum(number for _, number in readings))
    kept = [[reading for reading, number in readings if number] for readings in counted]
    return [readings for readings in kept if readings]


def names_folders(scan: Scan) -> bool:
    """Say whether a scan comes from lists whose labels only repeat or number the folders of their images.

    Such as "cat/1.jpg 0" and "dog/2.jpg 1": the folders have the better names, and images that no list names.
    """
    if not scan.read_documents or any(find_list_subset(name) is None for name in scan.read_documents):
        return False
    labels: dict[str, set[str]] = {}
    for image in scan.images:
        for annotation in image.annotations:
            if annotation.class_label is not None:
                labels.setdefault(image.path.parent.name, set()).add(annotation.class_label)
    single = {folder: next(iter(names)) for folder, names in labels.items() if len(names) == 1}
    if len(single) != len(labels) or len(set(single.values())) != len(single) or len(single) < 2:
        return False
    are_numbers = all(name.isascii() and name.isdigit() for name in single.values())
    return are_numbers or all(folder.casefold() == name.casefold() for folder, name in single.items())


def _read(item: ListFile, top: Path, work: Work) -> _ListReading:
    """Return the lines of a list with their files; none where no line names a file."""
    lines = read_lines(item, work)
    if not lines:
        return _ListReading(item, ())
    finder = FileFinder(top, item.path, work)
    take = _find_way(item, lines, finder)
    if take is None:
        return _ListReading(item, ())
    if _HEADER.split(lines[0].text.casefold())[0] in FILENAME_NAMES and not finder.is_found(take(lines[0].text)):
        lines = lines[1:]
    names = [take(line.text) for line in lines]
    if len(set(names)) < _MIN_DISTINCT * len(lines):  # labels or numbers, line by line
        return _ListReading(item, ())
    files = finder.find_all(names)
    return _ListReading(item, [(line, files[name]) for line, name in zip(lines, names, strict=True)])


def _find_way(item: ListFile, lines: Sequence[Line], finder: FileFinder) -> Callable[[str], str] | None:
    """Return how the name of the image is taken out of a line, which may have a label behind it; None for no list."""
    is_text = item.ending not in (*ONE_COLUMN, ".json")
    ways = (_take_all, _take_to_ending, _take_to_blank) if is_text else (_take_all,)
    # The first may all be of images that are not there, so others are looked at too.
    peeked = [*lines[:_PEEKED_LINES], *lines[_PEEKED_LINES :: 1 + len(lines) // _PEEKED_LINES]]
    scores = [sum(finder.is_found(way(line.text)) for line in peeked) for way in ways]
    return ways[scores.index(max(scores))] if max(scores) else None


def _take_all(text: str) -> str:
    return text


def _take_to_ending(text: str) -> str:
    """Return the text up to the ending of an image file with something behind it: a label or its number."""
    found = _NAME_AND_MORE.fullmatch(text)
    return found[1].strip('"') if found is not None else text


def _take_to_blank(text: str) -> str:
    """Return the text without its last word, the label of a name without a file ending."""
    words = re.split(r"\s*[,;|\t]\s*|\s+(?=\S+$)", text, maxsplit=1)
    return words[0] or text


def _divide(scan: Scan, readings: Sequence[_ListReading], paths: Mapping[Path, int]) -> Scan:
    """Return the scan with the subsets of the lists; an image of several lists stays in the first."""
    subsets: dict[Path, SplitValue] = {}
    counts: Counter[str] = Counter()
    for reading in readings:
        item = reading.item
        for line, file in reading.lines:
            where = f"{item.title}{line.place}"
            if isinstance(file, NoFileError):
                scan.problems.warn(where, file.message, _FIX_LINE, kind=file.kind)
            elif file.path in subsets and subsets[file.path] != item.subset:
                first = subsets[file.path]
                message = f"The image is in the lists of {first} and {item.subset}; it stays in {first}."
                scan.problems.warn(where, message, "Keep it in one of them.", kind="repeated_row")
            elif file.path in paths and file.path not in subsets:
                subsets[file.path] = item.subset
                counts[item.title] += 1
    named = ", ".join(
        f"{reading.item.title} ({reading.item.subset}, {count(counts[reading.item.title], 'image')})"
        for reading in readings
    )
    files = [file for reading in readings for _, file in reading.lines]
    matches = describe_matches(file.match for file in files if isinstance(file, FoundFile))
    if len(set(subsets.values())) == 1 and len(subsets) == len(scan.images):
        only = next(iter(subsets.values()))
        note = f"Every image is in the list of {only}, {readings[0].item.title}, so no split was created."
        return replace(scan, notes=(*scan.notes, note))
    notes = [f"Lists that make up the split 'original': {named}.", *matches]
    if num_left := len(scan.images) - len(subsets):
        notes.append(f"{num_left:,} {'image is' if num_left == 1 else 'images are'} in no list and in no subset.")
    images = [replace(image, split=subsets.get(image.path)) for image in scan.images]
    return replace(scan, images=images, notes=(*scan.notes, *notes))


def _note_folds(lists: FoundLists, paths: Mapping[Path, int], top: Path, work: Work) -> list[str]:
    """Return a note about numbered lists, which are several splits of the same images."""
    if not any(_read(item, top, work).count_found(paths) for item in lists.folds[:_PEEKED_FOLDS]):
        return []
    names = list_file_names([item.name for item in lists.folds])
    return [
        f"Numbered lists are not used, because they are several splits of the same images (cross-validation): {names}. "
        "To use one of the splits, keep its lists only."
    ]
