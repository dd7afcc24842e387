"""Walks through a source once: which folders hold which image files, other files and links. Decodes nothing.

An image file is one that is named like an image, or begins like one. Whether it can be read is found out later.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

from app.datasets.formats.base import SourceError, shorten
from app.datasets.formats.layouts.walking import is_clutter, is_junk, too_many_entries
from app.datasets.formats.work import Work
from app.regular_files import is_regular_file, is_system_folder, open_regular

# Also of formats that cannot be read: a file that somebody takes for an image must not vanish.
IMAGE_ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif", ".heic"}
    | {".heif", ".hif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".jpf", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico"}
    | {".svg", ".psd", ".exr", ".hdr", ".dcm", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef"}
)
_SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"GIF87a",
    b"GIF89a",
    b"\0\0\0\x0cjP  \r\n",
    b"\xff\x4f\xff\x51",
)
_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis"})
_MAX_DEPTH = 200
_MAX_PEEKED = 1000
# What lies in a folder `runs`: tasks, attempts, and logs by date.
_RUN = re.compile(r"(?i)(detect|segment|classify|pose|obb|(predict|exp)\d*|(train|val|version_)\d+|[a-z]{3}\d\d_.+)")


@dataclass(frozen=True)
class SymbolicLink:
    """A symbolic link and where it leads: a file or folder inside the source, or None for everything else."""

    name: str
    target: Path | None
    is_folder: bool = False

    @property
    def is_image(self) -> bool:
        """Whether it is named like an image."""
        return has_image_ending(self.name)


@dataclass
class Folder:
    """A folder of the source; names are sorted. `name` is its path inside the source, empty for the top."""

    path: Path
    name: str
    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    specials: list[str] = field(default_factory=list)
    links: list[SymbolicLink] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    num_below: int = 0
    """Image files in it and in its folders; links to images count too."""

    @property
    def title(self) -> str:
        """Name for messages."""
        return self.name or self.path.name or str(self.path)

    @property
    def last_name(self) -> str:
        """Last part of its name, with bytes that are no UTF-8 as they are."""
        return self.path.name

    @cached_property
    def image_names(self) -> frozenset[str]:
        """Names of the image files in it, for a quick look-up once all are known."""
        return frozenset(self.images)

    @property
    def num_images(self) -> int:
        """Image files that lie directly in it, with links to some."""
        return len(self.images) + sum(link.target is not None and not link.is_folder for link in self.links)

    def join(self, name: str) -> str:
        """Return the path inside the source of something that lies in this folder."""
        return f"{self.name}/{name}" if self.name else name

    def iterate(self) -> Iterator[Folder]:
        """Yield this folder and all below, each before its own folders."""
        waiting = [self]
        while waiting:
            folder = waiting.pop()
            yield folder
            waiting.extend(reversed(folder.folders))

    def files(self) -> dict[str, Path]:
        """Return the image files that lie directly in it by their name in the source; links lead to their files."""
        found = {self.join(name): self.path / name for name in self.images}
        found.update(
            {self.join(link.name): link.target for link in self.links if link.target is not None and not link.is_folder}
        )
        return dict(sorted(found.items())) if self.links else found

    def files_below(self) -> dict[str, Path]:
        """Return the image files in it and in all folders below."""
        return {name: path for folder in self.iterate() for name, path in folder.files().items()}


@dataclass
class SourceTree:
    """All folders of a source. `hidden` counts the images in hidden and system folders by the folder's name."""

    top: Folder
    by_path: dict[Path, Folder] = field(default_factory=dict)
    hidden: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    """Folders that cannot be listed, with the reason."""
    workspace: str | None = None
    """Name of the folder in which AI Studio keeps its own data, if the source holds it; nothing in it is read."""

    @cached_property
    def files(self) -> dict[str, Path]:
        """All image files by their names in the source."""
        return self.top.files_below()

    @cached_property
    def image_names(self) -> frozenset[str]:
        """The last parts of the names of all image files."""
        return frozenset(name for folder in self.top.iterate() for name in folder.images)

    def has_image(self, path: Path) -> bool:
        """Say whether a path is an image file of the source; links are none."""
        folder = self.by_path.get(path.parent)
        return folder is not None and path.name in folder.image_names


def has_image_ending(name: str) -> bool:
    """Say whether a file is named like an image, in any case of letters."""
    return os.path.splitext(name)[1].lower() in IMAGE_ENDINGS  # noqa: PTH122 - asked for each of a million names


def _is_icloud_placeholder(name: str) -> bool:
    """Say whether a file stands for an image that a Mac has not downloaded: `.photo.jpg.icloud` for `photo.jpg`."""
    return name.startswith(".") and name.endswith(".icloud") and has_image_ending(name[1 : -len(".icloud")])


def _is_of_training(folder: Path, name: str) -> bool:
    """Say whether a folder `runs` holds what a training tool drew: folders by task or attempt, and no images itself."""
    if name.casefold() != "runs":  # first, for it is asked of every file
        return False
    path = folder / name
    if path.is_symlink():
        return False
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in islice(entries, _MAX_PEEKED)]
    except OSError:
        return False
    is_of_runs = any(map(_RUN.fullmatch, names)) or any((path / name / "exp").is_dir() for name in ("train", "val"))
    return is_of_runs and not any(map(has_image_ending, names))


