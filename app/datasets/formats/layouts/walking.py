"""Finds files under a root and keeps every path from outside inside of it. Knows nothing of images or annotations.

`resolve_inside` is the one place in which a name from a document becomes a path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from app.datasets.formats.base import SourceError, shorten
from app.datasets.formats.work import LimitError, Work
from app.regular_files import is_regular_file

_CLUTTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", "icon\r", "__macosx"})
# Recycle bins, indexes and previews that systems, network drives and notebooks keep beside the user's own folders.
_SYSTEM = frozenset(
    {"$recycle.bin", "#recycle", "@recycle", "system volume information", "lost+found", "lost.dir"}
    | {"@eadir", "@recently-snapshot", "#snapshot", "__pycache__", "temporary items", "network trash folder"}
    | {
        "@__thumb",
        "@sharebin",
        "@tmp",
        "~snapshot",
        "$windows.~bt",
        "$winreagent",
        "$sysreset",
        "config.msi",
        "msocache",
    }
    | {"node_modules", "site-packages"}  # what programs bring along
    | {"_gsdata_", "thevolumesettingsfolder", "windowsimagebackup"}
)
_REPAIRED = re.compile(r"found\.[0-9]{3}")  # what chkdsk saved of a damaged disk, a folder for each time it ran
# Bins of older versions of Windows, which always wrote them in capitals; in other letters it may be a class.
_SYSTEM_CAPITALS = frozenset({"RECYCLER", "RECYCLED"})
# The longest path that Linux takes.
MAX_NAME_CHARACTERS = 4096
_DRIVE = re.compile(r"^[A-Za-z]:")


def is_clutter(name: str) -> bool:
    """Say whether a file or folder holds nothing of the user's: what an operating system leaves beside each file."""
    return name.startswith("._") or name == ".DS_Store" or name.casefold() in _CLUTTER


def is_junk(name: str) -> bool:
    """Say whether a file or folder is not to be read: hidden, or left behind by an operating system."""
    return name.startswith(".") or _is_system(name)


def _is_system(name: str) -> bool:
    folded = name.casefold()
    is_known = folded in _CLUTTER or folded in _SYSTEM or _REPAIRED.fullmatch(folded) is not None
    return is_known or name in _SYSTEM_CAPITALS


def resolve_inside(root: Path, name: str) -> Path:
    """Return the resolved path of a name inside a resolved root; it need not exist.

    Raises SourceError for an absolute name, one with `..` or a NUL, and for a symbolic link that leads outside.
    """
    return _resolve(root, split_name(name), name)


def split_name(name: str) -> list[str]:
    """Return the parts of a name that stays inside by its letters; raises SourceError for any other."""
    if len(name) > MAX_NAME_CHARACTERS:  # before it is taken apart, which may cost fifty times its size
        msg = f"The file {shorten(name)!r} does not exist: no name can have its {len(name):,} characters."
        raise SourceError(msg, "Rename the file.")
    parts = name.replace("\\", "/").split("/")
    if not name.strip() or any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise SourceError("The file name is empty or has characters that no file name has.", "Write a plain file name.")
    if parts[0] == "" or _DRIVE.match(name):
        msg = f"The name {shorten(name)!r} is absolute."
        raise SourceError(msg, "Write the name relative to the folder that is imported.")
    if ".." in parts:
        msg = f"The name {shorten(name)!r} leads out of its folder with '..'."
        raise SourceError(msg, "Write the name without '..', and put the file inside the folder that is imported.")
    return parts


def _resolve(root: Path, parts: Sequence[str], name: str) -> Path:
    try:
        path = root.joinpath(*parts).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, or a name longer than any file's
        msg = f"The name {shorten(name)!r} is not a usable path."
        raise SourceError(msg, "Rename the file.") from error
    if not path.is_relative_to(root):
        msg = f"The name {shorten(name)!r} is a link that leads out of the imported folder."
        raise SourceError(msg, "Put the file itself there instead of a link to it.")
    return path


