"""Finds the folder that is read: the one a user points at, one inside of it, or the one around an annotation file."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.datasets.formats.archives.kinds import FIX, find_other_archive
from app.datasets.formats.base import SourceError, clean_text, subset_of
from app.datasets.formats.layouts.tool_layouts import HOLDERS, find_tool_layout
from app.datasets.formats.layouts.tree import Folder, begins_like_image, has_image_ending, read_tree
from app.datasets.formats.layouts.walking import find_documents, is_inside_file, is_junk, list_folder
from app.datasets.formats.registry import list_formats, list_usable
from app.datasets.formats.report.accounting import list_file_names
from app.datasets.formats.work import Work
from app.regular_files import is_system_folder
from app.schemas.datasets import ImportOptions

if TYPE_CHECKING:
    from app.datasets.formats.source import Source

_MAX_UNWRAPPED = 32
_MAX_OUTER = 2
# Folders that people and tools put annotation files into.
_DOCUMENT_HOLDERS = frozenset(
    {"annotations", "annotation", "labels", "label", "meta", "metadata", "csv", "json", "tables", "table", "coco"}
    | {"splits", "lists", "docs"}
)
_DOCUMENT_FOLDERS = ("", "annotations")


def find_root(source: Source) -> tuple[Path, ImportOptions, str | None]:
    """Return the resolved folder, the options, and the format that the ending of an annotation file asks for."""
    try:
        path = source.path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        msg = f"{source.path.name!r} does not exist or cannot be reached."
        raise SourceError(msg, "Check the path; it is a path on the machine that runs AI Studio.") from error
    if is_system_folder(path):
        msg = f"{path.name!r} belongs to the system: it shows the state of the machine and holds no files."
        raise SourceError(msg, "Choose the folder that holds the images.")
    if path.is_dir():
        return _unwrap(path, source), source.options, None
    endings = [*_document_endings(), *(ending for item in list_formats().values() for ending in item.loose_endings)]
    if not path.is_file() or path.suffix.lower() not in endings:
        if archive := find_other_archive(path):
            msg = f"{path.name!r} is a {archive}, which cannot be read."
            raise SourceError(msg, FIX)
        named = ", ".join(dict.fromkeys(endings))
        msg = f"{path.name!r} is neither a folder, nor a zip, nor an annotation file ({named})."
        raise SourceError(msg, "Choose the folder that holds the images.")
    root = _find_folder_of_images(path, source.work)
    chosen = source.options.annotation_file  # another one of the same folder, which a report offers
    name = chosen if chosen and is_inside_file(root, chosen) else path.relative_to(root).as_posix()
    options = source.options.model_copy(update={"annotation_file": name})
    return root, options, find_format(root, options, source)


def _find_folder_of_images(document: Path, work: Work) -> Path:
    """Return the folder of an annotation file, or the one around it where its images lie beside, as in annotations/.

    A folder that may hold anything, such as the user's own, is never read.
    """
    inner = document.parent
    if read_tree(inner, work).top.num_below:
        return inner
    for _ in range(_MAX_OUTER):
        outer = inner.parent
        is_of_documents = inner.name.casefold() in _DOCUMENT_HOLDERS
        if outer == inner or outer in _find_own_folders() or is_system_folder(outer):
            break
        for folder in list_folder(outer, work)[0]:
            if folder == inner or folder.is_symlink() or is_system_folder(folder):
                continue
            is_likely = folder.name.casefold() in HOLDERS or subset_of(folder) is not None
            if (is_likely or is_of_documents) and read_tree(folder, work).top.num_below:
                return outer
        if not is_of_documents:
            break
        inner = outer
    return document.parent


def _find_own_folders() -> tuple[Path, ...]:
    """Return folders of this machine that hold much besides one dataset."""
    own = [Path(tempfile.gettempdir())]
    with contextlib.suppress(RuntimeError):  # a service without a home
        own.append(Path.home())
    return tuple(folder for path in own for folder in (path.resolve(), Path(path.anchor)))


def find_format(root: Path, options: ImportOptions, source: Source) -> str | None:
    """Return the allowed format that reads the chosen annotation file, by its content where several may by its ending.

    Where none fits, the first that reads files of this ending at all: its refusal says what is wrong.
    """
    ending = Path(options.annotation_file or "").suffix.lower()
    usable = [
        item
        for item in list_usable(source.allowed_formats)
        if ending in (*item.document_endings, *item.loose_endings) and item.name in source.kind.formats
    ]
    fitting = [item.name for item in usable if len(usable) == 1 or item.is_match(root, options, source.work)]
    named = [*fitting, *(item.name for item in usable)]
    return named[0] if named else _document_endings().get(ending)


def _document_endings() -> dict[str, str]:
    """Return for each ending of an annotation file the first format that reads it."""
    found: dict[str, str] = {}
    for name, item in list_formats().items():
        for ending in item.document_endings:
            found.setdefault(ending, name)
    return found


def _unwrap(root: Path, source: Source) -> Path:
    """Return the folder inside when nothing else is there to read: what packing a folder makes, also with a README.

    A lone class is left alone, and so is a folder with an annotation file beside its images.
    """
    for _ in range(_MAX_UNWRAPPED):
        folders, files = list_folder(root, source.work)
        if not folders or any(has_image_ending(path.name) or begins_like_image(path) for path in files):
            return root
        if any(folder.is_symlink() or subset_of(folder) for folder in folders) or _has_document(root, source):
            return root
        inner = _find_lone_folder(root, folders, source)
        if inner is None:
            return root
        root = inner
    return root


def _find_lone_folder(root: Path, folders: Sequence[Path], source: Source) -> Path | None:
    """Return the only folder with images below it, when it holds folders of images or an annotation file."""
    tree = read_tree(root, source.work)
    holding = [folder for folder in tree.top.folders if folder.num_below]
    if len(holding) != 1 or find_tool_layout(tree) is not None:
        return None
    (folder,) = holding
    if len(folders) > 1:
        return folder.path if _count_inner(folder) > 1 and not folder.num_images else None
    has_document = any(Path(name).suffix.lower() in _document_endings() for name in folder.others)
    return folder.path if has_document or _is_wrapper(folder) else None


def _is_wrapper(folder: Folder) -> bool:
    """Say whether most images lie in folders inside: then the folder is no class that has a few folders besides."""
    return _count_inner(folder) > 0 and folder.num_images < folder.num_below - folder.num_images


def _count_inner(folder: Folder) -> int:
    return sum(bool(inner.num_below) for inner in folder.folders)


def _has_document(root: Path, source: Source) -> bool:
    """Say whether a file of a folder, or of its folder `annotations`, is an annotation file of a usable format."""
    if not find_documents(root, tuple(_document_endings()), source.work, _DOCUMENT_FOLDERS):
        return False
    formats = [item for item in list_usable(source.allowed_formats) if item.document_endings]
    return any(item.is_match(root, source.options, source.work) for item in formats)


def list_beside(path: Path, root: Path, work: Work) -> list[str]:
    """Return a note about what lies around the folder that is read."""
    names: list[str] = []
    outer = path.resolve()
    while outer != root and outer.is_dir() and root.is_relative_to(outer):
        inner = outer / root.relative_to(outer).parts[0]
        folders, files = list_folder(outer, work)
        here = [*files, *(folder for folder in folders if folder != inner)]
        names += [item.relative_to(path.resolve()).as_posix() for item in here if not is_junk(item.name)]
        outer = inner
    if outer.is_file() and outer.parent != root:
        where = clean_text(outer.parent.relative_to(root).as_posix())
        return [f"Read from {clean_text(root.name)}, because there are no images in {where}."]
    if not names:
        return []
    place = clean_text(root.relative_to(path.resolve()).as_posix())
    return [f"Read from {place}. Beside it lie: {list_file_names(names)}."]
