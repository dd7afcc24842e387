"""Compares the labels of a document with the folders that its images lie in: a table of predictions looks like labels.

Only where the labels of the document are names of folders, so that both could be the classes.
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

from app.datasets.formats.base import Scan, clean_text
from app.datasets.formats.layouts.class_folders import may_name_class
from app.datasets.formats.layouts.tree import SourceTree


class Disagreement(NamedTuple):
    """How many of the `num_named` images of a document in class folders have another label than their folder's name."""

    document: str
    num_other: int
    num_named: int

    @property
    def message(self) -> str:
        """What was found, in a sentence."""
        return (
            f"{self.document} gives {self.num_other:,} of {self.num_named:,} images a different class from the one "
            "their folder names."
        )


def find_disagreement(scan: Scan, tree: SourceTree) -> Disagreement | None:
    """Return where a document and the folders name different classes; None when they agree or cannot be compared."""
    labels = {name.casefold() for name in scan.classes}
    folders = {folder.last_name.casefold() for folder in tree.top.iterate() if folder.num_images}
    if not scan.read_documents or len(folders) < 2 or not labels <= folders:
        return None
    holders = {folder.path.parent for folder in tree.top.iterate() if folder.last_name.casefold() in labels}
    class_of = {
        folder: _find_class_of(folder, holders, labels) for folder in {image.path.parent for image in scan.images}
    }
    found = [(image, class_of[image.path.parent]) for image in scan.images]
    named = [(image, name) for image, name in found if name is not None]
    num_other = sum(
        annotation.class_label is not None and annotation.class_label.casefold() != name
        for image, name in named
        for annotation in image.annotations[:1]
    )
    return Disagreement(clean_text(scan.read_documents[0]), num_other, len(named)) if num_other else None


def may_be_a_part(scan: Scan, tree: SourceTree) -> bool:
    """Say whether a document names only some images, and its classes are names of folders as well."""
    labels = {name.casefold() for name in scan.classes}
    folders = {folder.last_name.casefold() for folder in tree.top.iterate() if folder.num_below}
    return 0 < len(scan.images) < tree.top.num_below and bool(labels) and labels <= folders


def is_other_part(scan: Scan, folders: Scan) -> bool:
    """Say whether the folders hold more images than a document names, and none of these."""
    named = {image.path for image in scan.images}
    return len(folders.images) > len(named) and named.isdisjoint(image.path for image in folders.images)


def _find_class_of(folder: Path, holders: Container[Path], labels: Container[str]) -> str | None:
    """Return the class that a folder or one around it names, None where they only hold images, as `images` does.

    That is the innermost one called like a label, or else one that stands beside such a folder (is in `holders`).
    """
    candidates = [place.name for place in (folder, *folder.parents) if place.parent in holders]
    known = next((name for name in candidates if name.casefold() in labels), None)
    name = known or next((name for name in candidates if may_name_class(name)), None)
    return name.casefold() if name is not None else None
