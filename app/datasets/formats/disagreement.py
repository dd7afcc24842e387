"""Compares the labels of a document with the folders that its images lie in: a table of predictions looks like labels.

Only where the labels of the document are names of folders, so that both could be the classes.
"""

from __future__ import annotations

from typing import NamedTuple

from app.datasets.formats.base import FoundImage, Scan, clean_text
from app.datasets.formats.tree import SourceTree
from app.datasets.table import Label


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
    images = [image for image in scan.images if image.path.parent != tree.top.path]
    num_other = sum(
        isinstance(annotation, Label) and annotation.class_name.casefold() != _folder_of(image)
        for image in images
        for annotation in image.annotations[:1]
    )
    return Disagreement(clean_text(scan.read_documents[0]), num_other, len(images)) if num_other else None


def may_be_a_part(scan: Scan, tree: SourceTree) -> bool:
    """Say whether a document names only some images, and its classes are names of folders as well."""
    labels = {name.casefold() for name in scan.classes}
    folders = {folder.last_name.casefold() for folder in tree.top.iterate() if folder.num_below}
    return 0 < len(scan.images) < tree.top.num_below and bool(labels) and labels <= folders


def is_other_part(scan: Scan, folders: Scan) -> bool:
    """Say whether the folders hold more images than a document names, and none of these."""
    named = {image.path for image in scan.images}
    return len(folders.images) > len(named) and named.isdisjoint(image.path for image in folders.images)


def _folder_of(image: FoundImage) -> str:
    return image.path.parent.name.casefold()
