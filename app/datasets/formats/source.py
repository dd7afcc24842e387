"""From what a user points at to a scan: a folder, or an annotation file beside its images. Zips are unpacked before."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.datasets.formats.base import ImportFormat, Scan, SourceError, subset_of
from app.datasets.formats.class_mapping import count_found_classes, map_classes
from app.datasets.formats.registry import detect_format, get_format, list_formats
from app.datasets.formats.walking import list_folder
from app.datasets.formats.work import LimitError, Work
from app.regular_files import is_system_folder, open_regular
from app.schemas.datasets import ImportOptions
from app.schemas.tasks import AnnotationKind

_MAX_UNWRAPPED = 32
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")


@dataclass(frozen=True)
class Source:
    """What to import and how; `path` is absolute. `source_format` None: found from the content."""

    path: Path
    annotation_kind: AnnotationKind
    allowed_formats: Sequence[str]
    source_format: str | None = None
    options: ImportOptions = field(default_factory=ImportOptions)
    work: Work = field(default_factory=Work)


@dataclass(frozen=True)
class SourceScan:
    """A scanned source: the format, the resolved folder that its names are relative to, and what it holds.

    `found_classes` has the images of each class as the source names them; `scan` has the names of the mapping.
    """

    format: ImportFormat
    root: Path
    scan: Scan
    found_classes: dict[str, int]


def is_zip(path: Path) -> bool:
    """Say whether a file begins like a zip archive, or is named like one."""
    try:
        with open_regular(path) as file:
            return file.read(4).startswith(_ZIP_SIGNATURES) or path.suffix.lower() == ".zip"
    except OSError:
        return False


def scan_source(source: Source) -> SourceScan:
    """Find the format of a folder or annotation file and list its images; raises SourceError."""
    root, options, named = _find_root(source)
    chosen = source.source_format or named
    if chosen is not None:
        found = get_format(chosen, source.allowed_formats)
    else:
        found = detect_format(root, source.allowed_formats, options, source.work)
    if source.annotation_kind not in found.annotation_kinds:
        msg = f"The format {found.name!r} cannot hold annotations of the kind {source.annotation_kind!r}."
        raise SourceError(msg, "Choose another format.")
    scan = found.scan(root, source.annotation_kind, options, source.work)
    _check_extent(scan, source.work)
    return SourceScan(found, root, map_classes(scan, options.class_mapping), count_found_classes(scan))


def _find_root(source: Source) -> tuple[Path, ImportOptions, str | None]:
    """Return the resolved folder, the options, and the format that the ending of an annotation file asks for."""
    try:
        path = source.path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        msg = f"{source.path.name!r} does not exist or cannot be reached."
        raise SourceError(msg, "Check the path; it is a path on the machine that runs AI Studio.") from error
    if is_system_folder(path):
        msg = f"{path.name!r} belongs to the system: it shows the state of the machine and holds no files."
        raise SourceError(msg, "Choose the folder that holds the images.")
    if path.is_dir():
        return _unwrap(path, source.work), source.options, None
    endings = _document_endings()
    if not path.is_file() or path.suffix.lower() not in endings:
        msg = f"{path.name!r} is neither a folder, nor a zip, nor an annotation file ({', '.join(endings)})."
        raise SourceError(msg, "Choose the folder that holds the images.")
    return path.parent, source.options.model_copy(update={"annotation_file": path.name}), endings[path.suffix.lower()]


def _check_extent(scan: Scan, work: Work) -> None:
    """Raise LimitError for more classes or more bytes of images than an import may have."""
    limits = work.limits
    if len(scan.classes) > limits.max_classes:
        msg = f"There are {len(scan.classes):,} classes; {limits.max_classes:,} is the most."
        raise LimitError(msg, "Merge classes, or raise AI_STUDIO_MAX_CLASSES.")
    num_bytes = 0
    for number, image in enumerate(scan.images, start=1):
        work.step("Adding up the sizes of the images", number, len(scan.images))
        with contextlib.suppress(OSError):  # it has gone meanwhile, which is said by whoever opens it
            num_bytes += image.path.stat().st_size
        if num_bytes > limits.max_total_bytes:
            msg = (
                f"The first {number:,} of {len(scan.images):,} images have more than {limits.max_total_bytes:,} bytes."
            )
            raise LimitError(msg, "Import a part of them, or raise AI_STUDIO_MAX_IMPORT_BYTES.")


def _document_endings() -> dict[str, str]:
    """Return for each ending of an annotation file the first format that reads it."""
    found: dict[str, str] = {}
    for name, item in list_formats().items():
        for ending in item.document_endings:
            found.setdefault(ending, name)
    return found


def _unwrap(root: Path, work: Work) -> Path:
    """Return the folder inside when there is nothing else: what packing a folder makes. A lone class is left alone."""
    for _ in range(_MAX_UNWRAPPED):
        folders, files = list_folder(root, work)
        if files or len(folders) != 1 or folders[0].is_symlink() or subset_of(folders[0]):
            return root
        inner_folders, inner_files = list_folder(folders[0], work)
        has_document = any(path.suffix.lower() in _document_endings() for path in inner_files)
        if not inner_folders and not has_document:
            return root
        root = folders[0]
    return root
