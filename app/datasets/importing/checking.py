"""The job `check`: a preview of an import, to report.json, problems.csv and previews/. Needs no torch."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from app.annotations.registry import get_kind
from app.datasets.formats.report.check import REPORT_NAME, check_source, make_refusal
from app.datasets.formats.report.problem_file import PROBLEMS_NAME
from app.datasets.formats.source import Source
from app.datasets.formats.work import LimitError, Work
from app.datasets.importing.job_guard import guard_limits
from app.durable import write_bytes_durably
from app.schemas.events import JobProgressed
from app.schemas.import_report import ImportReport
from app.schemas.job_context import JobContext, JobFailure, raise_if_cancelled
from app.schemas.payloads import CheckPayload

_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})


def run(context: JobContext) -> dict[str, Any]:
    """Look at a source; what is wrong with it is in the report. Raises JobCancelled, and JobFailure on a full disk."""
    payload = CheckPayload.model_validate(context.request.payload)

    def on_progress(doing: str, done: int, total: int) -> None:
        raise_if_cancelled(context)
        context.report(JobProgressed(job_id=context.request.job_id, done=done, total=total, message=doing))

    try:
        work = Work(payload.limits, on_progress, context.output_dir / PROBLEMS_NAME, workspace=payload.workspace)
        report = _check(payload, work, context)
        work.close()
        write_bytes_durably(context.output_dir / REPORT_NAME, report.model_dump_json().encode())
    except OSError as error:
        if error.errno not in _FULL_DISK:
            raise
        raise JobFailure("The disk is full. Free up disk space and preview again.", kind="DiskFull") from error
    return {"num_images": report.num_images, "num_problems": report.num_problems, "can_import": report.can_import}


def _check(payload: CheckPayload, work: Work, context: JobContext) -> ImportReport:
    source = Source(
        Path(payload.source_path),
        get_kind(payload.annotation_kind),
        payload.allowed_formats,
        payload.source_format,
        payload.options,
        work,
    )
    try:
        with guard_limits(work, Path(context.request.job_dir)):
            return check_source(source, context.output_dir, context.output_dir)
    except LimitError as error:
        refused = work.new_problems()
        refused.add(source.path.name or payload.source_path, error.message, error.fix, kind="refused")
        return make_refusal(payload.source_format, refused, is_complete=False)
