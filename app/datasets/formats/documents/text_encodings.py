"""Finds the encoding of a text file. Knows nothing of tables."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from app.datasets.formats.archives.name_encodings import PAIRED, score_letters, score_pairs, settle_tie
from app.datasets.formats.documents.text_marks import to_utf8
from app.datasets.formats.work import LimitError, Work
from app.regular_files import open_regular

UNICODE = frozenset({"utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"})
"""Encodings that a file states or proves; any other is a guess."""
_BLOCK_BYTES = 1 << 20
_MAX_WORDS = 2000
_MIN_SCORE = 0.5
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
_DELIMITERS = re.compile(rb"[\x00-\x1f,;|\"]+")
# Signs of Western Europe such as the degree in 20 °C, which together with the letter behind are a character of Big5.
_SIGNS = re.compile(rb"(?=.*[0-9A-Za-z])[\x20-\x7f\x80\xa3\xa7\xa9\xae\xb0-\xb3\xb5\xb9\xbc-\xbe\xd7]*")
# What spreadsheets write by "CSV" on the systems of different countries. The first of equals is taken.
_SCORES: Mapping[str, Callable[[Sequence[bytes]], float]] = MappingProxyType(
    {
        "cp1252": score_letters("cp1252", "LATIN"),
        "mac_roman": score_letters("mac_roman", "LATIN"),
        "cp1250": score_letters("cp1250", "LATIN"),
        "cp1251": score_letters("cp1251", "CYRILLIC"),
        "cp1253": score_letters("cp1253", "GREEK"),
        "cp850": score_letters("cp850", "LATIN"),  # this and the next by "CSV (MS-DOS)"
        "cp866": score_letters("cp866", "CYRILLIC"),
        **{encoding: score_pairs(encoding) for encoding in PAIRED},
    }
)


def find_encoding(path: Path, work: Work) -> str:
    """Return utf-8-sig, utf-16, utf-8, or the likeliest code page of what is none of these.

    Raises OSError, and LimitError for a file that is larger than a document may be.
    """
    most_bytes = work.limits.max_annotation_bytes
    with open_regular(path) as file:
        start = file.read(4)
    if path.stat().st_size > most_bytes:
        msg = f"{path.name} has more than {most_bytes / 2**20:,.0f} MiB."
        raise LimitError(msg, "Divide it into several datasets, or raise AI_STUDIO_MAX_ANNOTATION_BYTES.")
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start in {codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE}:
        return "utf-32"
    if start[1:] == b"\0\0\0" and start[0] != 0:
        return "utf-32-le"
    if start[:3] == b"\0\0\0" and len(start) == 4 and start[3] != 0:
        return "utf-32-be"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(start) >= 4 and start[1] == 0 and start[3] == 0 and start[0] != 0:
        return "utf-16-le"
    if len(start) >= 4 and start[0] == 0 and start[2] == 0 and start[1] != 0:
        return "utf-16-be"
    if _is_encoded_as(path, "utf-8", work):
        return "utf-8"
    guess = _guess(path)
    return next(name for name in (guess, "cp1252", "latin-1") if _is_encoded_as(path, name, work))


def recode(data: bytes) -> tuple[bytes, str]:
    """Return a document such as JSON as UTF-8, and the encoding that was guessed, which is empty where none was.

    A document of which most words are UTF-8 is returned as it is: the others are damaged.
    """
    data = to_utf8(data)
    first = None if data.isascii() or _begins_as_utf8(data) else _HIGH_BYTE.search(data)
    if first is None:
        return data, ""
    start = max(0, first.start() - _BLOCK_BYTES // 2)
    words = _list_words(data[start : start + _BLOCK_BYTES])
    if 2 * sum(_begins_as_utf8(word) for word in words) > len(words):
        return data, ""
    for encoding in dict.fromkeys((_guess_by_words(words), "cp1252", "latin-1")):
        try:
            return data.decode(encoding).encode(), encoding
        except UnicodeDecodeError:
            continue
    return data, ""


def describe_guess(encoding: str) -> str:
    """Return the sentence about an encoding that was guessed, with a blank before it; empty for none."""
    return f" Encoding: {encoding} (guessed; save the file as UTF-8 if its letters look wrong)." if encoding else ""


def _begins_as_utf8(data: bytes) -> bool:
    """Say whether bytes are UTF-8, but for a character at the end that is cut off."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(data)
    try:
        for start in range(0, len(data), _BLOCK_BYTES):
            decoder.decode(view[start : start + _BLOCK_BYTES])
    except UnicodeDecodeError:
        return False
    return True


def _guess(path: Path) -> str:
    """Return the code page whose letters make words of what lies between the delimiters; cp1252 where none does."""
    with open_regular(path) as file:
        return _guess_by_words(_list_words(file.read(_BLOCK_BYTES)))


def _list_words(data: bytes) -> list[bytes]:
    """Return what lies between delimiters and has a byte above ASCII, each once."""
    words = (word.strip() for word in _DELIMITERS.split(data) if not word.isascii())
    return list(dict.fromkeys(words))[:_MAX_WORDS]


def _guess_by_words(words: Sequence[bytes]) -> str:
    words = [word for word in words if _SIGNS.fullmatch(word) is None]
    scores = {encoding: score(words) for encoding, score in _SCORES.items()}
    best = settle_tie(max(scores, key=lambda encoding: scores[encoding]), scores, words)
    return best if scores[best] >= _MIN_SCORE else "cp1252"


def _is_encoded_as(path: Path, encoding: str, work: Work) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with open_regular(path) as file:
            while block := file.read(_BLOCK_BYTES):
                decoder.decode(block)
                work.step(f"Finding the encoding of {path.name}", file.tell())
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
