"""Reads the directory of a zip entry by entry, and the bytes of one entry. Writes nothing and judges no name.

The module zipfile gives up a whole archive for one entry that it cannot read. Here that entry is named and the others
are used.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

STORED, DEFLATED = 0, 8
BLOCK_BYTES = 1 << 18
LOCAL_HEADER_BYTES = 30
_ENTRY = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_MAX_END_BYTES = _END.size + 65535
_ENTRY_SIGNATURE, _LOCAL_SIGNATURE, _END_SIGNATURE = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
_END_64_SIGNATURE, _LOCATOR_64_SIGNATURE = b"PK\x06\x06", b"PK\x06\x07"
_UTF_8_NAME = 0x800
_SIZES_64 = 1  # number of the extra field with sizes beyond 4 GiB
_UNICODE_PATH = 0x7075  # number of the extra field with the name in UTF-8
_UNICODE_PATH_HEAD = struct.Struct("<BL")
_UNKNOWN_32 = 0xFFFFFFFF


class DirectoryError(ValueError):
    """The file has no directory of a zip."""


class DamagedEntryError(ValueError):
    """The bytes of an entry are not what its directory says."""


class ZipEntry(NamedTuple):
    """What the directory says of one entry; nothing of it is believed. `offset` is its place in the file.

    `has_stated_encoding` False: nothing says in which encoding the bytes of the name are, and `name` is a first guess.
    """

    raw_name: bytes
    name: str
    flags: int
    method: int
    crc: int
    packed_bytes: int
    num_bytes: int
    offset: int
    mode: int
    has_stated_encoding: bool = True


class BadEntry(NamedTuple):
    """An entry of the directory that cannot be read."""

    name: str
    reason: str


class _Directory(NamedTuple):
    start: int
    end: int
    shift: int  # bytes before the archive, which its offsets do not count


def read_directory(file: BinaryIO) -> Iterator[ZipEntry | BadEntry]:
    """Yield every entry in the order of the directory; raises DirectoryError when there is none, and OSError."""
    directory = _find_directory(file)
    place, number = directory.start, 0
    while place + _ENTRY.size <= directory.end:
        number += 1
        file.seek(place)
        header = file.read(_ENTRY.size)
        if not header.startswith(_ENTRY_SIGNATURE):
            yield BadEntry(f"entry {number} of the directory", "Its entry in the directory is damaged.")
            place = _find_signature(file, place + 1, directory.end)
            continue
        fields = _ENTRY.unpack(header)
        name_bytes, extra_bytes, comment_bytes = fields[12:15]
        rest = file.read(name_bytes + extra_bytes)
        end = place + _ENTRY.size + name_bytes + extra_bytes + comment_bytes
        entry = _make_entry(fields, rest[:name_bytes], rest[name_bytes:], directory.shift)
        is_cut = end > directory.end
        yield BadEntry(rest[:name_bytes].decode("cp437"), "Its directory entry is damaged.") if is_cut else entry
        place = _find_signature(file, place + 1, directory.end) if is_cut else end


def _find_directory(file: BinaryIO) -> _Directory:
    size = file.seek(0, 2)
    file.seek(max(0, size - _MAX_END_BYTES))
    tail = file.read(_MAX_END_BYTES)
    place = tail.rfind(_END_SIGNATURE)
    if place < 0 or place + _END.size > len(tail):
        msg = "it has no directory of its contents"
        raise DirectoryError(msg)
    num_bytes, offset = _END.unpack_from(tail, place)[5:7]
    end = size - len(tail) + place
    if _UNKNOWN_32 in (num_bytes, offset) or tail[max(0, place - _LOCATOR_64.size) :].startswith(_LOCATOR_64_SIGNATURE):
        num_bytes, offset, end = _find_directory_64(file, end)
    start = end - num_bytes
    if start < 0 or start - offset < 0:
        msg = "its directory lies outside of it"
        raise DirectoryError(msg)
    return _Directory(start, end, start - offset)


def _find_directory_64(file: BinaryIO, end: int) -> tuple[int, int, int]:
    """Return size, stated offset and end of the directory of an archive beyond 4 GiB or 65,535 entries."""
    place = end - _LOCATOR_64.size - _END_64.size
    if place >= 0:
        file.seek(place)
        fields = _END_64.unpack(file.read(_END_64.size))
        if fields[0] == _END_64_SIGNATURE:
            return fields[8], fields[9], place
    msg = "its directory is damaged"
    raise DirectoryError(msg)


def _find_signature(file: BinaryIO, place: int, end: int) -> int:
    """Return where the next entry begins, or the end."""
    overlap = len(_ENTRY_SIGNATURE) - 1
    while place < end:
        file.seek(place)
        block = file.read(min(BLOCK_BYTES, end - place))
        found = block.find(_ENTRY_SIGNATURE)
        if found >= 0:
            return place + found
        if len(block) <= overlap:
            break
        place += len(block) - overlap
    return end


def _make_entry(fields: tuple[int, ...], raw_name: bytes, extra: bytes, shift: int) -> ZipEntry | BadEntry:
    flags, method = fields[5:7]
    crc, packed_bytes, num_bytes = fields[9:12]
    external_attributes, offset = fields[17:19]
    is_utf_8 = bool(flags & _UTF_8_NAME)
    try:
        name = raw_name.decode("utf-8" if is_utf_8 else "cp437")
        path = None if is_utf_8 or raw_name.isascii() else _read_unicode_path(extra, raw_name)
        num_bytes, packed_bytes, offset = _read_sizes_64(extra, num_bytes, packed_bytes, offset)
    except UnicodeDecodeError:
        return BadEntry(raw_name.decode("cp437"), "Its name is marked as UTF-8 but is not.")
    except struct.error:
        return BadEntry(name, "The sizes in its directory entry are damaged.")
    mode = external_attributes >> 16
    is_stated = is_utf_8 or raw_name.isascii() or path is not None
    sizes = packed_bytes, num_bytes
    return ZipEntry(raw_name, path or name, flags, method, crc, *sizes, offset + shift, mode, is_stated)


def _read_unicode_path(extra: bytes, raw_name: bytes) -> str | None:
    """Return the name in the field that a packer adds for it, None when there is none, or it is of another name."""
    for kind, field in _list_fields(extra):
        if kind == _UNICODE_PATH and len(field) > _UNICODE_PATH_HEAD.size:
            version, crc = _UNICODE_PATH_HEAD.unpack_from(field)
            if version == 1 and crc == zlib.crc32(raw_name):
                with contextlib.suppress(UnicodeDecodeError):
                    return field[_UNICODE_PATH_HEAD.size :].decode("utf-8")
    return None


def _list_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of each extra field."""
    place = 0
    while place + 4 <= len(extra):
        kind, num_bytes = struct.unpack_from("<HH", extra, place)
        place += 4
        yield kind, extra[place : place + num_bytes]
        place += num_bytes


