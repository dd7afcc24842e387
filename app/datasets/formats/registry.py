"""Finds the import formats: every module of this package that has a constant `FORMAT`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import cast

import app.datasets.formats
from app.datasets.formats.base import ImportFormat, SourceError, shorten
from app.datasets.formats.layouts.tool_layouts import find_tool_layout
from app.datasets.formats.layouts.tree import read_tree
from app.datasets.formats.report.accounting import list_file_names
from app.datasets.formats.report.unread_kinds import MAX_OPENED, find_unread_kinds
from app.datasets.formats.work import Work
from app.plurals import count


def index_formats(formats: Iterable[ImportFormat]) -> Mapping[str, ImportFormat]:
    """Return formats by name in the order of detection; raises ValueError when two share a name."""
    found: dict[str, ImportFormat] = {}
    for item in sorted(formats, key=lambda entry: (entry.rank, entry.name)):
        if item.name in found:
            msg = f"Two import formats have the name {item.name!r}."
            raise ValueError(msg)
        found[item.name] = item
    return MappingProxyType(found)


@cache
def list_formats() -> Mapping[str, ImportFormat]:
    """Return every format by its name, in the order of detection."""
    package = app.datasets.formats
    modules = (
        importlib.import_module(f"{package.__name__}.{item.name}") for item in pkgutil.iter_modules(package.__path__)
    )
    return index_formats(cast("ImportFormat", module.FORMAT) for module in modules if hasattr(module, "FORMAT"))


def get_format(name: str, allowed: Sequence[str]) -> ImportFormat:
    """Return a format by name; raises SourceError when it does not exist or is none of those allowed."""
    usable = [known for known in list_formats() if known in allowed]
    if name not in usable:
        msg = f"The format {shorten(name)!r} cannot be imported here."
        raise SourceError(msg, f"Choose one of: {', '.join(usable)}.")
    return list_formats()[name]


def list_usable(allowed: Sequence[str]) -> list[ImportFormat]:
    """Return the allowed formats in the order of detection."""
    return [item for name, item in list_formats().items() if name in allowed]


def describe_unknown(root: Path, usable: Sequence[ImportFormat], work: Work) -> SourceError:
    """Return the error for a folder that no format matches, with what was found in it."""
    tree = read_tree(root, work)
    top = tree.top
    if not top.folders and not top.num_images and not top.others and not top.links and not top.specials:
        return SourceError("The folder is empty.", "Choose a folder with images in it.")
    layout = find_tool_layout(tree)
    if layout is not None:
        return SourceError(layout.message, layout.fix)
    folders = list(top.iterate())
    others = {folder.join(file): folder.path / file for folder in folders for file in folder.others}
    first = list_file_names(list(others))
    if not top.num_below and first:
        return _refuse_others(others, first)
    images = {folder.join(file): folder.path / file for folder in folders for file in folder.images}
    refusal = _refuse_unread(images)
    if refusal is not None:
        return refusal
    num_files = len(images) + len(others)
    msg = f"No usable format was found in {count(num_files, 'file')} and {count(len(folders) - 1, 'folder')}."
    if first:
        msg += f" Other files there: {first}."
    titles = "; or ".join(item.title for item in usable)
    return SourceError(msg, f"Arrange the files in this way: {titles}.")


def _refuse_others(others: Mapping[str, Path], first: str) -> SourceError:
    """Return the error for a source without image files; `first` names some of its files."""
    msg = f"There is no image file in the folder, only {count(len(others), 'other file')}: {first}."
    kinds = find_unread_kinds(others)
    if not kinds:
        return SourceError(
            msg, "Choose the folder that holds the images. A table is read with the files that it names."
        )
    kind, unread = max(kinds.items(), key=lambda item: len(item[1]))
    which = "It is" if len(others) == 1 else "Each is" if len(unread) == len(others) else f"{unread[0]} is"
    return SourceError(f"{msg} {which} {kind.what}.", kind.fix)


def _refuse_unread(images: Mapping[str, Path]) -> SourceError | None:
    """Return the error for files with endings of images that all hold one kind that is not read, such as DICOM."""
    kinds = find_unread_kinds(images)
    if len(kinds) != 1:
        return None
    ((kind, names),) = kinds.items()
    if len(names) < min(len(images), MAX_OPENED):
        return None
    first = list_file_names(list(images))
    if len(images) == 1:
        return SourceError(f"There is only 1 image file, and it cannot be read: {first}. It is {kind.what}.", kind.fix)
    return SourceError(f"None of the {len(images):,} image files can be read: {first}. Each is {kind.what}.", kind.fix)
