"""The job `import`: from a source to dataset.json, images/ and .thumbs/ in the output directory.

The formats read the source, and `storing` stores one image. Runs in a job
process and needs no torch.
"""

from __future__ import annotations

import errno
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

from app.annotations.registry import get_kind
from app.datasets.formats.archives.archive import extract_zip
from app.datasets.formats.base import SourceError
from app.datasets.formats.report.problem_file import PROBLEMS_NAME
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.source import Source, is_zip, scan_source
from app.datasets.formats.work import Work
from app.datasets.importing.bringing import redraw_thumbnails, store_images, survey_pixels
from app.datasets.importing.job_guard import guard_limits
from app.datasets.importing.storing import ImageStore, Transfer
from app.datasets.importing.summary import summarize_import
from app.datasets.importing.table_record import build_table
from app.datasets.pixels.records import record_reading
from app.datasets.samples import write_sample
from app.datasets.splits import DrawnSplit, add_split, draw_split
from app.datasets.table import DatasetTable, encode_dataset
from app.durable import sync_directory, write_bytes_durably
from app.schemas.events import JobProgressed, StageStatus
from app.schemas.job_context import JobContext, JobFailure, raise_if_cancelled
from app.schemas.payloads import ImportPayload
from app.schemas.splits import SplitCreate

_UNPACKED_DIR = ".unpacked"
_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})


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
    imported = list(store_images(work, found.scan.images, found.scan.problems, store))
    shutil.rmtree(unpacked, ignore_errors=True)
    survey = survey_pixels(imported, payload.options.pixel_scale)
    survey.warn(found.scan.problems)
    problems = _join_problems(refused, found.scan.problems, work)
    if not imported:
        raise JobFailure(_explain(problems), kind="SourceError")
    num_files = found.inventory.count_files([item.found for item in imported], problems)
    pixels = survey.find_reading()
    redraw_thumbnails(work, store, imported, pixels)
    table = record_reading(build_table(payload, found, imported, problems, num_files), pixels)
    table.notes = [*refused.notes, *table.notes, *survey.describe()]
    if payload.split is not None:
        table = add_split(table, payload.split, _draw(table, payload, payload.split))
    sync_directory(images_dir)
    write_bytes_durably(context.output_dir / "dataset.json", encode_dataset(table))
    return summarize_import(table, payload)


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


def _join_problems(first: ProblemList, second: ProblemList, work: Work) -> ProblemList:
    joined = work.new_problems()
    joined.extend(first)
    joined.extend(second)
    return joined


def _explain(problems: ProblemList) -> str:
    named = "; ".join(f"{item.file}: {item.message} {item.fix}" for item in problems.named[:3])
    more = problems.num_problems - 3
    return f"No image could be imported. {named}" + (f" And {more} more problems." if more > 0 else "")
