"""Says which of the folders beside each other stand for train, val and test. Reads names only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from app.datasets.formats.base import SUBSET_FOLDERS, find_subset, join_both
from app.schemas.datasets import SplitValue

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_SEPARATORS = "-_. "


def find_subset_folders(names: Iterable[str]) -> dict[str, SplitValue]:
    """Return the subset of each folder that is one.

    Folders named by the subset alone, such as `train`, come first. Without any, `seg_train` and `seg_test` are subsets,
    because their names differ in that word only.
    """
    unique = list(dict.fromkeys(names))
    plain = {name: subset for name in unique if (subset := find_subset(name)) is not None}
    if plain:
        return plain
    groups = _group_by_rest(unique)
    return dict(groups[0]) if len(groups) == 1 else {}


def find_crossed_folders(names: Iterable[str]) -> dict[str, tuple[SplitValue, str]]:
    """Return subset and class of each folder when all are named by both: `cat_train`, `cat_test`, `dog_train`."""
    unique = list(dict.fromkeys(names))
    groups = [] if any(map(find_subset, unique)) else _group_by_rest(unique)
    found = {name: _take_word(name) for group in groups for name in group}
    if len(groups) < 2 or len(found) < len(unique):
        return {}
    return {name: entry for name, entry in found.items() if entry is not None}


def find_named_subset(name: str) -> SplitValue | None:
    """Return the subset that the one word for it in a name stands for: `trainLabels`, `seg_test`, `labels-val-2`."""
    found = find_subset(name), _take_word(name)
    return found[0] or (found[1][0] if found[1] is not None else None)


def find_subset_of_path(file: str) -> SplitValue | None:
    """Return the subset that the innermost folder of an image with such a word in its name stands for."""
    return next((found for part in reversed(file.split("/")[:-1]) if (found := find_named_subset(part))), None)


def _group_by_rest(names: Iterable[str]) -> list[Mapping[str, SplitValue]]:
    """Return the folders that differ only in the word for the subset, where train is one of several subsets."""
    groups: dict[str, dict[str, SplitValue]] = defaultdict(dict)
    for name in names:
        found = _take_word(name)
        if found is not None and found[1]:
            groups[found[1].casefold()][name] = found[0]
    return [group for group in groups.values() if "train" in group.values() and len(set(group.values())) > 1]


def _take_word(name: str) -> tuple[SplitValue, str] | None:
    """Return the subset that one word of a name stands for, and the name without it; None for no word or several."""
    name = join_both(name)
    words = [word for word in _WORD.finditer(name) if word[0].casefold() in SUBSET_FOLDERS]
    if len(words) != 1:
        return None
    (word,) = words
    before, after = name[: word.start()].rstrip(_SEPARATORS), name[word.end() :].lstrip(_SEPARATORS)
    return SUBSET_FOLDERS[word[0].casefold()], "_".join(part for part in (before, after) if part)
