"""Images in one folder per class, also below train/val/test folders, which then become a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from app.annotations.base import AnnotationKind
from app.datasets.formats.base import FoundImage, Scan, SourceError, clean_text, sort_classes
from app.datasets.formats.documents.list_files import find_list_subset
from app.datasets.formats.layouts.class_folders import ClassFolder, UnreadFiles, count_images, find_class_folders
from app.datasets.formats.layouts.class_names import name_classes
from app.datasets.formats.layouts.classes_in_names import SORT_BY_NAME, describe_classes_in_names
from app.datasets.formats.layouts.mask_names import warn_of_masks
from app.datasets.formats.layouts.tree import Folder, begins_like_image, read_tree
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions, NestedFolders, SplitValue

_MAX_PEEKED_FILES = 20
_FIX = "Add them to the class, or make each subfolder a class of its own."
_CHOOSE = "Choose whether the outer or the inner folders are the classes."


@dataclass(frozen=True)
class _FolderImage:
    """An image file, its name in the source, and the folder name that its class comes from."""

    path: Path
    name: str
    raw_class: str
    split: SplitValue | None


@dataclass(frozen=True)
class ImageFolders:
    """The format `image_folders`."""

    name: str = "image_folders"
    title: str = "one folder of images per class, optionally inside train, val and test"
    rank: int = 80
    document_endings: tuple[str, ...] = ()
    loose_endings: tuple[str, ...] = ()
    own_options: frozenset[str] = frozenset({"nested_folders"})

    def is_match(self, root: Path, options: ImportOptions, work: Work) -> bool:
        """Say whether there are images in the folder or below it."""
        folders = read_tree(root, work).top.iterate()
        return any(
            begins_like_image(path)
            for folder in folders
            if folder.num_images
            for path in islice(folder.files().values(), _MAX_PEEKED_FILES)
        )

    def scan(self, root: Path, kind: AnnotationKind, options: ImportOptions, work: Work) -> Scan:
        """List the files of every class folder."""
        problems = work.new_problems()
        classes_found = find_class_folders(read_tree(root, work), problems, options.class_mapping)
        class_folders, notes = classes_found.folders, classes_found.notes
        nested = options.nested_folders
        holder = _find_common_holder(class_folders)
        if holder is not None and nested == "leave_out":
            notes = (*notes, f"Each class folder has its images in a folder {holder!r}; they belong to the class.")
            nested = "into_class"
        found: list[_FolderImage] = []
        reader = _NestedReader(class_folders, problems, nested, is_expected=holder is not None)
        for item in class_folders:
            work.step("Reading the class folders", len(found))
            own = [_FolderImage(path, name, item.raw_class, item.split) for name, path in _own_files(item).items()]
            if not item.folder.num_below and not _has_lists(item.folder):
                problems.warn(item.name, "The folder has no images.", "Put images into it, or remove it.", kind="empty")
            found += own + reader.read(item)
        read = {item.path for item in found}
        for left in (*classes_found.unread, *reader.unread):
            left.report(problems, read)
        if not found and not problems.num_lost:
            raise SourceError("No folder has images in it.", "Put the images of each class into a folder of its own.")
        warn_of_masks((item.name for item in found), problems)
        _warn_of_names(found, problems)
        notes = (*notes, *(_describe_joined(found) if nested == "own_class" else ()))
        names = name_classes((item.raw_class for item in found), problems)
        classes = sort_classes(names.values())
        labels = {name: (kind.make_of_class(index, name),) for index, name in enumerate(classes)}
        images = [FoundImage(item.path, item.name, labels[names[item.raw_class]], item.split) for item in found]
        return Scan(images, tuple(classes), problems, notes)


def _warn_of_names(found: Sequence[_FolderImage], problems: ProblemList) -> None:
    """Warn of a single class whose files are named by several words: these may be the classes."""
    if len({item.raw_class for item in found}) == 1 and (hint := describe_classes_in_names(i.name for i in found)):
        folder = found[0].name.rpartition("/")[0]
        problems.warn(folder, f"All images are in one class. {hint}", SORT_BY_NAME, kind="doubtful_class")


def _describe_joined(found: Sequence[_FolderImage]) -> tuple[str, ...]:
    """Return a note about folders of one name in different places, which became one class."""
    places: dict[str, dict[str, None]] = {}
    for item in found:
        places.setdefault(item.raw_class, {})[item.name.rpartition("/")[0]] = None
    joined = {name: list(folders) for name, folders in places.items() if len(folders) > 1}
    if not joined:
        return ()
    listed = [f"{clean_text(name)} ({', '.join(map(clean_text, where[:3]))})" for name, where in joined.items()]
    more = f"; and {len(listed) - 3:,} more" if len(listed) > 3 else ""
    return (f"Folders of the same name were read as one class: {'; '.join(listed[:3])}{more}.",)


def _has_lists(folder: Folder) -> bool:
    """Say whether a folder has lists of images, such as splits/train.txt, so that it needs no images."""
    return any(find_list_subset(name) is not None for inner in folder.iterate() for name in inner.others)


def _own_files(item: ClassFolder) -> dict[str, Path]:
    """Return the files of a class folder by their names in the source, where a link may have put the folder."""
    files = item.folder.files()
    if item.folder.name == item.name:
        return files
    return {f"{item.name}/{name.rpartition('/')[2]}": path for name, path in files.items()}


def _find_common_holder(class_folders: Sequence[ClassFolder]) -> str | None:
    """Return the name of the one folder in which every class keeps all of its images, such as `images`."""
    holding = [item for item in class_folders if item.folder.num_below]
    names = set()
    for item in holding:
        inner = [folder for folder in item.folder.folders if folder.num_below]
        if item.folder.num_images or len(inner) != 1 or inner[0].num_images != inner[0].num_below:
            return None
        names.add(inner[0].last_name)
    return clean_text(names.pop()) if len(names) == 1 and len({item.raw_class for item in holding}) > 1 else None


class _NestedReader:
    """Reads what lies in folders below a class folder, or names it, as the options say."""

    def __init__(
        self, class_folders: Sequence[ClassFolder], problems: ProblemList, nested: NestedFolders, *, is_expected: bool
    ) -> None:
        self._problems = problems
        self._nested = nested
        self._is_expected = is_expected
        self.unread: list[UnreadFiles] = []
        self._classes = {item.raw_class.casefold() for item in class_folders if item.folder.num_below}

    def read(self, item: ClassFolder) -> list[_FolderImage]:
        """Return the images below the folders of a class folder that have a class."""
        found: list[_FolderImage] = []
        for inner in item.folder.folders:
            for folder in inner.iterate():
                name = f"{item.name}{folder.name[len(item.folder.name) :]}"
                files = {f"{name}/{key.rpartition('/')[2]}": path for key, path in folder.files().items()}
                if not files:
                    continue
                raw_class = folder.last_name if self._nested == "own_class" else item.raw_class
                self._report(item, name, files)
                if self._nested != "leave_out":
                    found += [_FolderImage(path, key, raw_class, item.split) for key, path in files.items()]
        return found

    def _report(self, item: ClassFolder, name: str, files: dict[str, Path]) -> None:
        last = name.rpartition("/")[2]
        is_twin = last.casefold() in self._classes and self._nested != "own_class"
        doubt = f"The folder is named like the class {last!r}, so its images may belong there. " if is_twin else ""
        if self._nested == "leave_out":
            state = f"below the class {item.raw_class!r} and not read"
            fix = _FIX if item.folder.num_images else _CHOOSE
            self.unread.append(UnreadFiles(name, state, fix, "nested_folder", files, doubt))
        elif is_twin and not self._is_expected:
            message = f"{doubt}{count_images(len(files))} read into the class {item.raw_class!r}."
            self._problems.warn(name, message, "Look at them, and move them where they belong.", kind="nested_twin")


FORMAT = ImageFolders()
