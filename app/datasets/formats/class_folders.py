"""Decides which folders of a source are classes, and to which subset each belongs. Reads the tree, no files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.datasets.formats.base import ProblemList, SourceError, clean_text, find_subset
from app.datasets.formats.layouts import HOLDERS, NOT_CLASSES, find_tool_layout
from app.datasets.formats.tree import Folder, SourceTree
from app.schemas.datasets import SplitValue
from app.schemas.import_report import Remedy

_MOVE = "Move them into the folder of their class."
_USE_CLASS_FOLDERS = "Put the images of each class into a folder that has the name of the class"


@dataclass(frozen=True)
class ClassFolder:
    """A folder of images of one class; `name` is its path inside the source, which a link may have given it."""

    folder: Folder
    name: str
    split: SplitValue | None = None

    @property
    def raw_class(self) -> str:
        """The folder's own name, with bytes that are no UTF-8 as they are."""
        return self.name.rpartition("/")[2]


def find_class_folders(tree: SourceTree, problems: ProblemList) -> tuple[list[ClassFolder], tuple[str, ...]]:
    """Return the class folders and notes about them; images beside them are added to the problems.

    Raises SourceError, which names what was found, where folders are no classes.
    """
    layout = find_tool_layout(tree)
    if layout is not None:
        raise SourceError(layout.message, layout.fix)
    folders = _list_folders(tree, tree.top, tree.top.name)
    if not folders:
        msg = "The images lie directly in the folder." if tree.top.num_below else "The folder is empty."
        raise SourceError(msg, f"{_USE_CLASS_FOLDERS}.")
    if _is_divided(folders):
        return _find_divided(tree, folders, problems)
    _refuse_holders(folders)
    _report_loose(tree.top, problems)
    _warn_of_holders(folders, problems)
    return folders, ()


def _list_folders(tree: SourceTree, parent: Folder, name: str, split: SplitValue | None = None) -> list[ClassFolder]:
    """Return the folders inside a folder; a link to another folder of the source stands for that folder."""
    found = {inner.last_name: inner for inner in parent.folders}
    for link in parent.links:
        target = tree.by_path.get(link.target) if link.is_folder and link.target is not None else None
        if target is not None:
            found[link.name] = target
    return [ClassFolder(found[key], f"{name}/{key}" if name else key, split) for key in sorted(found)]


def _is_divided(folders: Sequence[ClassFolder]) -> bool:
    """Say whether the folders are subsets. A class may be called `test` or `train` beside other classes."""
    subsets = {find_subset(item.raw_class) for item in folders} - {None}
    if len(subsets) != 1:
        return len(subsets) > 1
    of_subset = [item for item in folders if find_subset(item.raw_class) is not None]
    if not any(inner.num_below for item in of_subset for inner in item.folder.folders):
        return len(of_subset) == len(folders) and any(item.folder.num_below for item in of_subset)
    with_images = [item for item in folders if item not in of_subset and item.folder.num_images]
    return len(with_images) < 2 or not any(item.folder.num_images for item in of_subset)


def _find_divided(
    tree: SourceTree, folders: Sequence[ClassFolder], problems: ProblemList
) -> tuple[list[ClassFolder], tuple[str, ...]]:
    subsets = [item for item in folders if find_subset(item.raw_class) is not None]
    found = {item.name: _list_folders(tree, item.folder, item.name, find_subset(item.raw_class)) for item in subsets}
    if not any(inner.folder.num_below for inners in found.values() for inner in inners):
        _refuse_subsets_without_classes(subsets)
    _report_loose(tree.top, problems)
    for item in folders:
        if item not in subsets and item.folder.num_below and item.folder.name == item.name:
            _report_unread(item.folder, "The folder lies beside train, val and test and is not read", problems)
    classes: list[ClassFolder] = []
    for item in subsets:
        _report_loose(item.folder, problems)
        for inner in found[item.name]:
            if inner.raw_class.casefold() in NOT_CLASSES and _is_alone(inner, found.values()):
                message = f"{inner.raw_class} is no name of a class, so its images have none and are not read"
                _report_unread(inner.folder, message, problems)
            else:
                classes.append(inner)
    names = ", ".join(clean_text(item.name) for item in subsets if item.folder.num_below)
    return classes, (f"The folders {names} became the split 'original'.",)


