"""The job `import`: from a source to dataset.json, images/ and .thumbs/ in the output directory.

What a source looks like is the business of the formats, how one image is brought in that of `storing`. Runs in a job
process and needs no torch.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.annotations.base import renumber
from app.annotations.registry import get_kind
from app.datasets.formats.archives.archive import extract_zip
from app.datasets.formats.base import MAX_NOTE_CHARACTERS, FoundImage, SourceError, shorten
from app.datasets.formats.report.findings import count_classes, drop_empty_classes, warn_of_classes
from app.datasets.formats.report.problem_file import PROBLEMS_NAME
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.source import Source, SourceScan, is_zip, scan_source
from app.datasets.formats.work import Work
from app.datasets.identical import find_identical, measure_split_leaks, summarize_identical
from app.datasets.images import UnreadableImageError
from app.datasets.importing.duplicates import warn_of_copies
from app.datasets.importing.job_guard import guard_limits
from app.datasets.importing.naming import assign_filenames, keep_source_name
from app.datasets.importing.redrawing import Redraw, needs_redraw, redraw_all
from app.datasets.importing.storing import ImageStore, StoredImage, Transfer
from app.datasets.pixels.records import record_reading
from app.datasets.pixels.survey import PixelSurvey
from app.datasets.samples import write_sample
from app.datasets.splits import DrawnSplit, add_split, draw_split
from app.datasets.table import (
    DatasetTable,
    GroupRecord,
    ImageRecord,
    ProblemRecord,
    SplitRecord,
    StatsRecord,
    encode_dataset,
    hash_content,
)
from app.datasets.thumbnails import thumbnail_path
from app.durable import sync_directory, write_bytes_durably
from app.schemas.common import utc_now
from app.schemas.events import JobProgressed, SplitSummary, StageStatus
from app.schemas.import_report import MAX_NAMED_CLASSES, ImportProblem
from app.schemas.job_context import JobContext, JobFailure, raise_if_cancelled
from app.schemas.payloads import ImportPayload
from app.schemas.pixels import PixelReading
from app.schemas.splits import SplitCreate

ORIGINAL_SPLIT = "original"
_IMPORTING = "Importing images"
_UNPACKED_DIR = ".unpacked"
_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})
# Enough that no core waits for another's file, few enough that a cancelled job ends at once.
_WAITING_PER_WORKER = 8


@dataclass(frozen=True)
class _Imported:
    """An image that is in the dataset now."""

    filename: str
    found: FoundImage
    stored: StoredImage


def run(context: JobContext) -> dict[str, Any]:
    """Import a dataset; raises JobFailure with what to do about it, and JobCancelled."""
    payload = ImportPayload.model_validate(context.request.payload)
    context.report(StageStatus(stage_id="DATA_SOURCE", status="IN_PROGRESS", message="Importing images."))

    def on_progress(doing: str, done: int, total: int) -> None:
        raise_if_cancelled(context)
        context.report(JobProgressed(job_id=context.request.job_id, done=done, total=total, message=doing))

    try:
        work = Work(payload.limits, on_progress, context.output_dir / PROBLEMS_NAME, workspace=payload.workspace)
        with closing(work), guard_limits(work, Path(context.request.job_dir)):
            return _import(context, payload, work)
    except SourceError as error:
        msg = f"{error.message} {error.fix}"
        raise JobFailure(msg, kind="SourceError") from error
    except OSError as error:
        if error.errno not in _FULL_DISK:
            raise
        msg = "The disk is full. Free up disk space, or store the files as hard links or references."
        raise JobFailure(msg, kind="DiskFull") from error


def _import(context: JobContext, payload: ImportPayload, work: Work) -> dict[str, Any]:
    images_dir, thumbnails_dir = context.output_dir / "images", context.output_dir / ".thumbs"
    for folder in (images_dir, thumbnails_dir):
        folder.mkdir(parents=True, exist_ok=True)
    unpacked = context.output_dir / _UNPACKED_DIR
    source, transfer, refused = _open_source(payload, unpacked, work)
    found = scan_source(_source(payload, source, work))
    work.forget_documents()
    store = ImageStore(images_dir, thumbnails_dir, transfer, payload.limits)
    imported = list(_store_images(work, found, store))
    shutil.rmtree(unpacked, ignore_errors=True)
    survey = _survey(imported, payload)
    survey.warn(found.scan.problems)
    problems = _join_problems(refused, found.scan.problems, work)
    if not imported:
        raise JobFailure(_explain(problems), kind="SourceError")
    num_files = found.inventory.count_files([item.found for item in imported], problems)
    pixels = survey.find_reading()
    _redraw(work, store, imported, pixels)
    table = record_reading(_build_table(payload, found, imported, problems, num_files), pixels)
    table.notes = [*refused.notes, *table.notes, *survey.describe()]
    if payload.split is not None:
        table = add_split(table, payload.split, _draw(table, payload, payload.split))
    sync_directory(images_dir)
    write_bytes_durably(context.output_dir / "dataset.json", encode_dataset(table))
    return _summarize(table) | _summarize_split(table, payload)


def _open_source(payload: ImportPayload, unpacked: Path, work: Work) -> tuple[Path, Transfer, ProblemList]:
    """Return the folder or file to scan, how its files come in, and what was refused on the way."""
    refused, transfer = work.new_problems(), _transfer(payload)
    if payload.sample_writer:
        unpacked.mkdir()
        work.step("Writing the sample images", 0)
        write_sample(payload.sample_writer, unpacked)
        return unpacked, "move", refused
    source = Path(payload.source_path)
    if is_zip(source):
        unpacked.mkdir()
        refused = extract_zip(source, unpacked, work)
        return unpacked, "move", refused
    return source, transfer, refused


def _draw(table: DatasetTable, payload: ImportPayload, request: SplitCreate) -> DrawnSplit:
    return draw_split(table, get_kind(payload.annotation_kind), request.ratios, request.seed)


def _transfer(payload: ImportPayload) -> Transfer:
    if payload.mode == "reference" and is_zip(Path(payload.source_path)):
        msg = "The images inside a zip cannot be referenced. Unpack it first, or choose the mode copy."
        raise JobFailure(msg, kind="SourceError")
    return payload.mode


def _source(payload: ImportPayload, path: Path, work: Work) -> Source:
    return Source(
        path, get_kind(payload.annotation_kind), payload.allowed_formats, payload.source_format, payload.options, work
    )


def _store_images(work: Work, found: SourceScan, store: ImageStore) -> Iterator[_Imported]:
    """Bring in every image that can be read, in order; add the others to the problems."""
    images, problems = found.scan.images, found.scan.problems
    names = assign_filenames(image.name for image in images)
    was_linked = True
    with closing(_submit_all(store, images, names)) as stores:
        for done, (image, name, future) in enumerate(stores):
            work.step(_IMPORTING, done, len(images))
            try:
                stored = future.result()
            except UnreadableImageError as error:
                problems.add(image.name, error.message, error.fix, kind="unreadable_image", path=image.path)
                continue
            if store.transfer == "link" and stored.transfer == "copy" and was_linked:
                was_linked = False
                msg = "Files could not be hard-linked here and were copied."
                problems.warn(image.name, msg, "Keep the source on the same disk as the workspace to save space.")
            yield _Imported(name, image, stored)
    work.step(_IMPORTING, len(images), len(images))


def _submit_all(
    store: ImageStore, images: Sequence[FoundImage], names: Sequence[str]
) -> Generator[tuple[FoundImage, str, Future[StoredImage]], None, None]:
    """Yield each image with its work, in order, a bounded number of them ahead. Decoding releases the GIL."""
    num_workers = _count_cores()
    pending: deque[tuple[FoundImage, str, Future[StoredImage]]] = deque()
    with ThreadPoolExecutor(num_workers) as pool:
        try:
            for image, name in zip(images, names, strict=True):
                pending.append((image, name, pool.submit(store.store, image.path, name)))
                if len(pending) >= num_workers * _WAITING_PER_WORKER:
                    yield pending.popleft()
            while pending:
                yield pending.popleft()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _count_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _survey(imported: Sequence[_Imported], payload: ImportPayload) -> PixelSurvey:
    survey = PixelSurvey(payload.options.pixel_scale)
    for item in imported:
        survey.add_header(item.stored.header)
        survey.add_look(item.stored.look, item.found.name)
    return survey


def _redraw(work: Work, store: ImageStore, imported: Sequence[_Imported], pixels: PixelReading) -> None:
    """Draw the thumbnails again that depend on what was found over all images."""
    redraws = [
        Redraw(
            item.found.path if store.transfer == "reference" else store.images_dir / item.filename,
            thumbnail_path(store.thumbnails_dir, item.filename),
        )
        for item in imported
        if needs_redraw(item.stored.header, item.stored.look, pixels)
    ]
    with closing(redraw_all(redraws, store.limits, pixels)) as drawn:
        for done, _ in enumerate(drawn, start=1):
            work.step("Creating thumbnails of images with more than 8 bits", done, len(redraws))


def _build_table(
    payload: ImportPayload, found: SourceScan, imported: Sequence[_Imported], problems: ProblemList, num_files: int
) -> DatasetTable:
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


def _recorded_mode(payload: ImportPayload, imported: Sequence[_Imported]) -> str:
    """Return the mode that is true of the files: a link that had to become a copy is a copy."""
    return payload.mode if any(item.stored.transfer == payload.mode for item in imported) else "copy"


def _measure(imported: Sequence[_Imported]) -> StatsRecord:
    headers = [item.stored.header for item in imported]
    widths, heights = [header.width for header in headers], [header.height for header in headers]
    formats = sorted({header.format for header in headers})
    return StatsRecord(len(headers), min(widths), max(widths), min(heights), max(heights), formats)


def _join_problems(first: ProblemList, second: ProblemList, work: Work) -> ProblemList:
    joined = work.new_problems()
    joined.extend(first)
    joined.extend(second)
    return joined


def _explain(problems: ProblemList) -> str:
    named = "; ".join(f"{item.file}: {item.message} {item.fix}" for item in problems.named[:3])
    more = problems.num_problems - 3
    return f"No image could be imported. {named}" + (f" And {more} more problems." if more > 0 else "")


def _summarize(table: DatasetTable) -> dict[str, Any]:
    return {
        "dataset_id": table.id,
        "num_images": len(table.images),
        "num_problems": table.num_problems,
        "num_files": table.num_files,
        "num_lost": table.num_lost,
        "num_left_out": table.num_left_out,
        "num_unused_entries": table.num_unused_entries,
        "num_classes": len(table.classes),
        "classes": table.classes[:MAX_NAMED_CLASSES],
        "source_format": table.source_format,
        "split_names": table.split_names,
        "value_names": table.value_names,
        "notes": table.notes,
        "identical": summarize_identical(table.images, find_identical(table.images)).model_dump(),
    }


def _summarize_split(table: DatasetTable, payload: ImportPayload) -> dict[str, Any]:
    """Return the split that was drawn as the event that will tell of it."""
    if payload.split is None:
        return {}
    counts = Counter(image.split[-1] for image in table.images)
    summary = SplitSummary(
        train_rows=counts["train"],
        val_rows=counts["val"],
        test_rows=counts["test"],
        stratified=True,
        seed=payload.split.seed,
    )
    return {"split": summary.model_dump(mode="json")}
