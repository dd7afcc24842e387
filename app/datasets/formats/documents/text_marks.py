"""Recognises UTF-16 and UTF-32 in documents that begin with ASCII, such as JSON and XML, and makes UTF-8 of them."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins like the mark of UTF-16, so it comes first
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)
# Where the zeros are among the first four bytes when the first two characters are ASCII.
_PATTERNS = {
    b"\1\0\0\0": "utf-32-le",
    b"\0\0\0\1": "utf-32-be",
    b"\1\0\1\0": "utf-16-le",
    b"\0\1\0\1": "utf-16-be",
}


def to_utf8(data: bytes) -> bytes:
    """Return a document, or its beginning, as UTF-8 without a byte-order mark.

    What is cut off or wrong becomes a replacement character; a document in no known encoding is returned as it is.
    """
    encoding, size = _find_encoding(data)
    if encoding == "utf-8":
        return data[size:]
    return data[size:].decode(encoding, "replace").encode("utf-8", "replace")


def read_lines(file: BinaryIO, most: int) -> Iterator[bytes]:
    """Yield the lines of a document as UTF-8 without a byte-order mark; a longer one comes in pieces of `most`."""
    encoding, size = _find_encoding(file.read(4))
    file.seek(size)
    if encoding == "utf-8":
        while line := file.readline(most):
            yield line
        return
    text = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="\n")
    try:
        while piece := text.readline(most):
            yield piece.encode("utf-8", "replace")
    finally:
        text.detach()  # whoever opened the file closes it


def _find_encoding(data: bytes) -> tuple[str, int]:
    """Return the encoding of a document by its first bytes, and the size of its mark."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding, len(mark)
    return _PATTERNS.get(bytes(byte and 1 for byte in data[:4]), "utf-8"), 0
