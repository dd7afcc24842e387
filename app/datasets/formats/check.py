"""The dry run: what an import would find, without writing a dataset. Runs in the web process, so without torch."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.datasets.formats.archive import extract_zip
from app.datasets.formats.base import FoundImage, ProblemList, SourceError
from app.datasets.formats.findings import count_classes, drop_empty_classes
from app.datasets.formats.source import Source, SourceScan, is_zip, scan_source
from app.datasets.images import UnreadableImageError, read_header
from app.schemas.datasets import ImportOptions, ImportReport
from app.schemas.payloads import ImportLimits
from app.schemas.tasks import AnnotationKind

MAX_HEADERS = 20_000


def check_source(
    path: Path,
    annotation_kind: AnnotationKind,
    allowed_formats: Sequence[str],
    source_format: str | None,
    options: ImportOptions,
    limits: ImportLimits,
    scratch_dir: Path | None = None,
) -> ImportReport:
    """Return what an import of a folder, zip or annotation file would find; what is wrong is in the report, not raised.

    A zip is unpacked below `scratch_dir`, an existing directory (the system's for temporary files by default), and
    removed again. Headers of the first images are read, no pixels: a file that is damaged behind its header is found
    by the import.
    """
    source = Source(path, annotation_kind, allowed_formats, source_format, options, limits)
    refused = ProblemList(source.limits.max_named_problems)
    try:
        if not is_zip(source.path):
            return _report(scan_source(source), source.limits, refused)
        with tempfile.TemporaryDirectory(dir=scratch_dir, prefix="check-") as folder:
            refused = extract_zip(source.path, Path(folder), source.limits)
            return _report(scan_source(replace(source, path=Path(folder))), source.limits, refused)
    except SourceError as error:
        refused.add(source.path.name or str(source.path), error.message, error.fix)
        return _refusal(source, refused)


def _report(found: SourceScan, limits: ImportLimits, refused: ProblemList) -> ImportReport:
    scan = found.scan
    images = _readable(scan.images, limits, scan.problems)
    counts = count_classes(image.annotations for image in images)
    classes, _ = drop_empty_classes(scan.classes, counts, scan.problems)
    notes = list(scan.notes)
    if len(scan.images) > MAX_HEADERS:
        notes.append(f"The headers of the first {MAX_HEADERS:,} of {len(scan.images):,} images were read.")
    problems = [*refused.named, *scan.problems.named]
    return ImportReport(
        source_format=found.format.name,
        num_images=len(images),
        num_annotations=sum(len(image.annotations) for image in images),
        classes=list(classes),
        class_counts={name: counts[name] for name in classes},
        found_classes=found.found_classes,
        split_counts=dict(Counter(image.split or "none" for image in images)) if scan.has_split else {},
        value_names=list(scan.value_names),
        num_problems=refused.num_problems + scan.problems.num_problems,
        problems=problems[: limits.max_named_problems],
        notes=notes,
        can_import=bool(images),
    )


def _readable(images: Sequence[FoundImage], limits: ImportLimits, problems: ProblemList) -> list[FoundImage]:
    readable = list(images[MAX_HEADERS:])
    for image in images[:MAX_HEADERS]:
        try:
            read_header(image.path, limits)
        except UnreadableImageError as error:
            problems.add(image.name, error.message, error.fix)
        else:
            readable.append(image)
    return readable


def _refusal(source: Source, refused: ProblemList) -> ImportReport:
    return ImportReport(
        source_format=source.source_format or "",
        num_images=0,
        num_annotations=0,
        classes=[],
        class_counts={},
        split_counts={},
        num_problems=refused.num_problems,
        problems=refused.named,
        can_import=False,
    )