def _read_sizes_64(extra: bytes, *sizes: int) -> list[int]:
    """Return the sizes, those beyond 4 GiB from the extra field that has them in order; raises struct.error."""
    if _UNKNOWN_32 not in sizes:
        return list(sizes)
    for kind, field in _list_fields(extra):
        if kind == _SIZES_64:
            found = iter(struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8]))
            try:
                return [next(found) if size == _UNKNOWN_32 else size for size in sizes]
            except (StopIteration, RuntimeError):
                break
    msg = "there is no field with its sizes"
    raise struct.error(msg)


def has_header(file: BinaryIO, entry: ZipEntry) -> bool:
    """Say whether a header with the name of the entry is where the directory says; raises OSError."""
    return _read_header(file, entry) is not None


def _read_header(file: BinaryIO, entry: ZipEntry) -> int | None:
    """Return the length of the extra fields, with the file at their beginning; None without a header of this name."""
    file.seek(entry.offset)
    header = file.read(LOCAL_HEADER_BYTES)
    if len(header) < LOCAL_HEADER_BYTES or not header.startswith(_LOCAL_SIGNATURE):
        return None
    name_bytes, extra_bytes = _LOCAL.unpack(header)[9:11]
    return int(extra_bytes) if file.read(name_bytes) == entry.raw_name else None


def read_entry(file: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    """Yield the content of an entry in blocks; raises DamagedEntryError, at its end for a wrong checksum, and OSError.

    Never yields more than the entry says that it has.
    """
    extra_bytes = _read_header(file, entry)
    if extra_bytes is None:
        msg = "its header is not where the directory says"
        raise DamagedEntryError(msg)
    file.seek(extra_bytes, 1)
    unpacked = _inflate(file, entry) if entry.method == DEFLATED else _read_packed(file, entry)
    checksum, left = 0, entry.num_bytes
    for block in unpacked:
        left -= len(block)
        if left < 0:
            msg = "it is larger than it says"
            raise DamagedEntryError(msg)
        checksum = zlib.crc32(block, checksum)
        yield block
    if left:
        msg = "it is smaller than it says"
        raise DamagedEntryError(msg)
    if checksum != entry.crc:
        msg = "its checksum is wrong"
        raise DamagedEntryError(msg)


def _read_packed(file: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    left = entry.packed_bytes
    while left > 0:
        block = file.read(min(left, BLOCK_BYTES))
        if not block:
            msg = "the archive ends before it does"
            raise DamagedEntryError(msg)
        left -= len(block)
        yield block


def _inflate(file: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for packed in _read_packed(file, entry):
            waiting = packed
            while waiting and not inflater.eof:
                block = inflater.decompress(waiting, BLOCK_BYTES)
                waiting = inflater.unconsumed_tail
                if block:
                    yield block
        while not inflater.eof:
            block = inflater.decompress(inflater.unconsumed_tail, BLOCK_BYTES)
            if not block:
                break
            yield block
    except zlib.error as error:
        msg = "its compressed data cannot be unpacked"
        raise DamagedEntryError(msg) from error
    if not inflater.eof:
        msg = "its data end too early"
        raise DamagedEntryError(msg)
