"""Unpacks a zip from a stranger. Nothing that its directory says is believed: names, kinds, sizes, order.

Every entry is either written in full, as an ordinary file inside the target, or reported by name with nothing left.
"""

from __future__ import annotations

import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from app.datasets.formats.base import ProblemList, SourceError, clean_text
from app.datasets.formats.walking import is_junk, resolve_inside
from app.schemas.payloads import ImportLimits

_BLOCK_BYTES = 1 << 18
_LOCAL_HEADER_BYTES = 30
_RATIO_FREE_BYTES = 1 << 20  # a ratio says nothing about what is this small
_MAX_PART_BYTES = 240
_MAX_DEPTH = 32
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENTRY_SIGNATURE = b"PK\x01\x02"
_END_SIGNATURE = b"PK\x05\x06"
_MAX_END_BYTES = 22 + 65535
_ENCRYPTED_BITS = 0x1 | 0x40 | 0x2000
# What zipfile raises on archives that are damaged or forged.
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, LookupError)

Progress = Callable[[int, int], None]


class _EntryError(ValueError):
    """An entry is not unpacked; `fix` says what to do about it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


def extract_zip(path: Path, target: Path, limits: ImportLimits, on_progress: Progress | None = None) -> ProblemList:
    """Unpack the ordinary files of a zip into an existing directory and return what was refused.

    `on_progress(done, total)` counts entries; it is called often and may raise to end the work. Raises SourceError when
    the file is no zip or the whole of it breaks a limit, and OSError when the target cannot be written.
    """
    problems = ProblemList(limits.max_named_problems)
    root = target.resolve()
    with _open_archive(path, limits.max_entries) as archive:
        entries = [entry for entry in archive.infolist() if not _is_junk(entry)]
        _check_declared_size(entries, limits)
        accepted = _accept(entries, path.stat().st_size, root, limits, problems)
        budget = _Budget(limits)
        report = on_progress or _ignore
        for done, entry in enumerate(accepted):
            try:
                _extract(archive, entry, root, budget, partial(report, done, len(accepted)))
            except _EntryError as error:
                problems.add(entry.filename, error.message, error.fix)
        report(len(accepted), len(accepted))
    return problems


def _open_archive(path: Path, max_entries: int) -> zipfile.ZipFile:
    try:
        _check_entry_count(path, max_entries)
        return zipfile.ZipFile(path)
    except SourceError:
        raise
    except (*_ZIP_ERRORS, OSError, struct.error) as error:
        msg = f"The file is not a usable zip archive: {error}."
        raise SourceError(msg, "Pack the images into a zip again, without a password.") from error


class _Budget:
    """Counts the bytes that were written to disk, whatever the archive says."""

    def __init__(self, limits: ImportLimits) -> None:
        self.max_ratio = limits.max_ratio
        self._left = self._total = limits.max_total_bytes

    def spend(self, num_bytes: int) -> None:
        """Count bytes; raises SourceError when there are more of them than the limit allows."""
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
            msg = f"Some systems take the name for that of {clean_text(earlier)!r}, which is in the archive already."
            raise _EntryError(msg, "Rename one of the files.")
        if whole in self._folders or not folders.isdisjoint(self._files):
            raise _EntryError("A file and a folder have the same name.", "Rename one of them.")
        self._files[whole] = name
        self._folders |= folders


def _accept(
    entries: Sequence[zipfile.ZipInfo], num_bytes: int, root: Path, limits: ImportLimits, problems: ProblemList
) -> list[zipfile.ZipInfo]:
    """Return the files that may be unpacked by what the directory says of them; report the others."""
    misplaced = _find_misplaced(entries, num_bytes)
    names = _Names()
    accepted = []
    for entry in entries:
        if _entry_name(entry).endswith("/"):
            continue
        try:
            _check_entry(entry, limits, is_misplaced=entry in misplaced)
            resolve_inside(root, _entry_name(entry))
            names.take(_entry_name(entry))
        except (_EntryError, SourceError) as error:
            problems.add(entry.orig_filename, error.message, error.fix)
        else:
            accepted.append(entry)
    return accepted


def _check_entry(entry: zipfile.ZipInfo, limits: ImportLimits, *, is_misplaced: bool) -> None:
    if "\0" in entry.orig_filename:
        raise _EntryError("The name has a NUL character.", "Rename the file and pack it again.")
    parts = _entry_name(entry).split("/")
    if len(parts) > _MAX_DEPTH or any(len(part.encode("utf-8", "replace")) > _MAX_PART_BYTES for part in parts):
        raise _EntryError("The name is too long or too deep.", "Shorten the names of the file and its folders.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        name = "a link" if kind == stat.S_IFLNK else "a device or pipe"
        msg = f"The entry is {name} and no ordinary file."
        raise _EntryError(msg, "Pack the file itself.")
    if entry.flag_bits & _ENCRYPTED_BITS:
        raise _EntryError("The entry is encrypted.", "Pack it without a password.")
    if entry.compress_type not in _METHODS:
        raise _EntryError(
            "The entry is compressed by a method that is not supported.", "Use deflate, the usual method."
        )
    if is_misplaced:
        raise _EntryError(
            "Its bytes lie outside of the archive or belong to another entry too.", "Pack the files again."
        )
    if _breaks_ratio(entry.file_size, entry.compress_size, limits.max_ratio):
        msg = f"The entry unpacks to more than {limits.max_ratio:g} times its size."
        raise _EntryError(msg, "Pack it with less compression, or import it from a folder.")


def _extract(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, root: Path, budget: _Budget, tick: Callable[[], None]
) -> None:
    """Write one entry, calling `tick` at every block; on any error nothing of it is left."""
    target = resolve_inside(root, _entry_name(entry))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise _EntryError("Its folder has the name of a file.", "Rename one of them.") from None
    try:
        with archive.open(entry) as source, target.open("xb") as file:
            written = 0
            while block := source.read(_BLOCK_BYTES):
                tick()
                written += len(block)
                budget.spend(len(block))
                if written > entry.file_size or _breaks_ratio(written, entry.compress_size, budget.max_ratio):
                    raise _EntryError("The entry is larger than it says.", "Pack the file again.")
                file.write(block)
        if written != entry.file_size:
            raise _EntryError("The entry is smaller than it says.", "Pack the file again.")
    except FileExistsError:
        raise _EntryError("A file of this name was unpacked already.", "Rename one of the files.") from None
    except _ZIP_ERRORS as error:
        target.unlink(missing_ok=True)
        if isinstance(error, _EntryError | SourceError):
            raise
        msg = f"The entry is damaged: {error}."
        raise _EntryError(msg, "Pack the file again.") from error


def _entry_name(entry: zipfile.ZipInfo) -> str:
    return entry.filename.replace("\\", "/")


def _is_junk(entry: zipfile.ZipInfo) -> bool:
    return any(is_junk(part) for part in _entry_name(entry).split("/") if part.strip("."))


def _breaks_ratio(num_bytes: int, num_packed: int, max_ratio: float) -> bool:
    return num_bytes > _RATIO_FREE_BYTES and num_bytes > max_ratio * max(1, num_packed)


def _find_misplaced(entries: Sequence[zipfile.ZipInfo], num_bytes: int) -> set[zipfile.ZipInfo]:
    """Return the entries that lie outside of the file, and every two that share bytes."""
    found: set[zipfile.ZipInfo] = set()
    last: zipfile.ZipInfo | None = None
    end = 0
    for entry in sorted(entries, key=lambda item: item.header_offset):
        own_end = entry.header_offset + _LOCAL_HEADER_BYTES + len(entry.orig_filename) + entry.compress_size
        if entry.header_offset < 0 or own_end > num_bytes:
            found.add(entry)
            continue
        if last is not None and entry.header_offset < end:
            found |= {last, entry}
        if own_end >= end:
            last, end = entry, own_end
    return found


def _check_declared_size(entries: Sequence[zipfile.ZipInfo], limits: ImportLimits) -> None:
    if len(entries) > limits.max_entries:
        raise _too_many(len(entries), limits.max_entries)
    good = (
        entry.file_size
        for entry in entries
        if not _breaks_ratio(entry.file_size, entry.compress_size, limits.max_ratio)
    )
    if sum(good) > limits.max_total_bytes:
        raise _too_large(limits.max_total_bytes)


def _check_entry_count(path: Path, max_entries: int) -> None:
    """Count the entries before zipfile makes an object of each: their signatures in the directory at the end."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _MAX_END_BYTES))
        tail = file.read()
        place = tail.rfind(_END_SIGNATURE)
        if place < 0:
            raise zipfile.BadZipFile("it has no directory of its contents")
        directory_bytes = int.from_bytes(tail[place + 12 : place + 16], "little")
        end = size - len(tail) + place
        # A directory of 4 GiB and more states its size elsewhere; all of the file is then looked through.
        file.seek(0 if directory_bytes == 0xFFFFFFFF else max(0, end - directory_bytes - 128))
        count, rest = 0, b""
        while block := file.read(_BLOCK_BYTES):
            count += (rest + block).count(_ENTRY_SIGNATURE)
            if count > max_entries:
                raise _too_many(count, max_entries)
            rest = block[-3:]


def _ignore(_done: int, _total: int) -> None:
    """Stand in for a caller that does not want to know."""


def _too_many(count: int, max_entries: int) -> SourceError:
    msg = f"The archive has more than {max_entries:,} entries ({count:,} or more)."
    return SourceError(msg, "Divide it into several archives.")


def _too_large(max_total_bytes: int) -> SourceError:
    msg = f"The archive unpacks to more than {max_total_bytes / 2**30:g} GiB."
    return SourceError(msg, "Import a part of it, or raise AI_STUDIO_MAX_IMPORT_BYTES.")