def begins_like_image(path: Path) -> bool:
    """Say whether the first bytes of a file are those of an image, of a format that can be read or not."""
    try:
        with open_regular(path) as file:
            start = file.read(16)
    except OSError:
        return False
    if start.startswith(_SIGNATURES):
        return True
    if start[:2] == b"BM":
        return start[6:10] == b"\0\0\0\0"  # reserved; a text that begins with BM has letters there
    return (start[:4] == b"RIFF" and start[8:12] == b"WEBP") or (start[4:8] == b"ftyp" and start[8:12] in _BRANDS)


def read_tree(root: Path, work: Work) -> SourceTree:
    """Return what lies below a resolved folder; links are named and never followed outside.

    Walks once per reading and folder. Raises SourceError when the folder itself cannot be listed, LimitError for more
    files or folders than an import may have.
    """
    if root not in work.trees:
        work.trees[root] = _Walk(root, work).run()
    return work.trees[root]


class _Walk:
    """One walk through a source."""

    def __init__(self, root: Path, work: Work) -> None:
        self._root = root
        self._work = work
        self._tree = SourceTree(Folder(root, ""))
        self._num_files = self._num_folders = 0

    def run(self) -> SourceTree:
        waiting = [self._tree.top]
        order: list[Folder] = []
        while waiting:
            folder = waiting.pop()
            self._tree.by_path[folder.path] = folder
            order.append(folder)
            self._list(folder)
            waiting.extend(folder.folders)
        for folder in reversed(order):
            folder.num_below = folder.num_images + sum(inner.num_below for inner in folder.folders)
        return self._tree

    def _list(self, folder: Folder) -> None:
        doing = f"Listing the folder {shorten(folder.title, 40)!r}"
        self._work.step(doing, self._num_files)
        if folder.name.count("/") >= _MAX_DEPTH:
            self._tree.unreadable[folder.name] = "it lies too deep"
            return
        if is_system_folder(folder.path):
            self._tree.unreadable[folder.name] = "it belongs to the system"
            return
        try:
            with os.scandir(folder.path) as entries:
                for entry in entries:
                    self._count(doing, is_folder=entry.is_dir(follow_symlinks=False))
                    self._take(folder, entry)
        except OSError as error:
            if folder is self._tree.top:
                msg = f"The folder {folder.path.name!r} cannot be read: {error.strerror}."
                raise SourceError(msg, "Check the path and its permissions.") from error
            self._tree.unreadable[folder.name] = error.strerror or str(error)
        for names in (folder.images, folder.others, folder.specials):
            names.sort()
        folder.links.sort(key=lambda link: link.name)
        folder.folders.sort(key=lambda inner: inner.name)

    def _count(self, doing: str, *, is_folder: bool = False) -> None:
        most = self._work.limits.max_entries
        self._num_folders += is_folder
        self._num_files += not is_folder
        if max(self._num_files, self._num_folders) > most:
            raise too_many_entries(f"The folder {self._root.name!r} has", most)
        self._work.step(doing, self._num_files)

    def _take(self, folder: Folder, entry: os.DirEntry[str]) -> None:
        name = entry.name
        if self._work.is_workspace(folder.path, name):
            self._tree.workspace = folder.join(name)
        elif _is_icloud_placeholder(name) and entry.is_file(follow_symlinks=False):
            folder.images.append(name)  # an image that is still missing, which its content says
        elif is_junk(name) or _is_of_training(folder.path, name):
            self._count_hidden(folder, entry)
        elif entry.is_symlink():
            self._take_link(folder, entry)
        elif entry.is_dir(follow_symlinks=False):
            folder.folders.append(Folder(folder.path / name, folder.join(name)))
        elif not entry.is_file(follow_symlinks=False):
            folder.specials.append(name)
        elif has_image_ending(name) or begins_like_image(folder.path / name):
            folder.images.append(name)
        else:
            folder.others.append(name)

    def _take_link(self, folder: Folder, entry: os.DirEntry[str]) -> None:
        try:
            target = Path(entry.path).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):  # it leads nowhere, or in a circle
            folder.links.append(SymbolicLink(entry.name, None))
            return
        is_inside = target.is_relative_to(self._root) and not self._work.is_own(target, self._root)
        if is_inside and target.is_dir() and not Path(entry.path).is_relative_to(target):
            folder.links.append(SymbolicLink(entry.name, target, is_folder=True))
        elif is_inside and is_regular_file(target):
            if has_image_ending(entry.name) or begins_like_image(target):
                folder.links.append(SymbolicLink(entry.name, target))
            else:
                folder.others.append(entry.name)
        else:
            folder.links.append(SymbolicLink(entry.name, None))

    def _count_hidden(self, folder: Folder, entry: os.DirEntry[str]) -> None:
        """Count the images of a folder that is not read, by their names; nothing in it is opened."""
        if entry.is_symlink() or (is_clutter(entry.name) and not entry.is_dir(follow_symlinks=False)):
            return
        if not entry.is_dir(follow_symlinks=False):
            number = int(has_image_ending(entry.name) and begins_like_image(folder.path / entry.name))
        else:
            number = 0
            for _, _, names in os.walk(entry.path):
                for name in names:
                    self._count(f"Listing the folder {shorten(entry.name, 40)!r}")
                    number += has_image_ending(name) and not is_clutter(name)
        if number:
            key = folder.join(entry.name)
            self._tree.hidden[key] = self._tree.hidden.get(key, 0) + number
