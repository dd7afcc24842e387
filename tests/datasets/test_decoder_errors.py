"""What libraries say of bad files, in plain words."""

from __future__ import annotations

import csv
import errno
import os
from typing import Any

import msgspec
import pytest

from app.datasets.decoder_errors import explain_json, explain_table, explain_undecodable


class Inner(msgspec.Struct):
    id: int | str


class Outer(msgspec.Struct):
    name: str
    inner: Inner | None = None
    flags: list[bool] = []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{}", "the field 'name' is missing"),
        (b'{"name": "a", "inner": {}}', "the field 'inner.id' is missing"),
        (b'{"name": 1}', "the field 'name' is a number instead of text"),
        (b'{"name": null}', "the field 'name' is empty (null) instead of text"),
        (
            b'{"name": "a", "inner": {"id": 1.5}}',
            "the field 'inner.id' is a number with a point instead of a whole number or text",
        ),
        (
            b'{"name": "a", "inner": {"id": true}}',
            "the field 'inner.id' is true or false instead of a whole number or text",
        ),
        (b'{"name": "a", "flags": {}}', "the field 'flags' is an object instead of a list"),
        (b"[]", "it is a list instead of an object"),
        (b'{"name": "\xc4pfel"}', "its letters are not encoded as UTF-8"),
        (b'{"name": "a"', "it ends too early"),
        (b'{"name": "a"} x', "trailing characters at byte 15"),
        (b"oops", "invalid character at byte 0"),
    ],
)
def test_json(text: bytes, reason: str) -> None:
    with pytest.raises(msgspec.DecodeError) as caught:
        msgspec.json.decode(text, type=Outer)
    assert explain_json(caught.value) == reason


def test_json_that_is_nested_too_deeply() -> None:
    with pytest.raises(RecursionError) as caught:
        msgspec.json.decode(b"[" * 100_000, type=Any)
    assert explain_json(caught.value) == "it is nested too deeply"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("could not create decoder object"), "the file is damaged"),
        (OSError("broken data stream when reading image file"), "the file is damaged"),
        (OSError("image file is truncated (3 bytes not processed)"), "the file is truncated"),
        (SyntaxError("Truncated File Read"), "the file is truncated"),
        (OSError("Unsupported BMP compression (7)"), "its BMP compression (7) is not supported"),
        (ValueError(""), "the file is damaged"),
    ],
)
def test_pictures(error: Exception, reason: str) -> None:
    assert explain_undecodable(error) == reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EACCES, os.strerror(errno.EACCES), "secret.csv"), "Permission denied"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "its letters are not encoded as UTF-8"),
        (csv.Error("field larger than field limit (100000)"), "a cell is longer than 100,000 characters"),
        (csv.Error("line contains NUL"), "a line contains a zero byte"),
        (csv.Error("new-line character seen in unquoted field"), "a line ends inside a cell that has no quotes"),
        (csv.Error("unexpected end of data"), "its quotes do not match"),
    ],
)
def test_tables(error: csv.Error | OSError | UnicodeError, reason: str) -> None:
    assert explain_table(error) == reason
