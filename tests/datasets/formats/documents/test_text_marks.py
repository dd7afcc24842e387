"""Documents in UTF-16 and UTF-32, with a byte-order mark and without, become UTF-8."""

from __future__ import annotations

import codecs
import io

import pytest

from app.datasets.formats.documents.text_marks import read_lines, to_utf8

TEXT = '{"Größe": "犬"}'
MARKS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


def test_every_encoding_is_tried() -> None:
    assert len(MARKS) == 5


@pytest.mark.parametrize("has_mark", [True, False])
@pytest.mark.parametrize("encoding", MARKS)
def test_a_document_becomes_utf8(encoding: str, *, has_mark: bool) -> None:
    data = (MARKS[encoding] if has_mark else b"") + TEXT.encode(encoding)
    assert to_utf8(data).decode() == TEXT


@pytest.mark.parametrize("has_mark", [True, False])
@pytest.mark.parametrize("encoding", MARKS)
def test_lines_become_utf8(encoding: str, *, has_mark: bool) -> None:
    data = (MARKS[encoding] if has_mark else b"") + f"{TEXT}\r\n\n{TEXT}".encode(encoding)
    assert [line.decode() for line in read_lines(io.BytesIO(data), 1000)] == [f"{TEXT}\r\n", "\n", TEXT]


@pytest.mark.parametrize("data", [b"", b"{", b"{}", b"[1]", b"\0\0\0\0", b"\x89PNG", b"\xff", b"\xfe"])
def test_other_bytes_are_returned_as_they_are(data: bytes) -> None:
    assert to_utf8(data) == data
    assert b"".join(read_lines(io.BytesIO(data), 1000)) == data


def test_what_is_cut_off_is_no_error() -> None:
    data = codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le")
    assert all(to_utf8(data[:size]).decode() for size in range(4, len(data)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_long_line_comes_in_pieces(encoding: str) -> None:
    lines = list(read_lines(io.BytesIO(("{}" + " " * 98 + "\n").encode(encoding)), 40))
    assert [len(line) for line in lines] == [40, 40, 21]
