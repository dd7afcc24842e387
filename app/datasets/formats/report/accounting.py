"""Accounts for every file of a source: an image is in the scan, or a problem names it; other files are noted.

The formats name what they know the reason of. What is left after a scan is found and named here, folder by folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.datasets.formats.archives.kinds import name_archive
from app.datasets.formats.base import FoundImage, ImportFormat, Scan, clean_text, shorten
from app.datasets.formats.layouts.class_folders import count_images
from app.datasets.formats.layouts.tree import Folder, SourceTree, SymbolicLink
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.report.unread_kinds import describe_unread, find_unread_kinds, name_by_ending
from app.datasets.formats.work import Work
from app.plurals import name_first

_MAX_NAMED_FILES = 5
_MAX_NAME_CHARACTERS = 60


@dataclass(frozen=True)
class Inventory:
    """The image files that lie in a source; links that lead nowhere usable count as files."""

    tree: SourceTree
    outside: frozenset[str] = frozenset()
    """Folders beside those that an annotation file names images of, when the file itself is the source."""

    def count_files(self, images: Sequence[FoundImage], problems: ProblemList) -> int:
        """Return how many image files lie in the source, and count none of those that are read as lost.

        A file that is read twice, by a link to it, counts twice, as it does among the images; so do the entries of an
        archive that were not unpacked. So the files are those that are read, lost or left out.
        """
        distinct = {image.path for image in images}
        problems.release(distinct)
        num_beside = sum(not self._counts(path) for path in distinct | problems.covered)
        inside = [folder for folder in self.tree.top.iterate() if folder.name not in self.outside]
        num_in_tree = sum(len(folder.images) for folder in inside)
        return num_in_tree + num_beside + len(images) - len(distinct) + problems.num_unpathed

    def _counts(self, path: Path) -> bool:
        """Say whether a file is one of those that the tree of the source is counted by."""
        return self.tree.has_image(path) and self.tree.by_path[path.parent].name not in self.outside


def find_outside(tree: SourceTree, scan: Scan, work: Work) -> frozenset[str]:
    """Return the folders in and above which an annotation file names no image, by their names in the source.

    Those who choose instances_val2017.json want val2017; the images of train2017 beside it are none of theirs. A file
    in the top folder says nothing about the folders below it. Where no image is found every folder counts.
    """
    named = {path.parent for path in (*(image.path for image in scan.images), *scan.problems.covered)}
    reached: set[str] = {folder.name for path in named if (folder := tree.by_path.get(path)) is not None}
    if not reached:
        return frozenset()
    outside: set[str] = set()
    for number, folder in enumerate(tree.top.iterate()):
        work.step("Looking for the folders of the annotation file", number)
        parts = folder.name.split("/")
        if folder.name not in reached and reached.isdisjoint("/".join(parts[:end]) for end in range(1, len(parts))):
            outside.add(folder.name)
    return frozenset(outside)


def account_for_files(
    tree: SourceTree, scan: Scan, found: ImportFormat, work: Work, outside: frozenset[str] = frozenset()
) -> tuple[Inventory, list[str]]:
    """Add the images that a scan neither reads nor names to its problems; return all of them, and notes.

    Images of the folders `outside` are noted only. Links of any kind that are not followed are named here too.
    """
    problems = scan.problems
    _name_links(tree, problems, work)
    for name, reason in tree.unreadable.items():
        message = f"The folder cannot be read: {reason}."
        problems.add(name, message, "Check its permissions, or remove it.", kind="unread_folder")
    read = {image.path for image in scan.images}
    num_files = 0
    for folder in tree.top.iterate():
        work.step("Accounting for every file", num_files)
        num_files += len(folder.images)
        if folder.name in outside:
            continue
        _name_archives(folder, problems)
        own = ((folder.join(name), folder.path / name) for name in folder.images)
        left = {name: path for name, path in own if path not in read and path not in problems.covered}
        if left:
            _name_left(folder, left, scan, found)
    notes = [
        note
        for note in (
            *_note_others(tree, scan, found),
            _note_hidden(tree),
            _note_outside(tree, outside),
            _note_workspace(tree),
        )
        if note
    ]
    return Inventory(tree, outside), notes


def _name_left(folder: Folder, left: dict[str, Path], scan: Scan, found: ImportFormat) -> None:
    them, their = ("it", "its") if len(left) == 1 else ("them", "their")
    if found.document_endings:
        documents = ", ".join(clean_text(name) for name in scan.read_documents[:3])
        is_alone = len(scan.read_documents) < 2
        where = f"not named by {documents or 'the annotation file'}" if is_alone else f"named by none of {documents}"
        message = f"{count_images(len(left))} {where}"
        fix = f"Add {them} to the annotation file, or remove {them}."
        if scan.named_by is not None:
            message = f"{count_images(len(left))} not named by {scan.named_by.words}"
            fix = scan.named_by.fix.format(them=them)
        scan.problems.add_files(folder.title, message, fix, kind="not_in_table", files=left)
    else:
        message = f"{count_images(len(left))} in a folder that is not read"
        fix = f"Move {them} into a folder of {their} class, or remove {them}."
        scan.problems.add_files(folder.title, message, fix, kind="unread_folder", files=left)


def _name_archives(folder: Folder, problems: ProblemList) -> None:
    for name in folder.others:
        if (archive := name_archive(name)) and name_by_ending(name) is None:
            message = f"This {archive} is not unpacked."
            problems.warn(folder.join(name), message, "Unpack it, and import again.", kind="nested_archive")


def _name_links(tree: SourceTree, problems: ProblemList, work: Work) -> None:
    """Name links to the outside, to nothing and to folders; a link to a file inside is what its file is."""
    for folder in tree.top.iterate():
        for number, link in enumerate(folder.links):
            work.step("Checking links", number, len(folder.links))
            name = folder.join(link.name)
            if link.target is None:
                _name_lost_link(folder, link, name, problems)
            elif link.is_folder and link.target not in tree.by_path:
                message = "The link leads to a hidden folder of the source and is not followed."
                problems.warn(name, message, "Put the folder itself there.", kind="link")
        for special in folder.specials:
            message = "This is not an ordinary file."
            problems.add(folder.join(special), message, "Remove it, or put an image in its place.", kind="special_file")


def _name_lost_link(folder: Folder, link: SymbolicLink, name: str, problems: ProblemList) -> None:
    message = "The link leads out of the imported folder, or to nothing, and is not followed."
    fix = "Put the file or the folder itself there instead of a link to it."
    problems.add(name, message, fix, kind="link", path=folder.path / link.name if link.is_image else None)


def _note_others(tree: SourceTree, scan: Scan, found: ImportFormat) -> list[str]:
    """Return notes about the files that are no images and no annotation files in use, those with images in them first.

    What holds images in a form that is not read is named with what to do; the rest is one note.
    """
    used = set(scan.read_documents)
    others = {
        folder.join(name): folder.path / name
        for folder in tree.top.iterate()
        for name in folder.others
        if folder.join(name) not in used
        and not (name_archive(name) and name_by_ending(name) is None)
        and not (not used and _is_document(name, found.document_endings))
    }
    kinds = find_unread_kinds(others)
    unread = {name for names in kinds.values() for name in names}
    notes = [describe_unread(kind, [shorten(clean_text(name)) for name in names]) for kind, names in kinds.items()]
    names = [name for name in others if name not in unread]
    if names:
        verb = "1 other file is" if len(names) == 1 else f"{len(names):,} other files are"
        notes.append(f"{verb} not used: {list_file_names(names)}.")
    return notes


def _note_hidden(tree: SourceTree) -> str | None:
    if not tree.hidden:
        return None
    number = sum(tree.hidden.values())
    kinds = "hidden, system or program"
    verb = f"image in a {kinds} folder is" if number == 1 else f"images in {kinds} folders are"
    return f"{number:,} {verb} not read: {list_file_names(sorted(tree.hidden))}."


def _note_workspace(tree: SourceTree) -> str | None:
    if tree.workspace is None:
        return None
    return f"The folder {clean_text(tree.workspace)} is the workspace of AI Studio and is not read."


def _note_outside(tree: SourceTree, outside: frozenset[str]) -> str | None:
    """Return a note about the images in folders that the chosen annotation file does not name."""
    beside = [folder for folder in tree.top.iterate() if folder.name in outside and folder.images]
    if not beside:
        return None
    number = sum(len(folder.images) for folder in beside)
    lie = "1 image lies" if number == 1 else f"{number:,} images lie"
    names = list_file_names([folder.title for folder in beside])
    return f"{lie} in folders that the annotation file does not name and does not count: {names}."


def list_file_names(names: Sequence[str]) -> str:
    """Return the first names, those at the top before those in folders, and how many more there are."""
    ordered = sorted(names, key=lambda name: (name.count("/"), name))
    shown = [shorten(clean_text(name), _MAX_NAME_CHARACTERS) for name in ordered[:_MAX_NAMED_FILES]]
    return name_first([*shown, *ordered[_MAX_NAMED_FILES:]], _MAX_NAMED_FILES)


def _is_document(name: str, endings: Iterable[str]) -> bool:
    return name.lower().endswith(tuple(endings)) if endings else False
