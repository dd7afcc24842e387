"""COCO JSON. Here with one annotation per image, whose category is the label of the image.

Entries are decoded one by one, so that a bad one is named by its JSON pointer and the others are used.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, Union

import msgspec

from app.datasets.formats.base import FoundImage, Scan, SourceError, shorten
from app.datasets.formats.walking import choose_document, find_documents, find_file, too_many_entries
from app.datasets.formats.work import LimitError, Work
from app.datasets.table import Label
from app.regular_files import open_regular
from app.schemas.datasets import ImportOptions
from app.schemas.tasks import AnnotationKind

_FOLDERS = ("", "annotations")
_Id = Union[int, str]  # noqa: UP007 - evaluated at run time, also by Python 3.10
_Entry = TypeVar("_Entry")


class _Document(msgspec.Struct):
    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[msgspec.Raw]


class _Image(msgspec.Struct):
    id: _Id
    file_name: str


class _Annotation(msgspec.Struct):
    image_id: _Id
    category_id: _Id


class _Category(msgspec.Struct):
    id: _Id
    name: str


@dataclass(frozen=True)
class Coco:
    """The format `coco`."""

    name: str = "coco"
    title: str = "a COCO JSON file beside the images"
    rank: int = 10
    document_endings: tuple[str, ...] = (".json",)
    annotation_kinds: frozenset[AnnotationKind] = frozenset({"label"})

    def is_match(self, root: Path, options: ImportOptions, work: Work) -> bool:
        """Say whether a JSON file lies in the folder or in its folder `annotations`."""
        return bool(find_documents(root, (".json",), work, _FOLDERS))

    def scan(self, root: Path, annotation_kind: AnnotationKind, options: ImportOptions, work: Work) -> Scan:
        """Read the document and look for the file of each image."""
        found = find_documents(root, (".json",), work, _FOLDERS)
        path = choose_document(root, found, options.annotation_file, "COCO JSON file")
        return _Reader(root, path, _decode_document(path, work), work).read()


class _Reader:
    """Joins images, annotations and categories, and names what does not fit by its JSON pointer."""

    def __init__(self, root: Path, path: Path, document: _Document, work: Work) -> None:
        self._root = root
        self._document = document
        self._work = work
        self._problems = work.new_problems()
        self._name = path.relative_to(root).as_posix()
        here = path.parent.relative_to(root).as_posix()
        year = path.stem.partition("_")[2]  # instances_train2017.json has its images in train2017
        places = [here.removeprefix("."), "", "images", *([year, f"images/{year}"] if year else [])]
        self._folders = list(dict.fromkeys(places))

    def read(self) -> Scan:
        """Return the images with exactly one annotation of a known category."""
        categories = self._read_categories()
        labels = {key: Label(index, name) for index, (key, name) in enumerate(categories.items())}
        by_image = self._read_annotations(labels)
        images = self._read_images(by_image)
        return Scan(images, tuple(categories.values()), self._problems, (f"Annotations: {self._name}.",))

    def _read_categories(self) -> dict[_Id, str]:
        """Return the names by id, in the order of the ids."""
        found: dict[_Id, str] = {}
        names: set[str] = set()
        for index, entry in self._decode(self._document.categories, "categories", _Category):
            name = entry.name.strip()
            if not name or len(name) > 200 or not name.isprintable():
                self._add(f"/categories/{index}/name", f"{shorten(name)!r} is not a usable class name.", "Rename it.")
            elif entry.id in found:
                self._add(f"/categories/{index}/id", f"The id {entry.id!r} is used twice.", "Give it an id of its own.")
            elif name in names:
                self._add(f"/categories/{index}/name", f"The name {name!r} is used twice.", "Rename one of them.")
            else:
                found[entry.id] = name
                names.add(name)
        return dict(sorted(found.items(), key=lambda item: (isinstance(item[0], str), item[0])))

    def _read_annotations(self, labels: dict[_Id, Label]) -> dict[_Id, list[tuple[int, Label]]]:
        """Return for each image id the places and labels of its annotations."""
        found: dict[_Id, list[tuple[int, Label]]] = {}
        for index, entry in self._decode(self._document.annotations, "annotations", _Annotation):
            self._work.step("Looking for the categories of annotations", index, len(self._document.annotations))
            label = labels.get(entry.category_id)
            if label is None:
                msg = f"There is no category with the id {entry.category_id!r}."
                self._add(f"/annotations/{index}/category_id", msg, "Add the category, or correct the id.")
            else:
                found.setdefault(entry.image_id, []).append((index, label))
        return found

    def _read_images(self, by_image: dict[_Id, list[tuple[int, Label]]]) -> list[FoundImage]:
        images: list[FoundImage] = []
        ids: set[_Id] = set()
        paths: set[Path] = set()
        for index, entry in self._decode(self._document.images, "images", _Image):
            self._work.step("Looking for the files of images", index, len(self._document.images))
            pointer = f"/images/{index}"
            annotations = by_image.get(entry.id, [])
            if entry.id in ids:
                self._add(f"{pointer}/id", f"The id {entry.id!r} is used twice.", "Give the image an id of its own.")
                continue
            ids.add(entry.id)
            path = self._find(f"{pointer}/file_name", entry.file_name)
            if path is None or not self._has_one(pointer, entry.file_name, annotations):
                continue
            if path in paths:
                message = f"The file {shorten(entry.file_name)!r} belongs to two images."
                self._add(f"{pointer}/file_name", message, "Keep one of the entries.")
                continue
            paths.add(path)
            images.append(FoundImage(path, entry.file_name, (annotations[0][1],)))
        for unknown in by_image.keys() - ids:
            for index, _ in by_image[unknown]:
                self._work.step("Naming annotations without an image", index)
                msg = f"There is no image with the id {unknown!r}."
                self._add(f"/annotations/{index}/image_id", msg, "Add the image, or correct the id.")
        return images

    def _has_one(self, pointer: str, name: str, annotations: Sequence[tuple[int, Label]]) -> bool:
        if not annotations:
            self._add(pointer, f"The image {shorten(name)!r} has no annotation.", "Annotate it with one category.")
        elif len(annotations) > 1:
            places = ", ".join(f"/annotations/{index}" for index, _ in annotations[:5])
            msg = f"The image {shorten(name)!r} has {len(annotations)} annotations ({places}); it needs exactly one."
            self._add(pointer, msg, "Keep one of them.")
        return len(annotations) == 1

    def _find(self, pointer: str, name: str) -> Path | None:
        try:
            path = find_file(self._root, self._folders, name)
        except SourceError as error:
            self._add(pointer, error.message, error.fix)
            return None
        if path is None:
            self._add(pointer, f"The file {shorten(name)!r} does not exist.", "Add the image, or remove its entry.")
        return path

    def _decode(self, entries: Sequence[msgspec.Raw], key: str, kind: type[_Entry]) -> list[tuple[int, _Entry]]:
        decoder = msgspec.json.Decoder(kind)
        decoded = []
        for index, raw in enumerate(entries):
            self._work.step(f"Reading the list {key}", index, len(entries))
            try:
                decoded.append((index, decoder.decode(raw)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self._add(f"/{key}/{index}", f"{error}.", "Correct the entry, or remove it.")
        return decoded

    def _add(self, pointer: str, message: str, fix: str) -> None:
        self._problems.add(f"{self._name}{pointer}", message, fix)


def _decode_document(path: Path, work: Work) -> _Document:
    """Return the three lists of the document, their entries not yet decoded; raises SourceError."""
    most_bytes, most = work.limits.max_annotation_bytes, work.limits.max_entries
    work.step(f"Reading {path.name}", 0)
    try:
        with open_regular(path) as file:
            # Room for as much as is asked for is taken first, so this asks for no more than there is.
            size = os.fstat(file.fileno()).st_size
            data = file.read(min(size, most_bytes) + 1)
        if max(size, len(data)) > most_bytes:
            msg = f"{path.name} has more than {most_bytes / 2**20:,.0f} MiB."
            raise LimitError(msg, "Divide it into several datasets, or raise AI_STUDIO_MAX_ANNOTATION_BYTES.")
        document = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_Document)
    except OSError as error:
        msg = f"{path.name} cannot be read: {error.strerror}."
        raise SourceError(msg, "Check its permissions and the disk.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{path.name} is no COCO document: {error}."
        raise SourceError(msg, "It needs the lists images, annotations and categories.") from error
    if max(len(document.images), len(document.annotations), len(document.categories)) > 10 * most:
        raise too_many_entries(f"A list of {path.name} has", 10 * most)
    return document


FORMAT = Coco()
