"""Looks into an XML file and says which tool wrote it. XML is not read, so nothing is parsed: only its first bytes."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from app.datasets.formats.documents.text_marks import to_utf8
from app.datasets.formats.work import Work
from app.regular_files import open_regular

FIX = "Export it as COCO or CSV."
_PEEKED_BYTES = 2**16
_NAME = re.compile(rb"<([A-Za-z_][\w.-]*)")
# What may come before the root element, by its first and last bytes.
_PROLOGUE = ((b"<?", b"?>"), (b"<!--", b"-->"), (b"<!DOCTYPE", b">"))
# The root element, an element that lies below it, and what such a file is. The first that fits counts.
_KINDS: Collection[tuple[bytes, bytes, str]] = (
    (b"annotations", b"<track", "a CVAT export for videos"),
    (b"annotations", b"<image", "a CVAT export for images"),
    (b"annotation", b"<polygon", "a LabelMe file for one image"),
    (b"annotation", b"<filename", "a Pascal VOC file for one image"),
    (b"annotation", b"<object", "a Pascal VOC file for one image"),
    (b"dataset", b"<images", "an imglab file of dlib"),
)


def describe_xml(path: Path, work: Work) -> str:
    """Return what an XML file is, as the end of "It is ..."; empty where it holds no annotations of a known tool."""
    work.step(f"Looking into {path.name}", 0)
    try:
        with open_regular(path) as file:
            head = to_utf8(file.read(_PEEKED_BYTES))
    except OSError:
        return ""
    text = _skip_prologue(head)
    root = _NAME.match(text)
    if root is None:
        return ""
    return next((what for name, inner, what in _KINDS if root[1] == name and inner in text), "")


def _skip_prologue(text: bytes) -> bytes:
    """Return what begins with the root element, where the document type declares no more than a name."""
    text = text.lstrip()
    while found := next((ends for ends in _PROLOGUE if text.startswith(ends[0])), None):
        _, end, rest = text.partition(found[1])
        if not end:
            return b""
        text = rest.lstrip()
    return text
