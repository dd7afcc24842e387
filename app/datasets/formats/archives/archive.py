"""Unpacks a zip from a stranger. Nothing that its directory says is believed: names, kinds, sizes, order.

Every entry is either written in full, as an ordinary file inside the target, or reported by name with nothing left.
"""

from __future__ import annotations

import errno
import stat
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from app.datasets.formats.archives.kinds import FIX, find_other_archive, name_archive
from app.datasets.formats.archives.name_encodings import TITLES, decode_name, find_encoding
from app.datasets.formats.archives.zip_directory import (
    DEFLATED,
    LOCAL_HEADER_BYTES,
    STORED,
    BadEntry,
    DamagedEntryError,
    DirectoryError,
    ZipEntry,
    has_header,
    read_directory,
    read_entry,
)
from app.datasets.formats.base import SourceError, clean_text, shorten
from app.datasets.formats.layouts.tree import has_image_ending
from app.datasets.formats.layouts.walking import is_clutter, is_junk, resolve_inside
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.work import LimitError, Work
from app.plurals import name_first
from app.regular_files import open_regular

_RATIO_FREE_BYTES = 1 << 20  # a ratio says nothing about what is this small
_MAX_PART_BYTES = 240
_MAX_DEPTH = 32
_MAX_NAMED = 5
_METHODS = frozenset({STORED, DEFLATED})
_ENCRYPTED_BITS = 0x1 | 0x40 | 0x2000
# What a file system answers to a name that it cannot hold; anything else is a failure of the disk.
_BAD_NAME_ERRORS = frozenset(
    {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
)
_UNPACKING = "Unpacking"


class _EntryError(ValueError):
    """An entry is not unpacked; `fix` says what to do about it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


def extract_zip(path: Path, target: Path, work: Work) -> ProblemList:
    """Unpack the ordinary files of a zip into an existing directory and return what was refused.

    Raises SourceError when the file is no zip or the whole of it breaks a limit, and OSError when the target cannot be
    written.
    """
    problems = work.new_problems()
    root = target.resolve()
    try:
        file = open_regular(path)
    except OSError as error:
        raise _not_usable(error.strerror or str(error)) from error
    with file:
        named = _decode_names(_read_entries(path, file, work, problems), problems)
        entries = [entry for entry in named if not _is_junk(entry)]
        accepted = _accept(file, entries, root, work, problems)
        if not accepted and not problems.num_problems:
            msg = f"The zip {path.name!r} has no files in it."
            raise SourceError(msg, "Choose a zip with images in it, or pack the folder again.")
        if not problems.num_lost:
            _refuse_archive_of_archives(accepted, entries)
        _check_declared_size(accepted, work)
        budget = _Budget(work, len(accepted))
        for done, entry in enumerate(accepted):
            budget.done = done
            budget.spend(0)
            try:
                _extract(file, entry, root, budget)
            except _EntryError as error:
                _refuse(problems, _given_name(entry), error.message, error.fix)
        work.step(_UNPACKING, len(accepted), len(accepted))
    return problems


def _read_entries(path: Path, file: BinaryIO, work: Work, problems: ProblemList) -> list[ZipEntry]:
    """Return the entries that can be read; report the others."""
    entries: list[ZipEntry] = []
    most = work.limits.max_entries
    try:
        for number, entry in enumerate(read_directory(file), start=1):
            work.step("Reading the directory of the zip", number)
            if number > most:
                msg = f"The archive has more than {most:,} entries."
                raise LimitError(msg, "Divide it into several archives, or raise AI_STUDIO_MAX_ENTRIES.")
            if isinstance(entry, BadEntry):
                _refuse(problems, entry.name, entry.reason, "Pack the file again.")
            else:
                entries.append(entry)
    except DirectoryError as error:
        if other := find_other_archive(path):
            msg = f"{path.name!r} is a {other}, which cannot be read."
            raise SourceError(msg, FIX) from error
        raise _not_usable(str(error)) from error
    except OSError as error:
        raise _not_usable(error.strerror or str(error)) from error
    return entries


def _decode_names(entries: list[ZipEntry], problems: ProblemList) -> list[ZipEntry]:
    """Return the entries with their names in the one encoding that fits those of which it is not stated."""
    unstated = [entry.raw_name for entry in entries if not entry.has_stated_encoding]
    if not unstated:
        return entries
    encoding = find_encoding(unstated)
    example = shorten(decode_name(unstated[0], encoding))
    problems.notes.append(
        f"The zip does not state the encoding of its names; they are read as {TITLES[encoding]}, e.g. {example!r}."
    )
    return [
        entry if entry.has_stated_encoding else entry._replace(name=decode_name(entry.raw_name, encoding))
        for entry in entries
    ]


def _refuse(problems: ProblemList, name: str, message: str, fix: str) -> None:
    """Report an entry that is not unpacked; an image is lost by it when the name is that of one."""
    problems.add(name, message, fix, kind="archive_entry", num_images=int(has_image_ending(name)))


class _Budget:
    """Counts the bytes that were written to disk, whatever the archive says."""

    def __init__(self, work: Work, num_entries: int) -> None:
        self.max_ratio = work.limits.max_ratio
        self.done = 0
        self._work = work
        self._num_entries = num_entries
        self._left = self._total = work.limits.max_total_bytes

    def spend(self, num_bytes: int) -> None:
        """Count bytes; raises SourceError when there are more of them than the limit allows, or the work is to end."""
        self._work.step(_UNPACKING, self.done, self._num_entries)
        self._left -= num_bytes
        if self._left < 0:
            raise _too_large(self._total)


class _Names:
    """The names unpacked so far, as the least distinguishing file system sees them."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._folders: set[str] = set()

    def take(self, name: str) -> None:
        """Take a name; raises _EntryError when it is the same as an earlier one, or the folder of one."""
        keys = [unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold()) for part in name.split("/")]
        whole = "/".join(keys)
        folders = {"/".join(keys[:depth]) for depth in range(1, len(keys))}
        earlier = self._files.get(whole)
        if earlier == name:
            raise _EntryError("The same name is in the archive already.", "Rename one of the files.")
        if earlier is not None:
            msg = f"Some systems cannot tell the name from {clean_text(earlier)!r}, which is in the archive already."
            raise _EntryError(msg, "Rename one of the files.")
        # Not isdisjoint(), which would go through every file that there is so far.
        if whole in self._folders or any(folder in self._files for folder in folders):
            raise _EntryError("A file and a folder have the same name.", "Rename one of them.")
        self._files[whole] = name
        self._folders |= folders


