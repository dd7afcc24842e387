"""Reads a COCO document as its three lists, whose entries are not yet decoded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from app.datasets.decoder_errors import explain_json
from app.datasets.formats.base import SourceError
from app.datasets.formats.json_documents import inspect_json, replace_non_finite
from app.datasets.formats.text_encodings import describe_guess, recode
from app.datasets.formats.walking import too_many_entries
from app.datasets.formats.work import LimitError, Work
from app.regular_files import open_regular


class _Lists(msgspec.Struct):
    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[msgspec.Raw]


@dataclass(frozen=True)
class CocoDocument:
    """The entries of the three lists; `encoding_note` is a sentence about letters that had to be guessed."""

    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[msgspec.Raw]
    encoding_note: str = ""


def read_document(path: Path, work: Work) -> CocoDocument:
    """Return the three lists of the document; raises SourceError, and LimitError for a file that is too large."""
    most_bytes, most = work.limits.max_annotation_bytes, work.limits.max_entries
    work.step(f"Reading {path.name}", 0)
    try:
        with open_regular(path) as file:
            # Room for as much as is asked for is taken first, so this asks for no more than there is.
            size = os.fstat(file.fileno()).st_size
            data = file.read(min(size, most_bytes) + 1)
        if max(size, len(data)) > most_bytes:
            msg = f"{path.name} has more than {most_bytes / 2**20:,.0f} MiB."
            raise LimitError(msg, "Divide it into several datasets, or raise AI_STUDIO_MAX_ANNOTATION_BYTES.")
        data, encoding = recode(data)
        lists = msgspec.json.decode(replace_non_finite(data), type=_Lists)
    except OSError as error:
        msg = f"{path.name} cannot be read: {error.strerror}."
        raise SourceError(msg, "Check its permissions and the disk.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        kind = inspect_json(path, work)
        msg = f"{path.name} is not a COCO document: {explain_json(error)}. It is {kind.description}."
        raise SourceError(msg, f"{kind.fix} COCO has the lists images, annotations and categories.") from error
    if max(len(lists.images), len(lists.annotations), len(lists.categories)) > 10 * most:
        raise too_many_entries(f"A list of {path.name} has", 10 * most)
    return CocoDocument(lists.images, lists.annotations, lists.categories, describe_guess(encoding))
