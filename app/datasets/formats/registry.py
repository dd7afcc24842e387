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
from app.datasets.formats.walking import list_folder
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions


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


def detect_format(root: Path, allowed: Sequence[str], options: ImportOptions, work: Work) -> ImportFormat:
    """Return the first of the allowed formats that matches a resolved folder; raises SourceError when none does."""
    usable = [item for name, item in list_formats().items() if name in allowed]
    for item in usable:
        if item.is_match(root, options, work):
            return item
    folders, files = list_folder(root, work)
    if not folders and not files:
        raise SourceError("The folder is empty.", "Choose a folder with images in it.")
    kinds = "; ".join(f"{item.name}: {item.title}" for item in usable)
    msg = f"No known format was found in {len(files)} files and {len(folders)} folders."
    raise SourceError(msg, f"Arrange the data as one of these. {kinds}.")