def _accept(
    file: BinaryIO, entries: Sequence[ZipEntry], root: Path, work: Work, problems: ProblemList
) -> list[ZipEntry]:
    """Return the files that may be unpacked by what the directory says of them; report the others."""
    misplaced = _find_misplaced(file, entries, work)
    names = _Names()
    accepted = []
    for number, entry in enumerate(entries):
        work.step("Checking the entries of the zip", number, len(entries))
        if _entry_name(entry).endswith("/"):
            continue
        if inner := name_archive(_entry_name(entry)):
            message = f"This {inner} inside the zip is not unpacked."
            problems.warn(_entry_name(entry), message, "Unpack it, and import the folder.", kind="nested_archive")
            continue
        try:
            _check_entry(entry, work.limits.max_ratio, is_misplaced=number in misplaced)
            resolve_inside(root, _entry_name(entry))
            names.take(_given_name(entry))
        except (_EntryError, SourceError) as error:
            _refuse(problems, _given_name(entry), error.message, error.fix)
        else:
            accepted.append(entry)
    return accepted


def _refuse_archive_of_archives(accepted: Sequence[ZipEntry], entries: Sequence[ZipEntry]) -> None:
    """Raise SourceError for a zip that has its images in archives: what lies beside them is of no use alone."""
    names = [name for entry in entries if name_archive(name := _entry_name(entry))]
    if names and not any(_may_be_image(_entry_name(entry)) for entry in accepted):
        msg = f"The zip holds no images but other archives: {clean_text(name_first(names, _MAX_NAMED))}."
        raise SourceError(msg, "Unpack it, and import the archive or the folder that holds the images.")


def _may_be_image(name: str) -> bool:
    return has_image_ending(name) or "." not in name.rpartition("/")[2]


def _check_entry(entry: ZipEntry, max_ratio: float, *, is_misplaced: bool) -> None:
    if "\0" in entry.name:
        raise _EntryError("The name has a NUL character.", "Rename the file and pack it again.")
    parts = _entry_name(entry).split("/")
    if len(parts) > _MAX_DEPTH or any(len(part.encode("utf-8", "replace")) > _MAX_PART_BYTES for part in parts):
        raise _EntryError("The name is too long or too deep.", "Shorten the names of the file and its folders.")
    kind = stat.S_IFMT(entry.mode)
    if kind not in {0, stat.S_IFREG}:
        name = "a link" if kind == stat.S_IFLNK else "a device or pipe"
        msg = f"The entry is {name} and not an ordinary file."
        raise _EntryError(msg, "Pack the file itself.")
    if entry.flags & _ENCRYPTED_BITS:
        raise _EntryError("The entry is encrypted.", "Pack it without a password.")
    if entry.method not in _METHODS:
        raise _EntryError(
            "The entry is compressed by a method that is not supported.", "Use deflate, the usual method."
        )
    if is_misplaced:
        raise _EntryError(
            "Its bytes lie outside of the archive or belong to another entry too.", "Pack the files again."
        )
    if _breaks_ratio(entry.num_bytes, entry.packed_bytes, max_ratio):
        msg = f"The entry unpacks to more than {max_ratio:g} times its size."
        raise _EntryError(msg, "Pack it with less compression, or import it from a folder.")


