"""Makes the table of dataset.json from what was brought in and what was found on the way."""

from __future__ import annotations

from collections.abc import Sequence

from app.annotations.base import renumber
from app.datasets.formats.base import MAX_NOTE_CHARACTERS, shorten
from app.datasets.formats.report.findings import count_classes, drop_empty_classes, warn_of_classes
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.source import SourceScan
from app.datasets.identical import find_identical, measure_split_leaks
from app.datasets.importing.bringing import Imported
from app.datasets.importing.duplicates import warn_of_copies
from app.datasets.importing.naming import keep_source_name
from app.datasets.table import (
    DatasetTable,
    GroupRecord,
    ImageRecord,
    ProblemRecord,
    SplitRecord,
    StatsRecord,
    hash_content,
)
from app.schemas.common import utc_now
from app.schemas.import_report import ImportProblem
from app.schemas.payloads import ImportPayload

ORIGINAL_SPLIT = "original"


def build_table(
    payload: ImportPayload, found: SourceScan, imported: Sequence[Imported], problems: ProblemList, num_files: int
) -> DatasetTable:
    """Return the table of an import; warns of classes and copies that deserve it."""
    counts = count_classes(item.found.annotations for item in imported)
    classes, ids = drop_empty_classes(found.scan.classes, counts, problems)
    read = [item.found for item in imported]
    warn_of_classes(read, found.found_classes, payload.options, problems)
    warn_of_copies(read, [item.stored.content_hash for item in imported], problems)
    is_reference = payload.mode == "reference"
    images = [
        ImageRecord(
            filename=item.filename,
            width=item.stored.header.width,
            height=item.stored.header.height,
            split=[item.found.split or "none"] if found.scan.has_split else [],
            annotations=renumber(item.found.annotations, ids),
            source=str(item.found.path) if is_reference else None,
            content_hash=item.stored.content_hash,
            size_bytes=item.stored.size_bytes,
            source_name=keep_source_name(item.found.name, item.filename),
        )
        for item in imported
    ]
    now = utc_now()
    return DatasetTable(
        id=payload.dataset_id,
        task=payload.task,
        source_format=found.format.name,
        source_path=str(found.root) if is_reference else payload.source_label,
        imported_at=now,
        classes=list(classes),
        split_names=[ORIGINAL_SPLIT] if found.scan.has_split else [],
        image_stats=_measure(imported),
        images=images,
        import_mode=_recorded_mode(payload, imported),
        content_hash=hash_content(images),
        num_problems=problems.num_problems,
        problems=_record_problems(problems.named),
        groups=[
            GroupRecord(
                item.kind, item.title, item.severity, item.count, item.num_images, _record_problems(item.examples)
            )
            for item in problems.groups
        ],
        num_files=num_files,
        num_lost=problems.num_lost,
        num_left_out=problems.num_left_out,
        num_unused_entries=problems.num_unused_entries,
        value_names=list(found.scan.value_names),
        splits=[_record_original(images, now)] if found.scan.has_split else [],
        class_mapping=dict(payload.options.class_mapping),
        notes=[shorten(note, MAX_NOTE_CHARACTERS) for note in found.scan.notes],
    )


def _record_problems(problems: Sequence[ImportProblem]) -> list[ProblemRecord]:
    return [ProblemRecord(item.file, item.message, item.fix, item.severity, item.kind) for item in problems]


def _record_original(images: Sequence[ImageRecord], now: str) -> SplitRecord:
    leaks = measure_split_leaks(images, find_identical(images), [image.split[0] for image in images])
    return SplitRecord(ORIGINAL_SPLIT, created_at=now, leaks=leaks.model_dump())


def _recorded_mode(payload: ImportPayload, imported: Sequence[Imported]) -> str:
    """Return the mode that is true of the files: a link that had to become a copy is a copy."""
    return payload.mode if any(item.stored.transfer == payload.mode for item in imported) else "copy"


def _measure(imported: Sequence[Imported]) -> StatsRecord:
    headers = [item.stored.header for item in imported]
    widths, heights = [header.width for header in headers], [header.height for header in headers]
    formats = sorted({header.format for header in headers})
    return StatsRecord(len(headers), min(widths), max(widths), min(heights), max(heights), formats)
