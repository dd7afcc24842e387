"""Lists folders of this machine, to choose a source from. Opens no file, follows no link out of the allowed roots."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from app.config import Settings
from app.core.exceptions import ConflictError, ValidationFailedError, invalid_field
from app.core.importing.sources import refuse_workspace
from app.datasets.formats.base import clean_text, is_readable
from app.datasets.formats.layouts.tree import has_image_ending
from app.datasets.formats.layouts.walking import is_junk
from app.datasets.formats.registry import list_formats
from app.regular_files import is_system_folder
from app.schemas.folders import FolderEntry, FolderFile, FolderListing, FolderPlace
from app.typed_paths import TypedPathError, describe_missing, read_typed_path

# Entries that are looked at in one folder, and folders that are listed of it.
MAX_ENTRIES = 50_000
MAX_FOLDERS = 1_000
MAX_FILES = 200
# Counting the images of the folders inside: so many entries of each, and so long for all of them.
MAX_COUNTED = 2_000
LIST_S = 3.0
COUNT_S = 0.5
# A disk that hangs keeps a thread; pages need the others.
MAX_LISTINGS = 4
WAIT_S = 2.0

_MOUNT_FOLDERS = ("/Volumes", "/media", "/run/media", "/mnt")


@dataclass
class _Found:
    """What a folder holds, as far as it was looked through."""

    folders: list[os.DirEntry[str]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    loose_files: list[str] = field(default_factory=list)
    """Files that are mostly something else, such as notes in .txt; they come after the others."""
    image_stems: set[str] = field(default_factory=set)
    num_images: int = 0
    is_complete: bool = True

    def list_files(self) -> list[str]:
        """Return the names of files that can be a source, without the text that tools write for each image."""
        own = (name for name in self.loose_files if os.path.splitext(name)[0] not in self.image_stems)  # noqa: PTH122
        return [*sorted(self.files), *sorted(own)]


class FolderService:
    """Lists folders inside the roots that the settings allow."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._workspace = settings.workspace_root.resolve()
        self._places = threading.BoundedSemaphore(MAX_LISTINGS)

    def list_folder(self, path: str | None) -> FolderListing:
        """Return what lies in a folder, the first root without a path.

        Raises ValidationFailedError for a path that is no folder, lies outside the roots, in the workspace or in a
        folder of the system; ConflictError while too many others are being listed.
        """
        with self._listing():
            roots = find_roots(self._settings)
            folder = self._resolve(path, roots) if path else roots[0]
            root = _root_of(folder, roots)
            found = _scan(folder, MAX_ENTRIES, time.monotonic() + LIST_S)
            files = found.list_files()
            folders = sorted(self._allowed(found.folders, roots), key=lambda entry: entry.name.casefold())
            return FolderListing(
                path=str(folder),
                name=_name(folder),
                parent=str(folder.parent) if folder != root else None,
                crumbs=[_place(part) for part in [*reversed(folder.parents), folder] if part.is_relative_to(root)],
                roots=[_place(each) for each in roots],
                folders=_count_images(folder, folders[:MAX_FOLDERS]),
                files=[FolderFile(name=name, path=str(folder / name)) for name in files[:MAX_FILES]],
                num_images=found.num_images,
                is_complete=found.is_complete and len(folders) <= MAX_FOLDERS and len(files) <= MAX_FILES,
                refusal=refuse_workspace(folder, self._workspace),
            )

    def _resolve(self, text: str, roots: list[Path]) -> Path:
        try:
            path = read_typed_path(text)
            folder = path.resolve(strict=True)
        except TypedPathError as error:
            raise invalid_field("path", str(error)) from error
        except (FileNotFoundError, NotADirectoryError) as error:
            raise invalid_field("path", describe_missing(path)) from error
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise invalid_field("path", f"{text[:200]!r} cannot be opened: {reason}.") from error
        folder = folder if folder.is_dir() else folder.parent
        if not _is_inside(folder, roots):
            shown = ", ".join(map(str, roots))
            msg = f"{str(folder)!r} is outside of the folders that can be browsed: {shown}."
            raise invalid_field("path", f"{msg} You can still type its path.")
        if folder.is_relative_to(self._workspace):
            raise invalid_field("path", "The folder lies inside the workspace; choose one outside of it.")
        if is_system_folder(folder) or not _is_shown_below(_root_of(folder, roots), folder):
            msg = (
                f"{str(folder)!r} is hidden or belongs to the system, so it is not listed. Type its path to import it."
            )
            raise invalid_field("path", msg)
        return folder

    def _allowed(self, entries: list[os.DirEntry[str]], roots: list[Path]) -> Iterator[os.DirEntry[str]]:
        """Yield the folders that can be entered: not the workspace, and no link that leads out of the roots."""
        for entry in entries:
            if not _can_be_shown(entry.name):
                continue
            path = Path(entry.path)
            if path == self._workspace:
                continue
            if _is_link(entry) and not self._is_allowed_target(path, roots):
                continue
            yield entry

    def _is_allowed_target(self, path: Path, roots: list[Path]) -> bool:
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return False
        is_usable = target.is_dir() and _is_inside(target, roots) and not target.is_relative_to(self._workspace)
        return is_usable and _is_shown_below(_root_of(target, roots), target)

    @contextmanager
    def _listing(self) -> Iterator[None]:
        if not self._places.acquire(timeout=WAIT_S):
            raise ConflictError("Other folders are being listed, or a disk is not responding. Try again in a moment.")
        try:
            yield
        finally:
            self._places.release()