def _is_alone(item: ClassFolder, by_subset: Iterable[Sequence[ClassFolder]]) -> bool:
    """Say whether a folder has no class beside it in its subset, or none that another subset has too."""
    beside = next(inners for inners in by_subset if item in inners)
    return not any(other.folder.num_below for other in beside if other is not item)


def _refuse_subsets_without_classes(subsets: Sequence[ClassFolder]) -> None:
    counts = ", ".join(f"{clean_text(item.name)} ({item.folder.num_below:,})" for item in subsets)
    documents = [item.folder.join(name) for item in subsets for name in item.folder.others]
    msg = f"The folders {counts} hold images without class folders, and no document that says their classes was read."
    if documents:
        msg += f" Other files there: {', '.join(clean_text(name) for name in documents[:5])}."
    fix = f"{_USE_CLASS_FOLDERS}, inside of each of them, or put a table or a COCO document with the labels into each."
    raise SourceError(msg, fix)


def _refuse_holders(folders: Sequence[ClassFolder]) -> None:
    """Raise SourceError when all images lie in folders such as `images`, which no class is called."""
    holding = [item for item in folders if item.folder.num_below]
    if holding and all(item.raw_class.casefold() in NOT_CLASSES for item in holding):
        names = ", ".join(f"{clean_text(item.name)} ({item.folder.num_below:,})" for item in holding)
        msg = f"All images lie in {names}, which is no class, and no document says their classes."
        raise SourceError(msg, f"{_USE_CLASS_FOLDERS}, or add a table that names each file with its class.")


def _warn_of_holders(folders: Sequence[ClassFolder], problems: ProblemList) -> None:
    """Warn of a class called `images` beside others: often the images that nobody has sorted yet."""
    for item in folders:
        if item.raw_class.casefold() in HOLDERS and item.folder.num_images and len(folders) > 1:
            message = f"The folder {item.raw_class!r} is read as a class, though folders of this name seldom are one."
            problems.warn(item.name, message, "Leave it out, if its images have no class.", kind="doubtful_class")
            label = f"Leave out the class {item.raw_class!r}"
            problems.offer("doubtful_class", Remedy(label=label, options={"class_mapping": {item.raw_class: None}}))


def _report_loose(folder: Folder, problems: ProblemList) -> None:
    files = folder.files()
    if files:
        noun = "image lies" if len(files) == 1 else "images lie"
        message = f"{len(files):,} {noun} beside the class folders"
        problems.add_files(folder.title, message, _MOVE, kind="beside_classes", files=files)


def _report_unread(folder: Folder, message: str, problems: ProblemList) -> None:
    for inner in folder.iterate():
        files = inner.files()
        if files:
            text = f"{message}: {count_images(len(files))}"
            fix = "Move them into a folder of their class, or remove them."
            problems.add_files(inner.title, text, fix, kind="unread_folder", files=files)


def count_images(number: int) -> str:
    """Return "1 image" or "2 images"."""
    return f"{number:,} image" if number == 1 else f"{number:,} images"


def name_classes(raw_names: Iterable[str], problems: ProblemList) -> dict[str, str]:
    """Return a class name for each name of a folder: text that JSON can hold, and never one for two folders."""
    unique = sorted(set(raw_names))
    names = {raw: raw for raw in unique if raw == clean_text(raw) and raw.isprintable()}
    for raw in unique:
        if raw in names:
            continue
        plain = "".join(c if c.isprintable() else "?" for c in clean_text(raw))
        name, number = plain, 1
        while name in names.values():
            number += 1
            name = f"{plain} ({number})"
        names[raw] = name
        message = (
            f"The name of the folder has bytes or characters that are no text ({_show(raw)}); its class is {name!r}."
        )
        problems.warn(name, message, "Rename the folder, or give the class another name.", kind="undecodable_name")
    return names


def _show(raw: str) -> str:
    return os.fsencode(raw).decode("ascii", "backslashreplace")
