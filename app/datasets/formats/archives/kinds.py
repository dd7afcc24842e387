"""Archives by name and by their first bytes. A zip is read; of the others the user is told what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from app.regular_files import open_regular

_ENDINGS: Mapping[str, str] = MappingProxyType(
    {
        ".zip": "zip archive",
        ".7z": "7-Zip archive",
        ".rar": "RAR archive",
        ".tar": "tar archive",
        ".tar.gz": "tar archive",
        ".tgz": "tar archive",
        ".tar.bz2": "tar archive",
        ".tbz2": "tar archive",
        ".tar.xz": "tar archive",
        ".txz": "tar archive",
        ".tar.zst": "tar archive",
        ".gz": "gzip file",
        ".bz2": "bzip2 file",
        ".xz": "xz file",
        ".zst": "Zstandard file",
    }
)
_TAR_MAGIC_OFFSET, _TAR_MAGIC = 257, b"ustar"
_MAGIC: Mapping[bytes, str] = MappingProxyType(
    {
        b"7z\xbc\xaf\x27\x1c": "7-Zip archive",
        b"Rar!\x1a\x07": "RAR archive",
        b"\x1f\x8b": "gzip file",
        b"BZh": "bzip2 file",
        b"\xfd7zXZ\x00": "xz file",
        b"\x28\xb5\x2f\xfd": "Zstandard file",
    }
)
FIX = "Unpack it and choose the folder, or pack the files as a zip."


def name_archive(name: str) -> str | None:
    """Return what a file is by its name, None when the name is not that of an archive."""
    folded = name.casefold()
    return next((kind for ending, kind in _ENDINGS.items() if folded.endswith(ending)), None)


def find_other_archive(path: Path) -> str | None:
    """Return what an archive is that is not a zip, by its content; None for anything else."""
    try:
        with open_regular(path) as file:
            head = file.read(_TAR_MAGIC_OFFSET + len(_TAR_MAGIC))
    except OSError:
        return None
    if head[_TAR_MAGIC_OFFSET:] == _TAR_MAGIC:
        return "tar archive"
    return next((_more_exactly(path, kind) for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def _more_exactly(path: Path, kind: str) -> str:
    """Return what the name adds to the content: a gzip file that is called .tar.gz is a tar archive."""
    return "tar archive" if kind.endswith("file") and name_archive(path.name) == "tar archive" else kind
