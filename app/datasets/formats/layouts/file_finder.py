"""Finds the image file that a document names, the same way for every kind of document.

A name is looked up in the usual folders first. Names that fail are matched against an index of the whole source: by
letters that differ in case or Unicode form, without a file ending, or by the last part of a path of another machine.
Every file that is returned lies inside the source. Knows nothing of labels.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from app.datasets.formats.base import SourceError, clean_text, shorten
from app.datasets.formats.layouts.file_matches import Match
from app.datasets.formats.layouts.subset_folders import find_named_subset, find_subset_of_path
from app.datasets.formats.layouts.tool_layouts import HOLDERS
from app.datasets.formats.layouts.tree import has_image_ending, read_tree
from app.datasets.formats.layouts.walking import find_file, split_name
from app.datasets.formats.work import Work

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# What Label Studio puts before the name of an uploaded file.
_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")
_SEPARATORS = re.compile(r"[/\\]+")
_MAX_NAMED_FILES = 3
_MAX_NAME_CHARACTERS = 4096


class NoFileError(SourceError):
    """A name leads to no file, or to several; `kind` is the kind of problem."""

    def __init__(self, message: str, fix: str, kind: str) -> None:
        super().__init__(message, fix)
        self.kind = kind


@dataclass(frozen=True)
class FoundFile:
    """A file of the source: its resolved path, and its name inside the source."""

    path: Path
    name: str
    match: Match


@dataclass(frozen=True)
class _Wanted:
    """A name from a document, taken apart. `refusal`: why it cannot be a path inside the source."""

    parts: list[str]
    refusal: SourceError | None = None


@dataclass(frozen=True)
class FileIndex:
    """The images of a source by their names, by these without the ending, and by these as numbers without zeros."""

    by_name: dict[str, list[str]] = field(default_factory=dict)
    by_stem: dict[str, list[str]] = field(default_factory=dict)
    by_number: dict[str, list[str]] = field(default_factory=dict)


def read_index(root: Path, work: Work) -> FileIndex:
    """Return the index of a source; it is made once per reading, when the first name of a document fails."""
    if root not in work.indexes:
        index, files = FileIndex(), read_tree(root, work).files
        for place, file in enumerate(files):
            work.step("Sorting the images by their names", place, len(files))
            last = file.rpartition("/")[2]
            index.by_name.setdefault(_fold(last), []).append(file)
            if has_image_ending(last):
                stem = _fold(last.rpartition(".")[0])
                index.by_stem.setdefault(stem, []).append(file)
                if number := _number_of(stem):
                    index.by_number.setdefault(number, []).append(file)
        work.indexes[root] = index
    return work.indexes[root]


class FileFinder:
    """Finds the files that one document names."""

    def __init__(self, root: Path, document: Path, work: Work) -> None:
        """`root` is resolved; the document lies inside of it."""
        self._root = root
        self._work = work
        self._folders = list(dict.fromkeys(_list_places(root, document, work)))
        self._files = read_tree(root, work).files
        self._subset = find_named_subset(document.stem)
        self._known: dict[str, set[str]] = {}  # for a folder of a name, the folders of the source that it may be

    def find(self, name: str) -> FoundFile:
        """Return the file of a name; raises NoFileError, and LimitError for a source with too many entries."""
        wanted = _take_apart(name)
        if wanted.refusal is None:
            own = "/".join(wanted.parts)
            for folder in self._folders:
                place = f"{folder}/{own}" if folder else own
                if place in self._files:
                    return self._found(place, Match.EXACT)
            try:  # it may be hidden, or no image by its name and its first bytes
                path = find_file(self._root, self._folders, own)
            except SourceError as error:
                raise NoFileError(error.message, error.fix, "bad_file_name") from error
            if path is not None and not self._work.is_own(path, self._root):
                return FoundFile(path, clean_text(path.relative_to(self._root).as_posix()), Match.EXACT)
        return self._search(name, wanted)

    def find_all(self, names: Iterable[str]) -> Mapping[str, FoundFile | NoFileError]:
        """Return the file of each name. Two names that lead to one file by guessing are both refused.

        A name that is that of the file wins over one that was only matched to it.
        """
        found: dict[str, FoundFile | NoFileError] = {}
        by_path: dict[Path, list[str]] = {}
        for number, name in enumerate(names):
            self._work.step("Looking for the files of the document", number)
            if name in found:
                continue
            try:
                file = self.find(name)
            except NoFileError as error:
                found[name] = error
                continue
            found[name] = file
            by_path.setdefault(file.path, []).append(name)
        for sharing in by_path.values():
            if len(sharing) > 1:
                found.update(_refuse_guesses(sharing, found))
        return found

    def is_found(self, name: str) -> bool:
        """Say whether a name leads to exactly one file."""
        try:
            self.find(name)
        except NoFileError:
            return False
        return True

    def names_image(self, name: str) -> bool:
        """Say whether a name leads to a file, or to several when it is that of an image without any folder."""
        try:
            self.find(name)
        except NoFileError as error:
            return error.kind == "ambiguous_file" and has_image_ending(name) and not _SEPARATORS.search(name)
        return True

    def _search(self, name: str, wanted: _Wanted) -> FoundFile:
        """Look in the whole source: for the last part of the name, without its ending, without an upload prefix."""
        index = read_index(self._root, self._work)
        last = wanted.parts[-1] if wanted.parts else ""
        for variant in dict.fromkeys([last, unquote(last)]):
            key = _fold(variant)
            bare = _fold(_UPLOAD_PREFIX.sub("", variant, count=1))
            ways = [(index.by_name, key, Match.LAST_PART), (index.by_stem, key, Match.STEM)]
            if bare != key:
                ways += [(index.by_name, bare, Match.UPLOAD_PREFIX), (index.by_stem, bare, Match.UPLOAD_PREFIX)]
            if number := _number_of(key):
                ways.append((index.by_number, number, Match.NUMBER))
            for names, wanted_key, match in ways:
                files = self._keep_folder(wanted, names.get(wanted_key, ()))
                if files:
                    return self._choose(name, wanted, files, match)
        if wanted.refusal is not None:
            raise NoFileError(wanted.refusal.message, wanted.refusal.fix, "bad_file_name")
        msg = f"The file {shorten(name)!r} does not exist."
        others = index.by_stem.get(_fold(Path(last).stem)) if has_image_ending(last) else None
        if others:
            msg = f"The file {shorten(name)!r} does not exist; there is {clean_text(others[0])!r}."
        raise NoFileError(msg, "Add the image, or correct or remove its entry.", "missing_file")

    def _keep_folder(self, wanted: _Wanted, files: Sequence[str]) -> Sequence[str]:
        """Return the files that lie in the folder of the name, where the source has this folder; else all of them.

        A name cat/1.png never becomes dog/1.png when there is a folder cat.
        """
        if wanted.refusal is not None or len(wanted.parts) < 2 or not files:
            return files
        folder = "/".join(wanted.parts[:-1])
        if folder not in self._known:
            places = [f"{place}/{folder}" if place else folder for place in self._folders]
            self._known[folder] = {_fold(place) for place in places if (self._root / place).is_dir()}
        there = self._known[folder]
        return [file for file in files if _fold(file.rpartition("/")[0]) in there] if there else files

    def _choose(self, name: str, wanted: _Wanted, files: Sequence[str], match: Match) -> FoundFile:
        """Return the one of several files that a name means; raises NoFileError when more than one fits."""
        best = files
        if len(best) > 1:
            best = _keep_best(best, [_count_common(file, wanted.parts) for file in best])
        if len(best) > 1:
            best = _keep_best(best, [(int(file.rpartition("/")[0] in self._folders), 0) for file in best])
        if len(best) > 1 and self._subset is not None:  # trainLabels.csv means train/1.png, not test/1.png
            best = [file for file in best if find_subset_of_path(file) == self._subset] or best
        if len(best) > 1:
            there = ", ".join(repr(clean_text(file)) for file in best[:_MAX_NAMED_FILES])
            msg = f"The name {shorten(name)!r} fits {len(best)} files: {there}."
            raise NoFileError(msg, "Write the path of the one that is meant.", "ambiguous_file")
        if match is Match.LAST_PART and wanted.refusal is None and self._differs_in_letters(wanted.parts, best[0]):
            match = Match.LETTERS
        if match is Match.NUMBER and len(Path(best[0]).stem) < len(wanted.parts[-1].partition(".")[0]):
            match = Match.LONGER_NUMBER
        return self._found(best[0], match)

    def _differs_in_letters(self, parts: Sequence[str], file: str) -> bool:
        """Say whether a name is that of a file in one of the usual folders, but for case and Unicode form."""
        name, found = _fold("/".join(parts)), _fold(file)
        return any(found == (f"{_fold(folder)}/{name}" if folder else name) for folder in self._folders)

    def _found(self, file: str, match: Match) -> FoundFile:
        return FoundFile(self._files[file], clean_text(file), match)


def _take_apart(name: str) -> _Wanted:
    """Return the parts of a name; raises NoFileError for one that no file can have."""
    if _URL.match(name):
        parts = _parts_of_url(name)
        refusal = SourceError(
            f"The name {shorten(name)!r} is an address, and no file of the source has its last part as its name.",
            "Put the image into the source, or correct or remove its entry.",
        )
        return _Wanted(parts, refusal)
    try:
        return _Wanted([part for part in split_name(name) if part not in {"", "."}])
    except SourceError as error:
        parts = [part for part in _SEPARATORS.split(name[:_MAX_NAME_CHARACTERS]) if part not in {"", ".", ".."}]
        if len(name) > _MAX_NAME_CHARACTERS:
            raise NoFileError(error.message, error.fix, "missing_file") from error
        if not parts or any(ord(character) < 32 or ord(character) == 127 for character in name):
            raise NoFileError(error.message, error.fix, "bad_file_name") from error
        return _Wanted(_parts_of_query(name) or parts, error)


def _parts_of_url(name: str) -> list[str]:
    try:
        url = urlsplit(name)
    except ValueError:  # a bracket without its partner
        return [part for part in _SEPARATORS.split(name) if part]
    return _parts_of_query(name) or [part for part in _SEPARATORS.split(unquote(url.path)) if part not in {"", ".."}]


def _parts_of_query(name: str) -> list[str]:
    """Return the path behind `?d=`, with which Label Studio refers to files of its own disk."""
    place, mark, query = name.partition("?")
    if not mark or not place.endswith(("/", "local-files")):
        return []
    values = parse_qs(query, max_num_fields=20).get("d", [""]) if query.count("&") < 20 else [""]
    return [part for part in _SEPARATORS.split(values[0]) if part not in {"", ".", ".."}]


def _refuse_guesses(
    names: Sequence[str], found: Mapping[str, FoundFile | NoFileError]
) -> dict[str, FoundFile | NoFileError]:
    """Return a refusal for each name that shares its file with a name which fits better, or as well by guessing."""
    files = {name: file for name in names if isinstance(file := found[name], FoundFile)}
    best = min(file.match for file in files.values())
    winners = [name for name, file in files.items() if file.match is best]
    is_clear = best is Match.EXACT or len(winners) == 1
    refused: dict[str, FoundFile | NoFileError] = {}
    for name, file in files.items():
        if is_clear and name in winners:
            continue
        other = next(item for item in (*winners, *names) if item != name)
        msg = f"The name {shorten(name)!r} fits only {file.name!r}, and so does {shorten(other)!r}."
        refused[name] = NoFileError(msg, "Write the path of the file that is meant.", "ambiguous_file")
    return refused


def _list_places(root: Path, document: Path, work: Work) -> Iterator[str]:
    """Yield the folders, by name inside the root, in which a document's images may lie, in order of preference."""
    named = _names_of(document.stem)
    tree = read_tree(root, work)
    for base in (document.parent, root):
        yield _inside(root, base)
        folders = tree.by_path[base].folders if base in tree.by_path else []
        for folder in folders:
            if folder.last_name.casefold() in named:
                yield folder.name
                yield from (inner.name for inner in folder.folders if inner.last_name.casefold() in HOLDERS)
        for folder in folders:
            if folder.last_name.casefold() in HOLDERS:
                yield from (inner.name for inner in folder.folders if inner.last_name.casefold() in named)
                yield folder.name


