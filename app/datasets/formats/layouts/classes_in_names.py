"""Finds words that the names of files begin with, such as `cat.0.jpg` and `dog.1.jpg`: they may be the classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from app.datasets.formats.base import clean_text, find_subset, shorten
from app.plurals import name_first

_WORD = re.compile(r"([^\W\d_][^\d]*?)[\W_]*\d.*", re.DOTALL)
_MIN_SHARE = 0.9
_MAX_NAMED = 5
SORT_BY_NAME = "If these are the classes, put the files of each into a folder with this name."


def describe_classes_in_names(names: Iterable[str]) -> str:
    """Return a sentence about the words before the numbers in the names of files; empty when these are no classes.

    At least two words have to be there, each in two files or more, and nearly every name has to have one.
    """
    stems = [name.rpartition("/")[2].rpartition(".")[0] for name in names]
    words = Counter(found[1] for stem in stems if (found := _WORD.fullmatch(stem)) is not None)
    common = {word: count for word, count in words.most_common() if count > 1}
    if len(common) < 2 or sum(common.values()) < _MIN_SHARE * len(stems) or all(map(find_subset, common)):
        return ""
    listed = [f"{shorten(clean_text(word), 40)!r} ({count:,})" for word, count in common.items()]
    return f"The file names begin with {name_first(listed, _MAX_NAMED)}."
