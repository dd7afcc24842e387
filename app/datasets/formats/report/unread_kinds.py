"""Names the files of a source that hold images in a form that is not read, such as NumPy arrays: what to do about them.

Files that are named or begin like images have this from `foreign_files.py` when their headers are read; these here are
the other files, which would be one number in a note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from app.datasets.foreign_files import (
    DICOM,
    EMPTY,
    FITS,
    GIT_LFS,
    HDF5,
    HEAD_BYTES,
    ICLOUD,
    NETPBM,
    NIFTI,
    NUMPY,
    PDF,
    RAW,
    TEXT,
    VIDEO,
    WEB_PAGE,
    ForeignKind,
    name_content,
)
from app.plurals import name_first
from app.regular_files import open_regular

_SLICES = NIFTI.fix
_MICROSCOPE = ForeignKind("This is an image of a microscope program.", "Export it as TIFF.")
_SLIDE = ForeignKind("This is a whole-slide image.", "Cut it into tiles, and save them as PNG or TIFF.")
_RECORDS = ForeignKind("This is a TFRecord file.", "Save each image in it as JPEG or PNG.")
_ENDINGS: Mapping[str, ForeignKind] = MappingProxyType(
    {
        ".npy": NUMPY,
        ".npz": ForeignKind("This is an archive of NumPy arrays.", "Save each image in it as PNG or TIFF."),
        **dict.fromkeys((".fits", ".fit", ".fts"), FITS),
        **dict.fromkeys((".dicom", ".dic"), DICOM),
        **dict.fromkeys((".nii", ".nii.gz"), NIFTI),
        **dict.fromkeys((".mha", ".mhd"), ForeignKind("This is a MetaImage volume.", _SLICES)),
        ".nrrd": ForeignKind("This is an NRRD volume.", _SLICES),
        ".mat": ForeignKind("This is a MATLAB file.", "Save each image in it as PNG or TIFF."),
        **dict.fromkeys((".h5", ".hdf5"), HDF5),
        **dict.fromkeys((".czi", ".lif", ".nd2", ".oib", ".oif", ".vsi", ".ims", ".lsm"), _MICROSCOPE),
        **dict.fromkeys((".svs", ".ndpi", ".mrxs", ".scn", ".bif"), _SLIDE),
        **dict.fromkeys((".tfrecord", ".tfrecords"), _RECORDS),
        **dict.fromkeys((".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".wmv", ".mpg", ".mpeg"), VIDEO),
        **dict.fromkeys((".rwl", ".srw", ".x3f", ".3fr", ".iiq", ".mrw", ".sr2"), RAW),
        ".pdf": PDF,
    }
)
_ALL_ENDINGS = tuple(_ENDINGS)
# Endings of text, which is not opened for it.
_TEXTS = frozenset(
    {".txt", ".md", ".json", ".jsonl", ".xml", ".csv", ".tsv", ".yaml", ".yml", ".toml", ".py", ".ipynb", ".html"}
)
# What lies beside images for other reasons, and what ordinary text or a settings file may begin like.
_NO_IMAGES = frozenset({EMPTY, TEXT, WEB_PAGE, GIT_LFS, ICLOUD, NETPBM})
_NO_FIXES = frozenset({"Unpack it first.", "Remove it."})  # archives, office documents, companions of files
MAX_OPENED = 100
_MAX_NAMED = 5


def name_by_ending(name: str) -> ForeignKind | None:
    """Return what a file is by the ending of its name; None for all that hold no images."""
    folded = name.lower()
    if not folded.endswith(_ALL_ENDINGS):
        return None
    return next(kind for ending, kind in _ENDINGS.items() if folded.endswith(ending))


def find_unread_kinds(files: Mapping[str, Path]) -> dict[ForeignKind, list[str]]:
    """Return the names of the files that hold images in a form that is not read, by what they are.

    The first files with another ending, or with none as scanners write DICOM images, are opened.
    """
    found: dict[ForeignKind, list[str]] = {}
    unknown = (name for name, path in files.items() if path.suffix.lower() not in _TEXTS and not name_by_ending(name))
    opened = {name: _name_by_content(files[name]) for name in islice(unknown, MAX_OPENED)}
    for name in files:
        kind = name_by_ending(name) or opened.get(name)
        if kind is not None:
            found.setdefault(kind, []).append(name)
    return found


def describe_unread(kind: ForeignKind, names: Sequence[str]) -> str:
    """Return a note about files of one kind: how many, what they are, and what to do to import them."""
    because = f"1 other file is not read, because it is {kind.what}"
    if len(names) > 1:
        because = f"{len(names):,} other files are not read, because each is {kind.what}"
    return f"{because}: {name_first(names, _MAX_NAMED)}. {kind.fix}"


def _name_by_content(path: Path) -> ForeignKind | None:
    try:
        with open_regular(path) as file:
            kind = name_content(file.read(HEAD_BYTES))
    except OSError:
        return None
    return None if kind is None or kind in _NO_IMAGES or kind.fix in _NO_FIXES else kind
