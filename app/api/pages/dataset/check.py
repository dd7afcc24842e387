"""An import preview on the dataset page: how far it is, or its report with the form that imports."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.pages.dataset.import_report import import_report_fragment
from app.api.templating import Fragment
from app.core.importing.checks import ImportCheckService
from app.schemas.datasets import CheckState
from app.schemas.jobs import TERMINAL_JOB_STATUSES


@dataclass(frozen=True)
class CheckProgress:
    """What `dataset/check_progress.html` shows. `total` is 0 where it is not known."""

    project_id: str
    job_id: str
    is_over: bool
    label: str
    done: int
    total: int
    text: str


@dataclass(frozen=True)
class CheckContext:
    """Names for `dataset/check_progress.html`."""

    check: CheckProgress


def check_fragment(project_id: str, checks: ImportCheckService, state: CheckState) -> Fragment:
    """Return the report of an import preview that is done, else how far it is."""
    if state.report is not None:
        return import_report_fragment(
            project_id, checks.get_request(project_id, state.job_id), state.report, state.job_id
        )
    progress = state.progress
    waiting = "Queued" if state.status == "pending" else "Reading files"
    count = f"{progress.done:,} of {progress.total:,}" if progress.total else f"{progress.done:,}"
    context = CheckProgress(
        project_id=project_id,
        job_id=state.job_id,
        is_over=state.status in TERMINAL_JOB_STATUSES,
        label=progress.message or waiting,
        done=progress.done,
        total=progress.total,
        text=count if progress.message else "",
    )
    return Fragment("dataset/check_progress.html", CheckContext(context))
