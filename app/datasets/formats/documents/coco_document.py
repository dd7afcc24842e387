"""Reads a COCO document as its three lists, whose entries are not yet decoded."""

from __future__ import annotations

from pathlib import Path

import msgspec

from app.datasets.decoder_errors import explain_json
from app.datasets.formats.base import SourceError
from app.datasets.formats.documents.json_documents import inspect_json, read_whole, replace_non_finite
from app.datasets.formats.documents.text_encodings import describe_guess, recode
from app.datasets.formats.layouts.walking import too_many_entries
from app.datasets.formats.work import Work


class CocoDocument(msgspec.Struct):
    """The three lists of a document."""

    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[msgspec.Raw]


def read_document(path: Path, work: Work) -> tuple[CocoDocument, str]:
    """Return the document, and a sentence about letters that had to be guessed, empty without any.

    Raises SourceError, and LimitError for a file that is too large.
    """
    most = work.limits.max_entries
    work.step(f"Reading {path.name}", 0)
    data = read_whole(path, work, "Divide it into several datasets")
    try:
        data, encoding = recode(data)
        document = msgspec.json.decode(replace_non_finite(data), type=CocoDocument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        kind = inspect_json(path, work)
        msg = f"{path.name} is not a COCO document: {explain_json(error)}. It is {kind.description}."
        raise SourceError(msg, f"{kind.fix} COCO has the lists images, annotations and categories.") from error
    if max(len(document.images), len(document.annotations), len(document.categories)) > 10 * most:
        raise too_many_entries(f"A list of {path.name} has", 10 * most)
    return document, describe_guess(encoding)
