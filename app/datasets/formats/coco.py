"""COCO JSON. Here with one category per image, which is the label of the image.

Entries are decoded one by one, so that a bad one is named by its JSON pointer and the others are used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, Union

import msgspec

from app.annotations.base import AnnotationKind
from app.annotations.label import Label
from app.datasets.decoder_errors import explain_json
from app.datasets.formats.base import FoundImage, Scan, is_readable, shorten
from app.datasets.formats.documents.coco_document import read_document
from app.datasets.formats.documents.json_documents import inspect_json
from app.datasets.formats.documents.loose_ids import Id, LooseIds, sort_ids, write_id
from app.datasets.formats.documents.sets import choose_documents, find_candidates, join_parts
from app.datasets.formats.layouts.file_finder import FileFinder, FoundFile, NoFileError
from app.datasets.formats.layouts.file_matches import Match, describe_matches
from app.datasets.formats.layouts.subset_paths import split_by_folders
from app.datasets.formats.layouts.walking import is_inside_file, resolve_inside
from app.datasets.formats.work import Work
from app.plurals import count
from app.schemas.datasets import ImportOptions

_Entry = TypeVar("_Entry")
_ENTRY = "annotation_entry"
_MAX_NAMED = 3


class _WrittenImage(msgspec.Struct):
    id: Id
    file_name: Id  # scripts write 17 for 17.png


@dataclass(frozen=True)
class _Image:
    id: Id
    file_name: str


class _Annotation(msgspec.Struct):
    image_id: Id
    category_id: Id


class _Category(msgspec.Struct):
    id: Id
    name: Union[str, int, float]  # noqa: UP007 - evaluated at run time, also by Python 3.10
    supercategory: Any = None


@dataclass(frozen=True)
class Coco:
    """The format `coco`."""

    name: str = "coco"
    title: str = "a COCO JSON file beside the images"
    rank: int = 10
    document_endings: tuple[str, ...] = (".json",)
    loose_endings: tuple[str, ...] = ()
    own_options: frozenset[str] = frozenset({"annotation_file"})

    def is_match(self, root: Path, options: ImportOptions, work: Work) -> bool:
        """Say whether a COCO file lies in the folder or in its folder `annotations`, or was chosen."""
        if options.annotation_file is not None:
            chosen = options.annotation_file
            if not chosen.lower().endswith(self.document_endings) or not is_inside_file(root, chosen):
                return False
            return inspect_json(resolve_inside(root, chosen), work).is_coco
        candidates = find_candidates(root, self.document_endings, work)
        return any(inspect_json(root / name, work).is_coco for name in candidates)

    def scan(self, root: Path, kind: AnnotationKind, options: ImportOptions, work: Work) -> Scan:
        """Read the document, or one document per subset, and look for the file of each image."""
        found = find_candidates(root, self.document_endings, work)

        def fits(path: Path) -> bool:
            return inspect_json(path, work).is_coco

        parts = choose_documents(root, found, options.annotation_file, "COCO JSON file", fits)
        scan = join_parts(root, [(part, _Reader(root, part.path, work).read()) for part in parts], work)
        return split_by_folders(scan, options)


class _Reader:
    """Joins images, annotations and categories, and names what does not fit by its JSON pointer."""

    def __init__(self, root: Path, path: Path, work: Work) -> None:
        self._document, encoding_note = read_document(path, work)
        self._work = work
        self._problems = work.new_problems()
        self._name = path.relative_to(root).as_posix()
        self._finder = FileFinder(root, path, work)
        self._notes = [f"Annotations: {self._name}.{encoding_note}"]

    def read(self) -> Scan:
        """Return the images whose annotations have one and the same known category."""
        annotations = self._decode(self._document.annotations, "annotations", _Annotation)
        categories = self._read_categories(annotations)
        classes = {name: Label(index, name) for index, name in enumerate(dict.fromkeys(categories.values()))}
        labels = {key: classes[name] for key, name in categories.items()}
        images = self._join(labels, annotations)
        return Scan(images, tuple(classes), self._problems, tuple(self._notes), (), (self._name,))

    def _read_categories(self, annotations: Sequence[tuple[int, _Annotation]]) -> dict[Id, str]:
        """Return the names by id, in the order of the ids."""
        entries = self._decode(self._document.categories, "categories", _Category)
        root = self._find_root(entries, annotations)
        found: dict[Id, str] = {}
        names: set[str] = set()
        repeated: list[str] = []
        for index, entry in entries:
            name = write_id(entry.name).strip()
            if index == root:
                self._notes.append(
                    f"The category {name!r} is the root of the others, and no image has it, so it was left out."
                )
            elif not name or len(name) > 200 or not is_readable(name):
                self._add(f"/categories/{index}/name", f"{shorten(name)!r} is not a usable class name.", "Rename it.")
            elif entry.id in found:
                self._add(f"/categories/{index}/id", f"The id {entry.id!r} is used twice.", "Give it an id of its own.")
            else:
                found[entry.id] = name
                repeated += [name] if name in names else []
                names.add(name)
        for name in dict.fromkeys(repeated):
            msg = f"{1 + repeated.count(name)} categories are called {shorten(name)!r}; they were read as one class."
            fix = "Give them different names if they mean different things."
            self._problems.warn(f"{self._name}#/categories", msg, fix, kind=_ENTRY)
        return {key: found[key] for key in sort_ids(found)}

    def _find_root(
        self, entries: Sequence[tuple[int, _Category]], annotations: Sequence[tuple[int, _Annotation]]
    ) -> int | None:
        """Return the place of a category above all others that no annotation uses, as labelling services write."""
        ids = LooseIds(entry.id for _, entry in entries)
        used: set[Id | None] = set()
        for number, (_, annotation) in enumerate(annotations):
            self._work.step("Looking for categories in use", number, len(annotations))
            used.add(ids.find(annotation.category_id))
        above = Counter(entry.supercategory for _, entry in entries if isinstance(entry.supercategory, str))
        for index, entry in entries:
            name = write_id(entry.name)
            num_below = above[name] - (entry.supercategory == name)
            if 0 < num_below == len(entries) - 1 and entry.id not in used:
                return index
        return None

    def _join(self, labels: Mapping[Id, Label], annotations: Sequence[tuple[int, _Annotation]]) -> list[FoundImage]:
        """Return the images that have one class and a file; the others are problems."""
        entries, repeated = self._read_image_entries()
        by_image = self._sort_annotations(entries, labels, annotations)
        files = self._finder.find_all(entry.file_name for _, entry in (*entries, *repeated))
        shared = _find_shared_ids([*entries, *repeated], files)
        images: dict[Path, FoundImage] = {}
        matches: list[Match] = []
        num_alike = 0
        lost: list[Callable[[], None]] = []
        for number, (index, entry) in enumerate(entries):
            self._work.step("Looking for the files of images", number, len(entries))
            file, own = files[entry.file_name], by_image.get(entry.id, [])
            problem = shared.get(entry.id) or _explain(entry, file, own, images)
            if problem is None and isinstance(file, FoundFile):
                images[file.path] = FoundImage(file.path, file.name, (own[0][1],))
                matches.append(file.match)
                num_alike += len(own) > 1
            elif problem is not None:
                lost.append(self._postpone(index, problem, file, images))
        for index, entry in repeated:
            if entry.id in shared:
                lost.append(self._postpone(index, shared[entry.id], files[entry.file_name], images))
            else:
                message = f"The image {shorten(entry.file_name)!r} has an entry with this id already."
                self._problems.warn(
                    f"{self._name}#/images/{index}/id", message, "Keep one of the entries.", kind=_ENTRY
                )
        for add in lost:
            add()
        self._notes += describe_matches(matches)
        if num_alike:
            verb = "image has" if num_alike == 1 else "images have"
            self._notes.append(f"{num_alike:,} {verb} several annotations of one category, which is the class.")
        return list(images.values())

    def _postpone(
        self, index: int, problem: _Problem, file: FoundFile | NoFileError, images: Mapping[Path, FoundImage]
    ) -> Callable[[], None]:
        """Return what adds a problem once it is known whether another entry brings the file in."""

        def add() -> None:
            path = file.path if isinstance(file, FoundFile) and file.path not in images else None
            pointer = f"{self._name}#/images/{index}{problem.pointer}"
            num_entries = 0 if path is not None else 1
            self._problems.add(
                pointer, problem.message, problem.fix, kind=problem.kind, path=path, num_entries=num_entries
            )

        return add

    def _read_image_entries(self) -> tuple[list[tuple[int, _Image]], list[tuple[int, _Image]]]:
        """Return the entries of images, each id once, and those whose id another one has."""
        kept: list[tuple[int, _Image]] = []
        repeated: list[tuple[int, _Image]] = []
        ids: set[Id] = set()
        for index, stored in self._decode(self._document.images, "images", _WrittenImage):
            entry = _Image(stored.id, write_id(stored.file_name))
            (repeated if entry.id in ids else kept).append((index, entry))
            ids.add(entry.id)
        return kept, repeated

    def _sort_annotations(
        self,
        entries: Sequence[tuple[int, _Image]],
        labels: Mapping[Id, Label],
        annotations: Sequence[tuple[int, _Annotation]],
    ) -> dict[Id, list[tuple[int, Label]]]:
        """Return for each image id the places and labels of its annotations."""
        image_ids, category_ids = LooseIds(entry.id for _, entry in entries), LooseIds(labels)
        found: dict[Id, list[tuple[int, Label]]] = {}
        for index, entry in annotations:
            self._work.step("Looking for the images and categories of annotations", index, len(annotations))
            category = category_ids.find(entry.category_id)
            if category is None:
                msg = f"There is no category with the id {entry.category_id!r}."
                self._add(f"/annotations/{index}/category_id", msg, "Add the category, or correct the id.")
                continue
            image = image_ids.find(entry.image_id)
            if image is None:
                msg = f"There is no image with the id {entry.image_id!r}."
                self._add(f"/annotations/{index}/image_id", msg, "Add the image, or correct the id.")
                continue
            found.setdefault(image, []).append((index, labels[category]))
        num_loose = image_ids.num_loose + category_ids.num_loose
        if num_loose:
            verb, them = ("differs", "it was") if num_loose == 1 else ("differ", "they were")
            self._notes.append(
                f"{count(num_loose, 'id')} {verb} in type (text or number) from the ids of the entries; "
                f"{them} matched anyway."
            )
        return found

    def _decode(self, entries: Sequence[msgspec.Raw], key: str, kind: type[_Entry]) -> list[tuple[int, _Entry]]:
        decoder = msgspec.json.Decoder(kind)
        decoded = []
        for index, raw in enumerate(entries):
            self._work.step(f"Reading the list {key}", index, len(entries))
            try:
                decoded.append((index, decoder.decode(raw)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                reason = explain_json(error)
                message = f"{reason[0].upper()}{reason[1:]}."
                self._add(f"/{key}/{index}", message, "Correct the entry, or remove it.", int(key == "images"))
        return decoded

    def _add(self, pointer: str, message: str, fix: str, num_entries: int = 0) -> None:
        self._problems.add(f"{self._name}#{pointer}", message, fix, kind=_ENTRY, num_entries=num_entries)


@dataclass(frozen=True)
class _Problem:
    """Why the image of an entry is lost; `pointer` is the part of the entry."""

    pointer: str
    message: str
    fix: str
    kind: str


def _find_shared_ids(
    entries: Sequence[tuple[int, _Image]], files: Mapping[str, FoundFile | NoFileError]
) -> dict[Id, _Problem]:
    """Return the ids that images with different files have: which file an annotation means cannot be known."""
    places: dict[Id, dict[Path | str, str]] = {}
    for _, entry in entries:
        file = files[entry.file_name]
        place = file.path if isinstance(file, FoundFile) else entry.file_name
        places.setdefault(entry.id, {})[place] = entry.file_name
    found: dict[Id, _Problem] = {}
    for own, names in places.items():
        if len(names) > 1:
            there = ", ".join(repr(shorten(name)) for name in list(names.values())[:_MAX_NAMED])
            msg = f"The id {own!r} belongs to {len(names)} images ({there}), so its annotations may mean any of them."
            found[own] = _Problem("/id", msg, "Give each image an id of its own.", _ENTRY)
    return found


def _explain(
    entry: _Image, file: FoundFile | NoFileError, own: Sequence[tuple[int, Label]], images: Iterable[Path]
) -> _Problem | None:
    """Return why an entry is no image of the dataset, or None."""
    name = shorten(entry.file_name)
    if isinstance(file, NoFileError):
        return _Problem("/file_name", file.message, file.fix, file.kind)
    if not own:
        return _Problem("", f"The image {name!r} has no annotation.", "Annotate it with one category.", "no_annotation")
    classes = dict.fromkeys(label.class_name for _, label in own)
    if len(classes) > 1:
        places = ", ".join(f"/annotations/{index}" for index, _ in own[:5])
        there = ", ".join(shorten(known) for known in list(classes)[:5])
        msg = (
            f"The image {name!r} has annotations of {len(classes)} categories: {there} ({places}). It is not imported."
        )
        return _Problem("", msg, "Keep those of one category: an image has one class.", "several_annotations")
    if file.path in images:
        msg = f"The file {name!r} belongs to two images."
        return _Problem("/file_name", msg, "Keep one of the entries.", "repeated_row")
    return None


FORMAT = Coco()