def find_file(root: Path, folders: Sequence[str], name: str) -> Path | None:
    """Return the regular file of this name in the first of some folders of the root, or None.

    Raises SourceError as resolve_inside does.
    """
    parts = split_name(name)
    for folder in folders:
        place = [*folder.split("/"), *parts] if folder else parts
        if _is_missing(os.path.join(root, *place)):  # noqa: PTH118 - a Path costs more than the look at the disk
            continue
        path = _resolve(root, place, name)
        if is_regular_file(path):
            return path
    return None


def _is_missing(path: str) -> bool:
    """Say whether nothing at all has this name; links are not followed, so this is no look outside of the root."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False  # what is wrong with it is said by whoever resolves it
    return False


def list_folder(folder: Path, work: Work) -> tuple[list[Path], list[Path]]:
    """Return the folders and the other entries of a folder, each sorted by name, without junk.

    Raises SourceError when the folder cannot be read, LimitError when it has more entries than an import may have.
    """
    folders: list[str] = []
    files: list[str] = []
    most = work.limits.max_entries
    doing = f"Listing the folder {shorten(folder.name, 40)!r}"
    work.step(doing, 0)  # there may be very many folders with nothing in them
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries, start=1):
                if number > most:
                    raise too_many_entries(f"The folder {folder.name!r} has", most)
                work.step(doing, number)
                if not is_junk(entry.name) and not work.is_workspace(folder, entry.name):
                    (folders if _is_folder(entry) else files).append(entry.name)
    except OSError as error:
        msg = f"The folder {folder.name!r} cannot be read: {error.strerror}."
        raise SourceError(msg, "Check the path and its permissions.") from error
    return [folder / name for name in sorted(folders)], [folder / name for name in sorted(files)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def too_many_entries(what: str, most: int) -> LimitError:
    """Return the error for a source that has more than an import may read, e.g. of "The table has"."""
    return LimitError(f"{what} more than {most:,} entries.", "Import a part of it, or raise AI_STUDIO_MAX_ENTRIES.")


def find_documents(root: Path, endings: Sequence[str], work: Work, folders: Sequence[str] = ("",)) -> list[str]:
    """Return the names inside the root of all ordinary files with one of some endings in some of its folders.

    The folders are given in lower case and found in any: people write `Annotations` as well.
    """
    found = []
    inner, files = list_folder(root, work)
    for folder in folders:
        if not folder:
            found += [path.name for path in files if path.suffix.lower() in endings]
        for place in (path for path in inner if path.name.casefold() == folder and _leads_inside(root, path)):
            names = [path.name for path in list_folder(place, work)[1] if path.suffix.lower() in endings]
            found += [f"{place.name}/{name}" for name in names]
    documents = []
    for number, name in enumerate(found):
        work.step("Looking for annotation files", number, len(found))
        if is_inside_file(root, name):
            documents.append(name)
    return documents


def _leads_inside(root: Path, folder: Path) -> bool:
    try:
        return folder.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a loop of links
        return False


def is_inside_file(root: Path, name: str) -> bool:
    """Say whether a name is an ordinary file that lies inside the root, links followed."""
    try:
        return is_regular_file(resolve_inside(root, name))
    except SourceError:
        return False


def choose_document(root: Path, found: Sequence[str], chosen: str | None, what: str) -> Path:
    """Return the annotation file that the user chose, or the only one; raises SourceError for none or several."""
    if chosen is not None:
        path = resolve_inside(root, chosen)
        if not is_regular_file(path):
            msg = f"There is no file {shorten(chosen)!r} in the source."
            raise SourceError(msg, f"Choose one of: {', '.join(found[:10]) or 'none is there'}.")
        return path
    if not found:
        msg = f"There is no {what} in the source."
        raise SourceError(msg, f"Put the {what} into the top folder, or choose another format.")
    if len(found) > 1:
        msg = f"Several files could be the {what}: {', '.join(found[:10])}."
        raise SourceError(msg, "Choose the one to read (option annotation_file).")
    return resolve_inside(root, found[0])
