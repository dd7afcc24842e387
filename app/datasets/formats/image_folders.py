"""Images in one folder per class, also below train/val/test folders, which then become a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from app.datasets.formats.base import FoundImage, ProblemList, Scan, SourceError, clean_text, sort_classes, subset_of
from app.datasets.formats.walking import list_files, list_folder, too_many_entries
from app.datasets.formats.work import Work
from app.datasets.images import looks_like_image
from app.datasets.table import Label
from app.schemas.datasets import ImportOptions, SplitValue
from app.schemas.tasks import AnnotationKind

_MAX_PEEKED_FILES = 20


@dataclass(frozen=True)
class _Group:
    """A folder of images of one class."""

    folder: Path
    class_name: str
    split: SplitValue | None


@dataclass(frozen=True)
class ImageFolders:
    """The format `image_folders`."""

    name: str = "image_folders"
    title: str = "one folder of images per class, also below train, val and test"
    rank: int = 80
    document_endings: tuple[str, ...] = ()
    annotation_kinds: frozenset[AnnotationKind] = frozenset({"label"})

    def is_match(self, root: Path, options: ImportOptions, work: Work) -> bool:
        """Say whether there are images in the folder, or one or two levels below it."""
        folders, files = list_folder(root, work)
        inner = chain.from_iterable(list_folder(folder, work)[0] for folder in folders if subset_of(folder))
        places = chain([files], (list_folder(folder, work)[1] for folder in chain(folders, inner)))
        return any(looks_like_image(path) for place in places for path in islice(place, _MAX_PEEKED_FILES))

    def scan(self, root: Path, annotation_kind: AnnotationKind, options: ImportOptions, work: Work) -> Scan:
        """List the files of every class folder."""
        problems = work.new_problems()
        groups, notes = _find_groups(root, problems, work)
        listed, num_files = [], 0
        for group in groups:
            files = list(list_files(root, group.folder, problems, work))
            num_files += len(files)
            if num_files > work.limits.max_entries:
                raise too_many_entries("The folder has", work.limits.max_entries)
            listed.append((group, files))
        for group, files in listed:
            if not files:
                name = group.folder.relative_to(root).as_posix()
                problems.warn(name, "The folder has no images.", "Put images into it, or remove it.")
        classes = sort_classes(group.class_name for group, files in listed if files)
        labels = {name: (Label(index, name),) for index, name in enumerate(classes)}
        images = [
            FoundImage(path, name, labels[group.class_name], group.split)
            for group, files in listed
            for path, name in files
        ]
        if not images:
            raise SourceError("No folder has images in it.", "Put the images of each class into a folder of its own.")
        return Scan(images, tuple(classes), problems, notes)


def _find_groups(root: Path, problems: ProblemList, work: Work) -> tuple[list[_Group], tuple[str, ...]]:
    folders, files = list_folder(root, work)
    _report_loose_images(root, files, problems, work)
    is_divided = any(subset_of(folder) == "train" and list_folder(folder, work)[0] for folder in folders)
    if not folders:
        msg = "The images lie directly in the folder." if files else "The folder is empty."
        raise SourceError(msg, "Put the images of each class into a folder that has the name of the class.")
    if not is_divided:
        return [_Group(folder, clean_text(folder.name), None) for folder in folders], ()
    groups: list[_Group] = []
    for folder in folders:
        split = subset_of(folder)
        if split is None:
            problems.warn(
                folder.name, "The folder lies beside train, val and test and is not read.", "Move or remove it."
            )
            continue
        class_folders, loose = list_folder(folder, work)
        _report_loose_images(root, loose, problems, work)
        groups += [_Group(path, clean_text(path.name), split) for path in class_folders]
    return groups, ("The folders train, val and test became the split 'original'.",)


def _report_loose_images(root: Path, files: Sequence[Path], problems: ProblemList, work: Work) -> None:
    for number, path in enumerate(files):
        work.step("Looking for images beside the class folders", number, len(files))
        if looks_like_image(path):
            name = path.relative_to(root).as_posix()
            problems.add(name, "The image lies beside the class folders.", "Move it into the folder of its class.")


FORMAT = ImageFolders()
