"""Decides which folders of a source are classes, and to which subset each belongs. Reads the tree, no files."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from app.datasets.formats.base import SourceError, clean_text, find_subset
from app.datasets.formats.layouts.classes_in_names import SORT_BY_NAME, describe_classes_in_names
from app.datasets.formats.layouts.subset_folders import find_crossed_folders, find_subset_folders
from app.datasets.formats.layouts.tool_layouts import HOLDERS, NOT_CLASSES, find_tool_layout
from app.datasets.formats.layouts.tree import Folder, SourceTree
from app.datasets.formats.report.problem_list import ProblemList
from app.plurals import join_words
from app.schemas.datasets import SplitValue
from app.schemas.import_report import Remedy

_ORDER = ("train", "val", "test", "none")
_DATE = re.compile(r"(19|20)\d\d[-_. ]?(0?[1-9]|1[0-2])[-_. ]?(0?[1-9]|[12]\d|3[01])([-_. T].*)?")
_MONTH = re.compile(r"(19|20)\d\d[-_. ](0?[1-9]|1[0-2])|(0?[1-9]|1[0-2])[-_. ](19|20)\d\d")
_DAY_FIRST = re.compile(r"(0?[1-9]|[12]\d|3[01])[-_. ](0?[1-9]|1[0-2])[-_. ](19|20)\d\d([-_. T].*)?")
# Cameras and phones name their folders by a number: 100CANON, 101_PANA, 202401__.
_CAMERA = re.compile(r"[1-9]\d\d[A-Z0-9_]{5}|20\d{4}__")
_BATCH = re.compile(r"(batch|day|session|week|run|shoot|part|upload|import|export)[-_. ]?\d+", re.IGNORECASE)
_PATTERNS_OF_NO_CLASS = (_DATE, _DAY_FIRST, _MONTH, _BATCH, _CAMERA)
# Where people keep what has no class yet.
_UNSORTED = frozenset(
    {"unlabeled", "unlabelled", "unsorted", "unclassified", "unannotated", "to_sort", "todo", "new folder"}
    | {"_unlabeled", "_unlabelled", "no_label", "no label", "no_class", "no class"}
)
_MAX_NAMED_FILES = 5
_MOVE = "Move each into the folder of its class."
_MOVE_OR_REMOVE = "Move each into the folder of its class, or remove it."
_MOVE_INTO_SUBSET = "Move what is in this folder into train, val or test, or give it one of these names."
_NO_CLASSES = "they lie in no folder of a class"
_SORT = "Put them into folders of their classes to validate or test with them, or leave them out."
_USE_CLASS_FOLDERS = "Put the images of each class into a folder that has the name of the class"


@dataclass(frozen=True)
class ClassFolder:
    """A folder of images of one class; `name` is its path inside the source, which a link may have given it.

    `class_folder` is the name of the folder that the class is called after, where that is not this one.
    """

    folder: Folder
    name: str
    split: SplitValue | None = None
    class_folder: str | None = None

    @property
    def raw_class(self) -> str:
        """The name of the folder that names the class, with bytes that are no UTF-8 as they are."""
        return self.name.rpartition("/")[2] if self.class_folder is None else self.class_folder


@dataclass(frozen=True)
class UnreadFiles:
    """Images of a folder that have no class there: `state` is the end of "2 images are"."""

    folder: str
    state: str
    fix: str
    kind: str
    files: Mapping[str, Path]
    doubt: str = ""

    def report(self, problems: ProblemList, read: Container[Path]) -> None:
        """Add those of them to the problems that were not read by another way, such as a link."""
        left = {name: path for name, path in self.files.items() if path not in read}
        if left:
            message = f"{self.doubt}{count_images(len(left))} {self.state}"
            problems.add_files(self.folder, message, self.fix, kind=self.kind, files=left)


def count_images(number: int) -> str:
    """Return "1 image is" or "2 images are"."""
    return f"{number:,} image is" if number == 1 else f"{number:,} images are"


@dataclass(frozen=True)
class FoundClasses:
    """The class folders of a source, the images that lie beside them, and notes."""

    folders: Sequence[ClassFolder]
    unread: Sequence[UnreadFiles]
    notes: tuple[str, ...] = ()


def may_name_class(raw_name: str) -> bool:
    """Say whether a folder may be called after what its images show: not `images`, `train`, `unsorted` or a date."""
    is_technical = raw_name.casefold() in NOT_CLASSES | _UNSORTED or find_subset(raw_name) is not None
    return not is_technical and not any(pattern.fullmatch(raw_name) for pattern in _PATTERNS_OF_NO_CLASS)


def find_class_folders(
    tree: SourceTree, problems: ProblemList, mapping: Mapping[str, str | None] | None = None
) -> FoundClasses:
    """Return the class folders; doubts about them that `mapping` does not settle are added to the problems.

    Raises SourceError, which names what was found, where folders are no classes.
    """
    layout = find_tool_layout(tree)
    if layout is not None:
        raise SourceError(layout.message, layout.fix)
    if (holder := _find_holder(tree.top)) is not None:
        return _find_in_holder(tree, holder, problems, mapping)
    folders = _list_folders(tree, tree.top, tree.top.name)
    if not folders or (tree.top.num_images and not any(item.folder.num_below for item in folders)):
        msg = "The images lie directly in the folder." if tree.top.num_below else "The folder is empty."
        raise _refuse(tree.top, msg, f"{_USE_CLASS_FOLDERS}.")
    subsets = find_subset_folders(item.raw_class for item in folders)
    if _is_divided(folders, subsets):
        found = _find_divided(tree, folders, subsets)
        _warn_of_holders(found.folders, problems, mapping or {})
        return found
    _refuse_holders(tree.top, folders)
    loose = list(_list_loose(tree.top))
    crossed = find_crossed_folders(item.raw_class for item in folders if item.folder.num_below)
    if crossed:
        note = "The words for train, val and test in the names of the folders make up the split 'original'."
        pairs = [(item, *crossed[item.raw_class]) for item in folders if item.raw_class in crossed]
        divided = [ClassFolder(item.folder, item.name, split, name) for item, split, name in pairs]
        return FoundClasses(divided, loose, (note,))
    if _are_divided_inside(folders):
        note = "The folders train, val and test of each class make up the split 'original'."
        return FoundClasses(_find_divided_inside(folders), loose, (note,))
    _warn_of_holders(folders, problems, mapping or {})
    _warn_of_dates(tree.top, folders, problems)
    return FoundClasses(folders, loose)


def _find_holder(top: Folder) -> Folder | None:
    """Return the folder such as `data` that has the class folders, when what lies beside it is clearly less.

    Beside it may be results of a program, examples, or a virtual environment.
    """
    holding = [inner for inner in top.folders if inner.num_below]
    found = [inner for inner in holding if inner.last_name.casefold() in HOLDERS and not inner.num_images]
    if len(found) != 1 or len(holding) < 2 or find_subset_folders(inner.last_name for inner in holding):
        return None
    num_inner = sum(bool(inner.num_below) for inner in found[0].folders)
    num_beside = sum(inner.num_below for inner in holding) - found[0].num_below
    is_clear = num_inner > 1 and len(holding) - 1 <= num_inner and 2 * num_beside <= found[0].num_below
    return found[0] if is_clear else None


def _find_in_holder(
    tree: SourceTree, holder: Folder, problems: ProblemList, mapping: Mapping[str, str | None] | None
) -> FoundClasses:
    found = find_class_folders(replace(tree, top=holder), problems, mapping)
    unread = [*found.unread, *_list_loose(tree.top)]
    for inner in tree.top.folders:
        if inner is not holder:
            unread += _list_unread(inner, f"the classes are read from {holder.title!r}", _MOVE_OR_REMOVE)
    return FoundClasses(found.folders, unread, (*found.notes, f"The classes are read from {clean_text(holder.name)}."))


def _list_folders(tree: SourceTree, parent: Folder, name: str, split: SplitValue | None = None) -> list[ClassFolder]:
    """Return the folders inside a folder; a link to another folder of the source stands for that folder."""
    found = {inner.last_name: inner for inner in parent.folders}
    for link in parent.links:
        target = tree.by_path.get(link.target) if link.is_folder and link.target is not None else None
        if target is not None:
            found[link.name] = target
    return [ClassFolder(found[key], f"{name}/{key}" if name else key, split) for key in sorted(found)]


def _is_divided(folders: Sequence[ClassFolder], subsets: Mapping[str, SplitValue]) -> bool:
    """Say whether the folders are subsets. A class may be called `test` or `train` beside other classes."""
    if len(set(subsets.values())) != 1:
        return bool(subsets)
    of_subset = [item for item in folders if item.raw_class in subsets]
    if not any(inner.num_below for item in of_subset for inner in item.folder.folders):
        return len(of_subset) == len(folders) and any(item.folder.num_below for item in of_subset)
    with_images = [item for item in folders if item not in of_subset and item.folder.num_images]
    return len(with_images) < 2 or not any(item.folder.num_images for item in of_subset)


def _find_divided(
    tree: SourceTree, folders: Sequence[ClassFolder], subset_of: Mapping[str, SplitValue]
) -> FoundClasses:
    subsets = [item for item in folders if item.raw_class in subset_of]
    found = {item.name: _list_folders(tree, item.folder, item.name, subset_of[item.raw_class]) for item in subsets}
    if not any(inner.folder.num_below for inners in found.values() for inner in inners):
        _refuse_subsets_without_classes(tree.top, subsets, [i for i in subsets if subset_of[i.raw_class] == "train"])
    unread = list(_list_loose(tree.top))
    order = sorted(subsets, key=lambda item: (_ORDER.index(subset_of[item.raw_class]), item.name))
    beside = join_words([clean_text(item.raw_class) for item in order])
    for item in folders:
        if item not in subsets:
            unread += _list_unread(item.folder, f"the folder lies beside {beside}", _MOVE_INTO_SUBSET)
    classes: list[ClassFolder] = []
    for item in subsets:
        unread += _list_loose(item.folder) if _has_classes(item) else _list_unread(item.folder, _NO_CLASSES, _SORT)
        for inner in found[item.name]:
            if _is_no_class(inner) and _is_alone(inner, found.values()):
                inside = _list_folders(tree, inner.folder, inner.name, inner.split)
                unread += _list_loose(inner.folder) if _has_classes(inner) else _list_holder(inner)
                classes += inside if _has_classes(inner) else []
            else:
                classes.append(inner)
    names = [item.name for item in order if _has_classes(item)]
    has_images = any(item.folder.num_below for item in classes)
    return FoundClasses(classes, unread, (describe_subsets(names),) if has_images else ())


def _is_no_class(item: ClassFolder) -> bool:
    """Say whether a folder inside of a subset is called `images` or like the subset, as `training_set/training_set`."""
    is_same = item.name.endswith(f"{item.raw_class}/{item.raw_class}")
    return item.raw_class.casefold() in NOT_CLASSES or is_same or find_subset(item.raw_class) == item.split


def _has_classes(item: ClassFolder) -> bool:
    return any(inner.num_below for inner in item.folder.folders) or any(link.is_folder for link in item.folder.links)


def describe_subsets(names: Sequence[str]) -> str:
    """Return the note about the folders that are a split, true before an import and after it."""
    folders, verb = ("folder", "makes up") if len(names) == 1 else ("folders", "make up")
    return f"The {folders} {join_words([clean_text(name) for name in names])} {verb} the split 'original'."


def _are_divided_inside(folders: Sequence[ClassFolder]) -> bool:
    """Say whether each class has its images in folders of subsets, as in cat/train and cat/test."""
    holding = [item for item in folders if item.folder.num_below]
    inner = [folder for item in holding for folder in item.folder.folders if folder.num_below]
    subsets = {find_subset(folder.last_name) for folder in inner}
    return (
        "train" in subsets
        and len(subsets) > 1
        and None not in subsets
        and not any(i.folder.num_images for i in holding)
    )


def _find_divided_inside(folders: Sequence[ClassFolder]) -> list[ClassFolder]:
    return [
        ClassFolder(inner, f"{item.name}/{inner.last_name}", find_subset(inner.last_name), item.raw_class)
        for item in folders
        for inner in item.folder.folders
    ]


def _is_alone(item: ClassFolder, by_subset: Iterable[Sequence[ClassFolder]]) -> bool:
    """Say whether a folder has no class beside it in its subset, or none that another subset has too."""
    beside = next(inners for inners in by_subset if item in inners)
    return not any(other.folder.num_below for other in beside if other is not item)


def _refuse_subsets_without_classes(
    top: Folder, subsets: Sequence[ClassFolder], training: Sequence[ClassFolder]
) -> None:
    counts = ", ".join(f"{clean_text(item.name)} ({item.folder.num_below:,})" for item in subsets)
    msg = f"The folders {counts} contain images without class folders, and no annotation file with their classes "
    msg += "was found."
    fix = f"{_USE_CLASS_FOLDERS}, inside of each of them, or put a table or a COCO document with the labels into each."
    raise _refuse(top, msg, fix, [item.folder for item in training])


def _refuse(top: Folder, message: str, fix: str, named: Sequence[Folder] = ()) -> SourceError:
    """Return the error for images without classes, with what the names of the files in some folders may tell."""
    hint = describe_classes_in_names(name for folder in named or (top,) for name in folder.files_below())
    return SourceError(f"{message}{hint and ' '}{hint}{_name_others(top)}", f"{fix}{hint and f' {SORT_BY_NAME}'}")


def _name_others(top: Folder) -> str:
    """Return the first files that are no images, which may be documents that nothing here reads."""
    names = (folder.join(name) for folder in top.iterate() for name in folder.others)
    first = [clean_text(name) for name in islice(names, _MAX_NAMED_FILES)]
    return f" Other files there: {', '.join(first)}." if first else ""


def _refuse_holders(top: Folder, folders: Sequence[ClassFolder]) -> None:
    """Raise SourceError when all images lie in folders such as `images`, which no class is called."""
    holding = [item for item in folders if item.folder.num_below]
    if holding and all(item.raw_class.casefold() in NOT_CLASSES for item in holding):
        names = ", ".join(f"{clean_text(item.name)} ({item.folder.num_below:,})" for item in holding)
        where = f"All images lie in {names}, which is not the name of a class"
        fix = f"{_USE_CLASS_FOLDERS}, or add a table that names each file with its class."
        raise _refuse(top, f"{where}, and no annotation file with their classes was found.", fix)


def _warn_of_holders(folders: Sequence[ClassFolder], problems: ProblemList, mapping: Mapping[str, str | None]) -> None:
    """Warn of a class called `images` beside others: often the images that nobody has sorted yet."""
    offered: set[str] = set()
    for item in folders:
        is_doubtful = item.raw_class.casefold() in HOLDERS | _UNSORTED and item.raw_class not in mapping
        if is_doubtful and item.folder.num_images and len(folders) > 1:
            message = (
                f"The folder {item.raw_class!r} is read as a class, although folders with this name are rarely classes."
            )
            problems.warn(item.name, message, "Leave it out, if its images have no class.", kind="doubtful_class")
            if item.raw_class not in offered:
                label = f"Leave out the class {item.raw_class!r}"
                options = {"class_mapping": {**mapping, item.raw_class: None}}
                problems.offer("doubtful_class", Remedy(label=label, options=options))
            offered.add(item.raw_class)


def _warn_of_dates(top: Folder, folders: Sequence[ClassFolder], problems: ProblemList) -> None:
    """Warn where all classes are dates, numbered batches or folders of a camera: no names of what pictures show."""
    names = [item.raw_class for item in folders if item.folder.num_images]
    if len(names) > 1 and all(any(pattern.fullmatch(name) for pattern in _PATTERNS_OF_NO_CLASS) for name in names):
        message = f"All classes are named like dates, batches or folders of a camera: {', '.join(names[:5])}."
        problems.warn(top.title, message, f"{_USE_CLASS_FOLDERS}, if these are not your classes.", kind="date_classes")


def _list_loose(folder: Folder) -> Iterator[UnreadFiles]:
    yield UnreadFiles(folder.title, "outside the class folders", _MOVE, "beside_classes", folder.files())


def _list_holder(item: ClassFolder) -> Iterator[UnreadFiles]:
    return _list_unread(item.folder, f"{item.raw_class!r} is not a class name", _MOVE_OR_REMOVE)


def _list_unread(folder: Folder, reason: str, fix: str) -> Iterator[UnreadFiles]:
    for inner in folder.iterate():
        yield UnreadFiles(inner.title, f"not read, because {reason}", fix, "unread_folder", inner.files())
