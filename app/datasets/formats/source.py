"""From what a user points at to a scan: a folder, or an annotation file beside its images. Zips are unpacked before."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.annotations.base import AnnotationKind
from app.datasets.formats.base import ChoiceError, ImportFormat, Scan, SourceError, clean_text
from app.datasets.formats.class_mapping import count_found_classes, map_classes
from app.datasets.formats.documents.reasons import explain_documents
from app.datasets.formats.documents.sets import find_candidates
from app.datasets.formats.layouts.subset_documents import SubsetFolder, find_subset_documents, scan_subsets
from app.datasets.formats.layouts.subset_lists import names_folders, split_by_lists
from app.datasets.formats.layouts.tool_layouts import NOT_CLASSES
from app.datasets.formats.layouts.tree import read_tree
from app.datasets.formats.layouts.walking import is_inside_file
from app.datasets.formats.registry import describe_unknown, get_format, list_usable
from app.datasets.formats.report.accounting import Inventory, account_for_files, find_outside, list_file_names
from app.datasets.formats.report.disagreement import Disagreement, find_disagreement, is_other_part, may_be_a_part
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.report.unused_options import note_unused_options
from app.datasets.formats.source_root import find_format, find_root, list_beside
from app.datasets.formats.tables.open_table import LOOSE_ENDINGS, SPREADSHEET_ENDINGS, TABLE_ENDINGS, is_workbook
from app.datasets.formats.work import LimitError, Work
from app.regular_files import open_regular
from app.schemas.datasets import ImportOptions
from app.schemas.format_names import describe_format
from app.schemas.import_report import Remedy

# Documents that a report offers to read instead; each is looked into.
_MAX_DOCUMENTS = 20
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")


@dataclass(frozen=True)
class Source:
    """What to import and how; `path` is absolute. `source_format` None: found from the content."""

    path: Path
    kind: AnnotationKind
    allowed_formats: Sequence[str]
    source_format: str | None = None
    options: ImportOptions = field(default_factory=ImportOptions)
    work: Work = field(default_factory=Work)


@dataclass(frozen=True)
class SourceScan:
    """A scanned source: the format, the resolved folder that its names are relative to, and what it holds.

    `found_classes` has the images of each class as the source names them; `scan` has the names of the mapping.
    `unmapped` is the scan with the names of the source. `inventory` knows every image file of the source, also those
    that are not in the scan.
    """

    format: ImportFormat
    root: Path
    scan: Scan
    unmapped: Scan
    found_classes: dict[str, int]
    inventory: Inventory


@dataclass(frozen=True)
class _SourceReading:
    """How a source is read: the format, and the folders that each have a document of their own, if they do."""

    format: ImportFormat
    subsets: Sequence[SubsetFolder] = ()


def is_zip(path: Path) -> bool:
    """Say whether a file begins like a zip archive, or is named like one."""
    try:
        with open_regular(path) as file:
            if path.suffix.lower() in SPREADSHEET_ENDINGS:  # these begin like a zip, because they are one
                return False
            if path.suffix.lower() in (*TABLE_ENDINGS, *LOOSE_ENDINGS) and is_workbook(file):
                return False
            return file.read(4).startswith(_ZIP_SIGNATURES) or path.suffix.lower() == ".zip"
    except OSError:
        return False


def scan_source(source: Source) -> SourceScan:
    """Find the format of a folder or annotation file and list its images; raises SourceError."""
    root, options, named = find_root(source)
    chosen = replace(source, options=options)
    readings = _find_readings(root, chosen, source.source_format or named)
    reading, scan = _scan_first(readings, root, chosen)
    found = reading.format
    _check_extent(scan, source.work)
    path = source.path.resolve()
    scan = split_by_lists(scan, root, path if path.is_dir() else root, options, source.work)
    tree = read_tree(root, source.work)
    is_reaching = path.is_file() and bool(found.document_endings)
    outside = find_outside(tree, scan, source.work) if is_reaching else frozenset()
    inventory, notes = account_for_files(tree, scan, found, source.work, outside)
    beside = list_beside(source.path, root, source.work)
    scan = replace(scan, notes=(*scan.notes, *notes, *beside, *note_unused_options(found, options)))
    found_classes = count_found_classes(scan)
    return SourceScan(found, root, map_classes(scan, options.class_mapping), scan, found_classes, inventory)


def list_documents(found: SourceScan, source: Source) -> list[str]:
    """Return the annotation files of a source that the option annotation_file can name."""
    formats = [item for item in list_usable(source.allowed_formats) if item.name in source.kind.formats]
    documents: list[str] = []
    for item in formats:
        for endings in (item.document_endings, item.loose_endings):
            if endings:
                documents += find_candidates(found.root, endings, source.work)
    return [
        name
        for name in list(dict.fromkeys(documents))[: 2 * _MAX_DOCUMENTS]
        if any(_fits(item, found.root, name, source) for item in formats)
    ]


def _fits(item: ImportFormat, root: Path, name: str, source: Source) -> bool:
    if not name.lower().endswith((*item.document_endings, *item.loose_endings)):
        return False
    return item.is_match(root, source.options.model_copy(update={"annotation_file": name}), source.work)


def _find_readings(root: Path, source: Source, chosen: str | None) -> list[_SourceReading]:
    """Return the ways in which the allowed formats can read a folder, the best first; raises SourceError for none.

    The chosen format is one in any case. A document in the folder itself comes before documents in the folders of
    subsets, and both before folders of classes.
    """
    options = source.options
    if chosen is None and options.annotation_file is not None and is_inside_file(root, options.annotation_file):
        chosen = find_format(root, options, source)
    usable = list_usable(source.allowed_formats) if chosen is None else [get_format(chosen, source.allowed_formats)]
    readings: list[_SourceReading] = []
    for item in usable:
        if item.is_match(root, options, source.work):
            readings.append(_SourceReading(item))
        elif subsets := find_subset_documents(root, item, options, source.work):
            readings.append(_SourceReading(item, subsets))
    if not readings and chosen is None:
        # Files that are named like images and are none each have a reason, which the headers will give.
        folders = [item for item in usable if not item.document_endings and item.name in source.kind.formats]
        if not folders or not any(inner.num_below for inner in read_tree(root, source.work).top.folders):
            raise describe_unknown(root, usable, source.work)
        return [_SourceReading(folders[0])]
    return readings or [_SourceReading(usable[0])]


def _scan_first(readings: Sequence[_SourceReading], root: Path, source: Source) -> tuple[_SourceReading, Scan]:
    """Return the first reading that finds images, else what the first one found; raises its SourceError.

    So a document whose files are elsewhere does not hide folders of classes. What is not used leaves no problems.
    """
    rewind = source.work.mark_problems()
    result = _try_scan(readings[0], root, source)
    if isinstance(result, ChoiceError):
        raise result
    if isinstance(result, Scan) and result.images:
        return _prefer_folders(readings, result, rewind, root, source)
    if isinstance(result, Scan) and any(group.kind == "ambiguous_file" for group in result.problems.groups):
        return readings[0], result  # the images are there, so the folders are no substitute for the labels
    rewind_others = source.work.mark_problems()
    for reading in readings[1:]:
        other = _try_scan(reading, root, source)
        rewind_others()
        if isinstance(other, Scan) and other.images and NOT_CLASSES.isdisjoint(map(str.casefold, other.classes)):
            rewind()
            scan = _scan(reading, root, source)
            note = f"Read as {_name(reading)}, because no image was found as {_name(readings[0])}."
            return reading, replace(scan, notes=(*scan.notes, note))
    if isinstance(result, SourceError):
        raise result
    return readings[0], result


def _prefer_folders(
    readings: Sequence[_SourceReading],
    scan: Scan,
    rewind: Callable[[], None],
    root: Path,
    source: Source,
) -> tuple[_SourceReading, Scan]:
    """Return the folders of classes instead of a document that repeats them, or contradicts them and leaves images out.

    A list of images with the numbers of their folders repeats them; it may still divide them. A document that
    contradicts them holds predictions more often than labels. One that names every image is read, with a warning.
    """
    tree, options = read_tree(root, source.work), source.options
    found = None if options.target_columns else find_disagreement(scan, tree)
    is_repeated = found is None and not options.target_columns and names_folders(scan)
    folders = next((reading for reading in readings[1:] if not reading.format.document_endings), None)
    if found is None and not is_repeated:
        if folders is None or options.annotation_file is not None or not may_be_a_part(scan, tree):
            return readings[0], scan
        return _prefer_larger_part(readings[0], folders, scan, rewind, root, source)
    if folders is not None and (is_repeated or len(scan.images) < tree.top.num_below):
        rewind()
        other = _try_scan(folders, root, source)
        if isinstance(other, Scan) and len(other.images) + is_repeated > len(scan.images):
            if found is None:
                why = f", because the labels in {list_file_names(scan.read_documents)} only repeat the folders."
            else:
                why = f": {found.message} {_name_other_choice('It', readings[0], scan, tree.top.num_below)}"
            return folders, replace(other, notes=(*other.notes, f"Read as {_name(folders)}{why}"))
        rewind()
        scan = _scan(readings[0], root, source)
    if found is not None:
        _warn_of_disagreement(found, scan.problems, source)
    return readings[0], scan


def _prefer_larger_part(
    reading: _SourceReading,
    folders: _SourceReading,
    scan: Scan,
    rewind: Callable[[], None],
    root: Path,
    source: Source,
) -> tuple[_SourceReading, Scan]:
    """Return the folders of classes instead of a document for other images, such as those of one subset, if fewer."""
    rewind()
    other = _try_scan(folders, root, source)
    if isinstance(other, Scan) and is_other_part(scan, other):
        named = clean_text(scan.read_documents[0]) if scan.read_documents else _name(reading)
        num_files = read_tree(root, source.work).top.num_below
        note = f"Read as {_name(folders)}, because {_name_other_choice(named, reading, scan, num_files)}"
        return folders, replace(other, notes=(*other.notes, note))
    rewind()
    return reading, _scan(reading, root, source)


def _name(reading: _SourceReading) -> str:
    return describe_format(reading.format.name)


def _name_other_choice(named: str, reading: _SourceReading, scan: Scan, num_files: int) -> str:
    """Say that a document names few images, and how it is read all the same."""
    return (
        f"{named} names only {len(scan.images):,} of {num_files:,} images. "
        f"To use its classes instead, choose the format {_name(reading)}."
    )


def _warn_of_disagreement(found: Disagreement, problems: ProblemList, source: Source) -> None:
    """Warn that labels differ from the names of folders, and offer to read the folders."""
    fix = "Check which are right. To use the folders, choose the format Image folders."
    problems.warn(found.document, found.message, fix, kind="other_folder")
    options = dict.fromkeys(("annotation_file", "filename_column", "target_columns", "split_column"))
    for item in list_usable(source.allowed_formats):
        if not item.document_endings and item.name in source.kind.formats:
            remedy = Remedy(label="Use the folders as classes", options=options, source_format=item.name)
            problems.offer("other_folder", remedy)


def _try_scan(reading: _SourceReading, root: Path, source: Source) -> Scan | SourceError:
    try:
        return _scan(reading, root, source)
    except LimitError:
        raise
    except SourceError as error:
        return error


def _scan(reading: _SourceReading, root: Path, source: Source) -> Scan:
    found, kind = reading.format, source.kind
    if found.name not in kind.formats:
        msg = f"The format {found.name!r} cannot hold annotations of the kind {kind.id!r}."
        raise SourceError(msg, "Choose another format.")
    if reading.subsets:
        return scan_subsets(reading.subsets, found, kind, source.options, source.work)
    return _scan_folder(root, found, source)


def _scan_folder(root: Path, found: ImportFormat, source: Source) -> Scan:
    """Return the scan of a format. A refusal of a format without documents says why those that are there are none."""
    try:
        return found.scan(root, source.kind, source.options, source.work)
    except LimitError:
        raise
    except SourceError as error:
        if found.document_endings:
            raise
        reasons, fix = explain_documents(root, source.work)
        either = f"{fix} Or {error.fix[:1].lower()}{error.fix[1:]}" if fix else error.fix
        raise SourceError(f"{error.message}{reasons}", either) from error


def _check_extent(scan: Scan, work: Work) -> None:
    """Raise LimitError for more classes or more bytes of images than an import may have."""
    limits = work.limits
    if len(scan.classes) > limits.max_classes:
        msg = f"There are {len(scan.classes):,} classes; {limits.max_classes:,} is the limit."
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
