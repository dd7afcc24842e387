"""Reads train, valid and test folders that each have a document of their own, as one source with their split.

Works for every format of documents: each folder is scanned by itself and the scans are joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.annotations.base import AnnotationKind, renumber
from app.datasets.formats.base import (
    ChoiceError,
    FoundImage,
    ImportFormat,
    Scan,
    SourceError,
    clean_text,
    find_subset,
    sort_classes,
)
from app.datasets.formats.layouts.class_folders import describe_subsets
from app.datasets.formats.layouts.walking import is_inside_file, list_folder
from app.datasets.formats.work import LimitError, Work
from app.schemas.datasets import ImportOptions, SplitValue

_ORDER = ("train", "val", "test", "none")


@dataclass(frozen=True)
class SubsetFolder:
    """A folder with a document, and the subset that its images belong to."""

    path: Path
    split: SplitValue

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name


def find_subset_documents(root: Path, found: ImportFormat, options: ImportOptions, work: Work) -> list[SubsetFolder]:
    """Return the subset folders of a resolved folder that each match a format of documents."""
    if not found.document_endings:
        return []
    if options.annotation_file is not None and is_inside_file(root, options.annotation_file):
        return []
    matching = []
    for folder in list_folder(root, work)[0]:
        split = find_subset(folder.name)
        if split is None or folder.is_symlink():
            continue
        if options.annotation_file is not None and not is_inside_file(folder, options.annotation_file):
            continue
        if found.is_match(folder, options, work):
            matching.append(SubsetFolder(folder, split))
    return sorted(matching, key=lambda folder: (_ORDER.index(folder.split), folder.name))


def scan_subsets(
    folders: Sequence[SubsetFolder], found: ImportFormat, kind: AnnotationKind, options: ImportOptions, work: Work
) -> Scan:
    """Return one scan of all subset folders; classes are joined by name. Raises SourceError.

    A folder whose document cannot be read is a problem while another's can.
    """
    scans: list[tuple[SubsetFolder, Scan]] = []
    problems = work.new_problems()
    refusals: list[SourceError] = []
    for folder in folders:
        try:
            with _inside(work, folder.name):
                scans.append((folder, found.scan(folder.path, kind, options, work)))
        except LimitError:
            raise
        except SourceError as error:
            problems.add(folder.name, error.message, error.fix)
            refusals.append(error)
    if not scans:
        first = problems.named[0]
        msg = f"{first.file}: {first.message}"
        if isinstance(refusals[0], ChoiceError):
            raise ChoiceError(msg, first.fix, documents=refusals[0].documents, columns=refusals[0].columns)
        raise SourceError(msg, first.fix)
    _check_values(scans)
    for _, scan in scans:
        problems.extend(scan.problems)
    classes = _join_classes([scan.classes for _, scan in scans])
    labels = {name: index for index, name in enumerate(classes)}
    images = [image for folder, scan in scans for image in _take_images(folder, scan, labels)]
    documents = tuple(f"{folder.name}/{name}" for folder, scan in scans for name in scan.read_documents)
    notes = (describe_subsets([folder.name for folder, _ in scans]), *_join_notes(scans))
    values = scans[0][1].value_names
    return Scan(images, classes, problems, notes, values, documents, scans[0][1].columns)


@contextmanager
def _inside(work: Work, folder: str) -> Iterator[None]:
    """Have the problems of a scan name their files by the path inside of the whole source."""
    before = work.prefix
    work.prefix = f"{before}{folder}/"
    try:
        yield
    finally:
        work.prefix = before


def _check_values(scans: Sequence[tuple[SubsetFolder, Scan]]) -> None:
    first, names = scans[0][0], scans[0][1].value_names
    for folder, scan in scans:
        if scan.value_names != names:
            msg = (
                f"The documents of {first.name} and {folder.name} have different columns: "
                f"{', '.join(names)} and {', '.join(scan.value_names)}."
            )
            raise SourceError(msg, "Give the columns the same names, or choose them with target_columns.")


def _join_classes(found: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return all classes: in the order of the documents where these agree, else by name."""
    if all(classes == found[0] for classes in found):
        return found[0]
    longest = max(found, key=len)
    if all(set(classes) <= set(longest) for classes in found):
        return longest
    return tuple(sort_classes(name for classes in found for name in classes))


def _take_images(folder: SubsetFolder, scan: Scan, labels: dict[str, int]) -> Iterator[FoundImage]:
    for image in scan.images:
        annotations = tuple(renumber(image.annotations, labels))
        yield replace(image, name=f"{folder.name}/{image.name}", annotations=annotations, split=folder.split)


def _join_notes(scans: Sequence[tuple[SubsetFolder, Scan]]) -> list[str]:
    """Return each note once, with the folder before it where not all say the same."""
    notes: list[str] = []
    for folder, scan in scans:
        for note in scan.notes:
            is_common = all(note in other.notes for _, other in scans)
            text = note if is_common else f"{clean_text(folder.name)}: {note}"
            if text not in notes:
                notes.append(text)
    return notes