def _extract(file: BinaryIO, entry: ZipEntry, root: Path, budget: _Budget) -> None:
    """Write one entry; on any error nothing of it is left. Raises _EntryError for what is wrong with the entry."""
    target: Path | None = None
    try:
        path = resolve_inside(root, _entry_name(entry))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as copy:
            target, written = path, 0
            for block in read_entry(file, entry):
                written += len(block)
                budget.spend(len(block))
                if _breaks_ratio(written, entry.packed_bytes, budget.max_ratio):
                    raise _EntryError("The entry is larger than it says.", "Pack the file again.")
                copy.write(block)
    except BaseException as error:
        if target is not None:
            target.unlink(missing_ok=True)
        raise _explain(error) from error


def _explain(error: BaseException) -> BaseException:
    """Return what is wrong with the entry, or the error itself when it is nothing of the entry's."""
    if isinstance(error, LimitError):
        return error
    if isinstance(error, DamagedEntryError):
        return _EntryError(f"The entry is damaged: {error}.", "Pack the file again.")
    if isinstance(error, SourceError):
        return _EntryError(error.message, error.fix)
    if isinstance(error, UnicodeError):
        return _EntryError("This system cannot write a file of this name.", "Rename the file and pack it again.")
    if isinstance(error, FileExistsError | NotADirectoryError):
        return _EntryError("A file and a folder have the same name.", "Rename one of them.")
    if isinstance(error, OSError) and error.errno in _BAD_NAME_ERRORS:
        return _EntryError(f"This system cannot write it: {error.strerror}.", "Rename the file and pack it again.")
    return error


def _given_name(entry: ZipEntry) -> str:
    """Return the path of an entry; some packers of Windows write backslashes."""
    return entry.name.replace("\\", "/")


def _entry_name(entry: ZipEntry) -> str:
    """Return the path that an entry is unpacked to: with composed letters, which is how tables mostly write them."""
    return unicodedata.normalize("NFC", _given_name(entry))


def _is_junk(entry: ZipEntry) -> bool:
    """Say whether an entry is not unpacked. Images in hidden and system folders are, so that they are counted."""
    parts = [part for part in _entry_name(entry).split("/") if part.strip(".")]
    if parts and is_clutter(parts[-1]):
        return True
    return any(is_junk(part) for part in parts) and not has_image_ending(parts[-1])


def _breaks_ratio(num_bytes: int, num_packed: int, max_ratio: float) -> bool:
    return num_bytes > _RATIO_FREE_BYTES and num_bytes > max_ratio * max(1, num_packed)


def _find_misplaced(file: BinaryIO, entries: Sequence[ZipEntry], work: Work) -> set[int]:
    """Return the numbers of the entries that have no header of their own, or whose bytes are not theirs alone.

    Where two overlap and both have a header, the first is the one whose size is wrong.
    """
    found, num_bytes = set(), file.seek(0, 2)
    for number, entry in enumerate(entries):
        work.step("Looking for the entries of the zip", number, len(entries))
        if not _lies_inside(file, entry, num_bytes):
            found.add(number)
    last, end = -1, 0
    for number in sorted(set(range(len(entries))) - found, key=lambda index: entries[index].offset):
        entry = entries[number]
        own_end = entry.offset + LOCAL_HEADER_BYTES + len(entry.raw_name) + entry.packed_bytes
        if last >= 0 and entry.offset < end:
            found |= {last, number} if entry.offset == entries[last].offset else {last}
        if own_end >= end:
            last, end = number, own_end
    return found


def _lies_inside(file: BinaryIO, entry: ZipEntry, num_bytes: int) -> bool:
    own_end = entry.offset + LOCAL_HEADER_BYTES + len(entry.raw_name) + entry.packed_bytes
    return entry.offset >= 0 and own_end <= num_bytes and has_header(file, entry)


def _check_declared_size(entries: Sequence[ZipEntry], work: Work) -> None:
    """An entry that lies about its size was refused before, and stops no other by it."""
    if sum(entry.num_bytes for entry in entries) > work.limits.max_total_bytes:
        raise _too_large(work.limits.max_total_bytes)


def _not_usable(reason: str) -> SourceError:
    msg = f"The file is not a usable zip archive: {reason}."
    return SourceError(msg, "Pack the images into a zip again, without a password.")


def _too_large(max_total_bytes: int) -> LimitError:
    msg = f"The archive unpacks to more than {max_total_bytes / 2**30:g} GiB."
    return LimitError(msg, "Import a part of it, or raise AI_STUDIO_MAX_IMPORT_BYTES.")