def find_roots(settings: Settings) -> list[Path]:
    """Return the folders that can be browsed, resolved: those of the setting, else home, current folder and drives."""
    if settings.browse_roots:
        wanted = [Path(part).expanduser() for part in settings.browse_roots.split(os.pathsep) if part]
    else:
        wanted = [path for path in (_home(), Path.cwd()) if path.parent != path] + _list_drives()
    roots: list[Path] = []
    for path in wanted:
        try:
            root = path.resolve(strict=True)
        except (OSError, RuntimeError):
            continue
        if root.is_dir() and root not in roots:
            roots.append(root)
    if not roots:  # or a service whose home and current folder are the root of the disk
        msg = "There is no folder to browse. Set AI_STUDIO_BROWSE_ROOTS to existing folders, or type the path."
        raise ConflictError(msg)
    return roots


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a service without a home
        return Path.cwd()


def _list_drives() -> list[Path]:
    """Return where other disks are: drives on Windows, else the folders under which they are mounted."""
    if os.name == "nt":
        return [Path(f"{letter}:/") for letter in "CDEFGHIJKLMNOPQRSTUVWXYZ" if Path(f"{letter}:/").is_dir()]
    return [Path(folder) for folder in _MOUNT_FOLDERS if _has_entries(folder)]


def _has_entries(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.is_dir() for entry in entries)
    except OSError:
        return False


def _scan(folder: Path, max_entries: int, ends_at: float) -> _Found:
    """Look through one folder, at most so many entries and so long; raises ValidationFailedError when it is closed."""
    found = _Found()
    endings, loose = _source_endings()
    readable = endings | loose
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= max_entries or time.monotonic() > ends_at:
                    found.is_complete = False
                    break
                if is_junk(entry.name):
                    continue
                if _is_folder(entry):
                    found.folders.append(entry)
                    continue
                stem, ending = os.path.splitext(entry.name)  # noqa: PTH122 - a Path for each costs more
                if has_image_ending(entry.name):
                    found.num_images += 1
                    found.image_stems.add(stem)
                elif ending.lower() in readable and _is_text(entry.name):
                    (found.files if ending.lower() in endings else found.loose_files).append(entry.name)
    except OSError as error:
        raise invalid_field("path", f"{str(folder)!r} cannot be listed: {error.strerror}.") from error
    return found


@cache
def _source_endings() -> tuple[frozenset[str], frozenset[str]]:
    """Return the endings of files that can be a source themselves, and of those that are mostly something else."""
    formats = list_formats().values()
    sure = frozenset(ending for item in formats for ending in item.document_endings) | {".zip"}
    return sure, frozenset(ending for item in formats for ending in item.loose_endings) - sure


def _count_images(folder: Path, entries: list[os.DirEntry[str]]) -> list[FolderEntry]:
    """Return the folders with the number of images in each, as far as a short time goes."""
    ends_at = time.monotonic() + COUNT_S
    listed = []
    for entry in entries:
        count, is_complete = None, True
        if time.monotonic() < ends_at:
            try:
                inner = _scan(folder / entry.name, MAX_COUNTED, ends_at)
                count, is_complete = inner.num_images, inner.is_complete
            except ValidationFailedError:  # it is closed to us, which is said when it is opened
                pass
        listed.append(
            FolderEntry(name=entry.name, path=str(folder / entry.name), num_images=count, is_count_complete=is_complete)
        )
    return listed


def _can_be_shown(name: str) -> bool:
    return not is_junk(name) and _is_text(name)


def _is_text(name: str) -> bool:
    """Say whether a name is one that a page can send back; the others can be imported by the folder above."""
    return clean_text(name) == name and is_readable(name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir() and not _is_hidden_on_windows(entry)
    except OSError:
        return False


def _is_hidden_on_windows(entry: os.DirEntry[str]) -> bool:
    attributes = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0) if os.name == "nt" else 0
    return bool(attributes & stat.FILE_ATTRIBUTE_HIDDEN)


def _is_link(entry: os.DirEntry[str]) -> bool:
    """Say whether it may lead elsewhere; junctions of Windows do and are no symbolic links."""
    return entry.is_symlink() or os.name == "nt"


def _is_inside(path: Path, roots: list[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _is_shown_below(root: Path, folder: Path) -> bool:
    """Say whether one can walk from the root to a folder by what is listed."""
    return all(_can_be_shown(part) for part in folder.relative_to(root).parts)


def _root_of(folder: Path, roots: list[Path]) -> Path:
    """Return the uppermost root that a folder lies in, so that one can go up as far as possible."""
    return min((root for root in roots if folder.is_relative_to(root)), key=lambda root: len(root.parts))


def _place(path: Path) -> FolderPlace:
    return FolderPlace(name=_name(path), path=str(path))


def _name(path: Path) -> str:
    return path.name or str(path)
