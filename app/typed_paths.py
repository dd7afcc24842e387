"""Turns what people type or paste for a path into a path: quotes, blanks, `~`, file:// URLs. Standard library only.

No file is opened; whether something exists is asked to tell a name with quotes in it from a quoted name. A folder is
listed to find a name whose letters are composed in another way.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

MAX_SHOWN_CHARACTERS = 200
_MAX_LISTED = 100_000
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u201e": "\u201c", "\u2018": "\u2019", "\u00ab": "\u00bb"}
# Blanks and marks that no one sees and that come along when text is copied.
_INVISIBLE = " \t\r\n\f\v\u00a0\u200b\u200e\u200f\u202a\u202c\u2060\ufeff"
_DRIVE_PATH = re.compile(r"^([A-Za-z]):(?:[\\/](.*))?$", re.DOTALL)
_WEB_ADDRESS = re.compile(r"^(?:https?|s?ftp|s3|gs)://", re.IGNORECASE)
_WSL_PATH = re.compile(r"^[\\/]{2}wsl(?:\$|\.localhost)[\\/][^\\/]+([\\/].*)?$", re.IGNORECASE | re.DOTALL)


class TypedPathError(ValueError):
    """What was typed is no path of this machine; the message says why and what to type instead."""


def read_typed_path(text: str, *, is_relative_allowed: bool = False) -> Path:
    """Return the path that a text means, not resolved; raises TypedPathError.

    The text itself goes first where it exists, so that a name which begins with a blank or a quote can be given.
    """
    if "\x00" in text:
        raise TypedPathError("A path cannot contain a null character.")
    candidates = [path for path in _read_candidates(text) if path.is_absolute() or is_relative_allowed]
    for candidate in candidates:
        if _exists(candidate):
            return candidate
    for candidate in candidates:
        if (found := _find_in_other_form(candidate)) is not None:
            return found
    path = next(_read_candidates(_strip(text)), Path())
    if not _strip(text):
        raise TypedPathError("The path is empty. Give the path of a folder, a zip or an annotation file.")
    if os.name != "nt" and _DRIVE_PATH.match(_strip(text)):
        msg = f"{_show(text)} is a Windows path, but the server does not run on Windows."
        raise TypedPathError(f"{msg} Give the path that the folder has on the server.")
    if not path.is_absolute() and not is_relative_allowed:
        raise TypedPathError(_describe_relative(text))
    return path


def _describe_relative(text: str) -> str:
    if _WEB_ADDRESS.match(_strip(text)):
        return f"{_show(text)} is a web address. Download the file first, then give its path or upload it."
    return f"{_show(text)} is a relative path. Give an absolute path, which begins with / or a drive such as C:."


def describe_missing(path: Path) -> str:
    """Return a sentence that says which part of an absolute path exists."""
    for parent in path.parents:
        if _exists(parent):
            found = f"{_show(str(parent))} exists, {path.relative_to(parent).parts[0]!r} does not"
            return f"There is nothing at {_show(str(path))} on this machine: {found}."
    return f"There is nothing at {_show(str(path))} on this machine."


def _read_candidates(text: str) -> Iterator[Path]:
    """Yield the paths that a text may mean, the most literal first."""
    yield from _expand(text)
    plain = _strip(text)
    if plain != text:
        yield from _expand(plain)
    if plain.lower().startswith("file:"):
        return
    if os.name != "nt" and "\\" in plain:
        yield Path(re.sub(r"\\(.)", r"\1", plain))  # as a shell escapes blanks: /home/me/my\ pictures


def _expand(text: str) -> Iterator[Path]:
    if text.lower().startswith("file:"):
        yield _read_url(text)
        return
    if text.startswith("~"):
        try:
            yield Path(text).expanduser()
        except RuntimeError:
            msg = f"There is no user {text.partition('/')[0]!r} on this machine."
            raise TypedPathError(msg) from None
        return
    if os.name != "nt":
        yield from _read_windows_path(text)
    yield Path(text)


def _read_windows_path(text: str) -> Iterator[Path]:
    """Yield where the Linux side of Windows has a path of Windows."""
    if drive := _DRIVE_PATH.match(text):
        mounted = Path("/mnt", drive.group(1).lower(), *re.split(r"[\\/]+", drive.group(2) or ""))
        if _exists(mounted):
            yield mounted
    if shared := _WSL_PATH.match(text):
        yield Path("/", *re.split(r"[\\/]+", (shared.group(1) or "").strip("\\/")))


def _read_url(text: str) -> Path:
    """Return the path of a file URL, its percent signs decoded."""
    try:
        parts = urlsplit(text.replace("\\", "/"))
        host = parts.hostname or ""
    except ValueError:
        raise TypedPathError(f"{_show(text)} is no address of a file. Give the path itself.") from None
    # A # or ? that was not encoded is part of the name: a file has no query.
    tail = parts.path + (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
    path = unquote(tail, errors="surrogateescape")
    if "\x00" in path:
        raise TypedPathError("A path cannot contain a null character.")
    if host not in ("", "localhost", "127.0.0.1"):
        if os.name == "nt":
            return Path(f"//{host}{path}")
        msg = f"{_show(text)} names the machine {host!r}. Give the path that this machine has for it."
        raise TypedPathError(msg)
    if re.match(r"^/[A-Za-z]:(/|$)", path):
        windows = path[1:] if len(path) > 3 else f"{path[1:]}/"
        return Path(windows) if os.name == "nt" else next(_read_windows_path(windows), Path(windows))
    return Path(path)


def _strip(text: str) -> str:
    """Return the text without blanks and pairs of quotes around it."""
    while True:
        text = text.strip(_INVISIBLE)
        if len(text) < 2 or _QUOTES.get(text[0]) != text[-1]:
            return text
        text = text[1:-1]


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except (OSError, ValueError):
        return False


def _find_in_other_form(path: Path) -> Path | None:
    """Return the one path whose letters are the same and are composed in another way, as macOS writes them.

    Only folders with such a letter in a name that is missing are listed. None where several names fit.
    """
    if str(path).isascii():
        return None
    found = Path(path.anchor)
    for part in path.relative_to(found).parts:
        if _exists(found / part):
            found /= part
            continue
        names = _list_same_letters(found, part)
        if len(names) != 1:
            return None
        found /= names[0]
    return found


def _list_same_letters(folder: Path, name: str) -> list[str]:
    """Return the entries of a folder that have the name when letters and their marks are composed."""
    composed = unicodedata.normalize("NFC", name)
    if name.isascii():
        return []
    try:
        with os.scandir(folder) as entries:
            seen = islice((entry.name for entry in entries), _MAX_LISTED)
            return [other for other in seen if unicodedata.normalize("NFC", other) == composed]
    except OSError:
        return []


def _show(text: str) -> str:
    shown = text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}..."
    return repr(shown).replace("\\\\", "\\")  # a path of Windows as it was typed
