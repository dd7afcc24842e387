"""Recognises lists of image names, one for each subset: train.txt, meta/test.json, splits/val_list.txt.

Reads their names and their lines. Which image a line means is not decided here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, NamedTuple

import msgspec

from app.datasets.formats.base import SourceError, join_both, shorten
from app.datasets.formats.documents.text_encodings import find_encoding, recode
from app.datasets.formats.layouts.tree import SourceTree
from app.datasets.formats.tables.csv_reading import Dialect, read_rows
from app.datasets.formats.tables.subset_columns import SUBSET_WORDS
from app.datasets.formats.work import LimitError, Work
from app.regular_files import open_regular
from app.schemas.datasets import SplitValue

_TEXTS = (".txt", ".lst", ".list")
ONE_COLUMN = (".csv", ".tsv")
"""Endings of tables, which are lists only where they have one column."""
_ENDINGS = (*_TEXTS, *ONE_COLUMN, ".json")
_ORDER: tuple[SplitValue, ...] = ("train", "val", "test")
# Words beside the name of a subset that change nothing: train_list, val_ids, test-images, TrainImages.
_FILLERS = frozenset(
    {"list", "lists", "split", "splits", "set", "file", "files", "filelist", "filenames", "names", "name", "paths"}
    | {"ids", "id", "image", "images", "imgs", "img", "data", "dataset", "fold"}
)
_GLUED = ("filelist", "list", "split", "images", "files", "ids", "set")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORDS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
# Files named like lists that are looked into: tools write a text for each image, which may be called test_0001.txt.
_MAX_SETS = 8
_KEYS = ("train", "val", "valid", "validation", "test")
"""Keys of the lists in a JSON document that has all of them."""


class Line(NamedTuple):
    """A line of a list, or an entry of a JSON list; `place` says where, e.g. ", line 3" or "/cat/0"."""

    place: str
    text: str


@dataclass(frozen=True)
class ListFile:
    """A file that is named like the list of a subset. `name` is its path in the source.

    `key` is set for a JSON document that has the lists of all subsets, each under its own key.
    """

    path: Path
    name: str
    subset: SplitValue
    key: str | None = None

    @property
    def title(self) -> str:
        """Name for messages."""
        return self.name if self.key is None else f"{self.name}/{self.key}"

    @property
    def ending(self) -> str:
        """Its file ending in lower case."""
        return self.path.suffix.lower()

    @property
    def shape(self) -> str:
        """Its name without its numbers, which the folds of a cross-validation share."""
        return _DIGITS.sub("#", self.name)

    @property
    def is_union(self) -> bool:
        """Whether it is named like the images of train and val together."""
        return "trainval" in join_both(self.path.stem).casefold()


@dataclass(frozen=True)
class FoundLists:
    """Sets of lists, each with one list per subset, and lists that are numbered like folds of a cross-validation."""

    sets: Sequence[Sequence[ListFile]]
    folds: Sequence[ListFile]


def find_list_subset(name: str) -> SplitValue | None:
    """Return the subset that the name of a file stands for: train.txt, test_list.txt, TrainImages.txt, val1.txt."""
    path = PurePosixPath(name)
    if path.suffix.lower() not in _ENDINGS:
        return None
    words = _words_of(path)
    plain = [_unglue(word) for word in words if word not in _FILLERS]
    return SUBSET_WORDS.get(plain[0]) if len(plain) == 1 else None


def find_lists(tree: SourceTree, without: Sequence[Path]) -> FoundLists:
    """Return the files of a source that are named like lists; those beside images are none, but at the top they are."""
    found: list[ListFile] = []
    documents: list[list[ListFile]] = []
    for folder in tree.top.iterate():
        if folder is not tree.top and folder.num_images:
            continue
        for name in folder.others:
            path = folder.path / name
            if path in without:
                continue
            subset = find_list_subset(name)
            if subset is not None:
                found.append(ListFile(path, folder.join(name), subset))
            elif path.suffix.lower() == ".json" and "split" in name.casefold():
                documents.append([ListFile(path, folder.join(name), SUBSET_WORDS[key], key) for key in _KEYS])
    shapes = Counter(item.shape for item in found)
    folds = [item for item in found if shapes[item.shape] > 1]
    sets: dict[tuple[str, str, tuple[str, ...]], list[ListFile]] = {}
    for item in found:
        if shapes[item.shape] == 1:
            sets.setdefault(_key_of(item), []).append(item)
    ordered = sorted(sets.items(), key=lambda entry: (entry[0][0].count("/"), _ENDINGS.index(entry[0][1]), entry[0]))
    chosen = [_keep_one_per_subset(items) for _, items in ordered]
    return FoundLists([*chosen, *documents][:_MAX_SETS], folds)


def read_lines(item: ListFile, work: Work) -> list[Line]:
    """Return the lines of a list that are neither blank nor comments; none for a file that is no list."""
    try:
        if item.path.stat().st_size > work.limits.max_annotation_bytes:
            return []
        return list(_read_json(item, work) if item.ending == ".json" else _read_text(item, work))
    except LimitError:
        raise
    except (OSError, UnicodeError, SourceError, msgspec.DecodeError, RecursionError):
        return []


def _read_text(item: ListFile, work: Work) -> Iterator[Line]:
    dialect = Dialect(find_encoding(item.path, work), "\0")
    for row in read_rows(item.path, dialect, work):
        work.step(f"Reading {item.name}", row.number)
        text = row.cells[0].strip().strip('"').strip() if row.cells else ""
        if text and not text.startswith("#"):
            yield Line(f", line {row.number}", text)


def _read_json(item: ListFile, work: Work) -> Iterator[Line]:
    """Yield the names of a list, or of an object with a list for each class."""
    with open_regular(item.path) as file:
        found = msgspec.json.decode(recode(file.read())[0])
    if item.key is not None:
        found = found.get(item.key) if isinstance(found, dict) else None
    lists = found.items() if isinstance(found, dict) else [("", found)]
    for key, entries in lists:
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            work.step(f"Reading {item.name}", index)
            if text := _name_of(entry):
                yield Line(f"#/{shorten(key)}/{index}" if key else f"#/{index}", text)


def _name_of(entry: Any) -> str:
    """Return the name in an entry: the text itself, or the first of a path with its label."""
    first = entry[0] if isinstance(entry, list) and entry else entry
    return first.strip() if isinstance(first, str) else ""


def _words_of(path: PurePath) -> list[str]:
    """Return the words in the name of a file, in lower case: `TrainImages_1.txt` has train and images."""
    return [word.casefold() for word in _WORDS.findall(_CAMEL.sub(" ", join_both(path.stem)))]


def _unglue(word: str) -> str:
    """Return `train` for `trainlist`; a word that is a subset itself, as `testset`, stays."""
    if word in SUBSET_WORDS:
        return word
    return next((word.removesuffix(end) for end in _GLUED if word.removesuffix(end) in SUBSET_WORDS), word)


def _key_of(item: ListFile) -> tuple[str, str, tuple[str, ...]]:
    """Return what the lists of one set share: folder, file ending, and the words beside the subset."""
    words = _words_of(item.path)
    return item.name.rpartition("/")[0], item.ending, tuple(word for word in words if word in _FILLERS)


def _keep_one_per_subset(items: Sequence[ListFile]) -> list[ListFile]:
    """Return the first list of each subset; trainval gives way to train."""
    kept: dict[SplitValue, ListFile] = {}
    for item in sorted(items, key=lambda item: (item.is_union, item.name)):
        kept.setdefault(item.subset, item)
    return sorted(kept.values(), key=lambda item: _ORDER.index(item.subset))
