"""Finds the encoding of a text file. Knows nothing of tables."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from app.datasets.formats.name_encodings import PAIRED, score_letters, score_pairs
from app.datasets.formats.work import LimitError, Work
from app.regular_files import open_regular

UNICODE = frozenset({"utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"})
"""Encodings that a file states or proves; any other is a guess."""
_BLOCK_BYTES = 1 << 20
_MAX_WORDS = 2000
_MIN_SCORE = 0.5
# What lies between delimiters and has a byte above ASCII.
_WORDS = re.compile(rb"[^\x00-\x1f,;|\"]*[\x80-\xff][^\x00-\x1f,;|\"]*")
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


def _guess(path: Path) -> str:
    """Return the code page whose letters make words of what lies between the delimiters; cp1252 where none does."""
    with open_regular(path) as file:
        words = list(dict.fromkeys(word.strip() for word in _WORDS.findall(file.read(_BLOCK_BYTES))))[:_MAX_WORDS]
    words = [word for word in words if _SIGNS.fullmatch(word) is None]
    scores = {encoding: score(words) for encoding, score in _SCORES.items()}
    best = max(scores, key=lambda encoding: scores[encoding])
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