def _names_of(stem: str) -> list[str]:
    """Return what a folder of images may be called after its document: instances_train2017.json, train_labels.csv."""
    name = stem.casefold()
    words = [name, name.partition("_")[2], name.rpartition("_")[0], name.removeprefix("_")]
    return list(dict.fromkeys(name for word in words if word for name in (word, f"{word}_images")))


def _inside(root: Path, folder: Path) -> str:
    name = folder.relative_to(root).as_posix()
    return "" if name == "." else name


def _number_of(stem: str) -> str:
    """Return a whole number without its leading zeros; empty for any other text."""
    return (stem.lstrip("0") or "0") if stem.isascii() and stem.isdigit() else ""


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _count_common(file: str, parts: Sequence[str]) -> tuple[int, int]:
    """Return how many folders above the file agree, and whether its own name agrees to the letter."""
    own, common = file.split("/"), 0
    for mine, theirs in zip(reversed(own[:-1]), reversed(parts[:-1]), strict=False):
        if _fold(mine) != _fold(theirs):
            break
        common += 1
    name = unicodedata.normalize("NFC", own[-1])
    return common, int(name == unicodedata.normalize("NFC", parts[-1]))


def _keep_best(files: Sequence[str], scores: Sequence[tuple[int, int]]) -> list[str]:
    best = max(scores)
    return [file for file, score in zip(files, scores, strict=True) if score == best]
