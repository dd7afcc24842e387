"""Columns of a table that divide its images into train, val and test, by words or by yes and no."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from app.datasets.formats.base import SUBSET_FOLDERS, join_both, shorten
from app.schemas.datasets import SplitValue

SUBSET_WORDS: Mapping[str, SplitValue] = MappingProxyType(
    {**SUBSET_FOLDERS, "trn": "train", "dev": "val", "development": "val", "eval": "val", "tst": "test"}
    | {f"train{joint}{val}": "train" for joint in "_-+ /" for val in ("val", "valid", "validation")}
    | {"unassigned": "none"}  # Vertex AI
)
SUBSET_NAMES = frozenset(
    {"split", "splits", "subset", "set", "partition", "fold", "dataset", "data_set", "data_split", "dataset_split"}
    | {"phase", "usage", "data_type", "split_name"}
)
_FLAG = re.compile(r"(?:is|in)[_ .-]?(?P<subset>[a-z]+?)(?:ing)?(?:[_ .-]?(?:set|image|data|ation))?")
_FLAG_SUBSETS: Mapping[str, SplitValue] = MappingProxyType(
    {"train": "train", "valid": "val", "val": "val", "dev": "val", "test": "test"}
)
_YES = frozenset({"true", "1", "1.0", "yes", "y", "t"})
_NO = frozenset({"false", "0", "0.0", "no", "n", "f"})


@dataclass(frozen=True)
class SubsetColumns:
    """The columns that say the subset: one of words, or one or two of yes and no, by subset."""

    words: int | None = None
    flags: Mapping[SplitValue, int] = field(default_factory=dict)

    @property
    def columns(self) -> frozenset[int]:
        """Their places."""
        return frozenset({*self.flags.values(), *([] if self.words is None else [self.words])})

    def read(self, cells: Sequence[str]) -> tuple[SplitValue | None, str]:
        """Return the subset of a row and, where it has none, the text that says so."""
        if self.words is not None:
            text = cells[self.words].strip() if self.words < len(cells) else ""
            return SUBSET_WORDS.get(text.casefold()), text
        found: list[SplitValue] = []
        for subset, column in self.flags.items():
            text = cells[column].strip() if column < len(cells) else ""
            if text.casefold() in _YES:
                found.append(subset)
            elif text.casefold() not in _NO:
                return None, text
        if len(found) > 1:
            return None, " and ".join(found)
        return (found[0] if found else self._otherwise), ""

    @property
    def _otherwise(self) -> SplitValue:
        """The subset of a row without a yes."""
        if "train" not in self.flags:
            return "train"
        return "val" if "test" in self.flags else "test"

    def note(self, names: Sequence[str]) -> str:
        """The choice in words."""
        columns = ", ".join(repr(shorten(names[column])) for column in sorted(self.columns))
        rest = "" if self.words is not None else f"; rows without a yes are {self._otherwise}"
        return f"Subset: column {columns}, which is the split 'original'{rest}."


def find_subset_columns(
    names: Mapping[int, str], cells: Mapping[int, Sequence[str]], is_chosen: bool = False
) -> SubsetColumns | None:
    """Return the columns that say the subset, from the names and first cells of those that may; None when none do.

    `is_chosen`: the user named the one column there is, so it is used whatever it is called.
    """
    for index, name in names.items():
        if _plain(name) in SUBSET_NAMES and _share_known(cells[index]) >= 0.5:
            return SubsetColumns(words=index)
    flags = {
        subset: index
        for index, name in names.items()
        if (subset := _subset_of_flag(name)) is not None and _is_yes_or_no(cells[index])
    }
    if flags:
        return SubsetColumns(flags=flags)
    for index in names:
        distinct = {cell.casefold() for cell in cells[index] if cell}
        subsets = {SUBSET_WORDS.get(word) for word in distinct}
        if None not in subsets and "train" in subsets and len(subsets) > 1:
            return SubsetColumns(words=index)
    if is_chosen:
        return SubsetColumns(words=next(iter(names)))
    return None


def has_subset_name(name: str) -> bool:
    """Say whether a column is called like one of subsets, whatever it holds."""
    return _plain(name) in SUBSET_NAMES


def is_subset_cell(cell: str) -> bool:
    """Say whether a cell can stand for a subset: nothing, a word such as `train`, or the number of a fold."""
    text = cell.strip().casefold()
    return not text or text in SUBSET_WORDS or (text.isascii() and text.isdigit() and len(text) < 3)


def subset_of_words(stem: str) -> tuple[SplitValue, str] | None:
    """Return the subset that one word of a document's name stands for, and the name without it.

    instances_train2017 is ("train", "instances_2017"); a name with no such word, or with two, has none.
    """
    words = [word for word in re.split(r"([^A-Za-z]+)", join_both(stem).casefold()) if word]
    places = [index for index, word in enumerate(words) if SUBSET_WORDS.get(word, "none") != "none"]
    if len(places) != 1:
        return None
    rest = [word for index, word in enumerate(words) if index != places[0]]
    return SUBSET_WORDS[words[places[0]]], "".join(rest).strip("_-. ")


def _plain(name: str) -> str:
    return re.sub(r"[ -]+", "_", name.strip().casefold())


def _subset_of_flag(name: str) -> SplitValue | None:
    found = _FLAG.fullmatch(name.strip().casefold())
    return _FLAG_SUBSETS.get(found["subset"]) if found is not None else None


def _is_yes_or_no(column: Sequence[str]) -> bool:
    words = {cell.casefold() for cell in column if cell}
    return bool(words) and words <= _YES | _NO


def _share_known(column: Sequence[str]) -> float:
    """Return the share of the cells with something in them that are names of subsets."""
    filled = [cell for cell in column if cell]
    return sum(cell.casefold() in SUBSET_WORDS for cell in filled) / len(filled) if filled else 0.0
