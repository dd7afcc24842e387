"""What a dry run leaves in its folder can be read, or the answer says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.exceptions import NotFoundError
from app.core.importing import check_folder
from app.core.importing.check_folder import CheckFolder
from app.datasets.formats.report.check import REPORT_NAME
from app.schemas.datasets import ImportCheck
from app.schemas.experiments import ErrorInfo
from app.schemas.import_report import ImportReport
from app.schemas.jobs import JobRecord, JobStatus
from app.storage.json_store import write_model


def make_job(status: JobStatus, message: str = "") -> JobRecord:
    error = ErrorInfo(type="JobFailure", message=message) if message else None
    return JobRecord(
        id="job-00000000",
        kind="check",
        project_id="proj-00000000",
        status=status,
        error=error,
        created_at="2026-01-01T00:00:00Z",
    )


def test_a_request_is_kept_as_it_was(tmp_path: Path) -> None:
    folder, request = CheckFolder(tmp_path), ImportCheck(source_path="/images")
    with pytest.raises(NotFoundError, match="out of date"):
        folder.read_request()
    folder.write_request(request)
    assert folder.read_request() == request


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    folder = CheckFolder(tmp_path / "job-00000000")
    with pytest.raises(NotFoundError, match="job-00000000 found no problems"):
        folder.problems_path()
    with pytest.raises(NotFoundError, match="has no picture"):
        folder.preview_path("../a.png")
    with pytest.raises(NotFoundError, match="out of date"):
        folder.find_report(make_job("completed"))
    assert folder.preview_path("a.png").name == "a.png"


@pytest.mark.parametrize("status", ["pending", "running", "cancelled", "interrupted"])
def test_a_dry_run_without_an_end_of_its_own_has_no_report(tmp_path: Path, status: JobStatus) -> None:
    assert CheckFolder(tmp_path).find_report(make_job(status)) is None


def test_a_report_that_cannot_be_used_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = CheckFolder(tmp_path)
    report = ImportReport(
        source_format="csv",
        num_images=1,
        num_annotations=0,
        classes=[],
        class_counts={},
        split_counts={},
        num_problems=0,
        problems=[],
        can_import=True,
        is_complete=True,
    )
    write_model(tmp_path / REPORT_NAME, report)
    assert folder.find_report(make_job("completed")) == report.model_copy(update={"check_id": "job-00000000"})
    reasons = [folder.find_report(make_job("failed", "The folder is empty."))]
    monkeypatch.setattr(check_folder, "MAX_REPORT_BYTES", 3)
    reasons.append(folder.find_report(make_job("completed")))
    monkeypatch.undo()
    (tmp_path / REPORT_NAME).write_text("{}")
    reasons.append(folder.find_report(make_job("completed")))
    messages = [found.problems[0].message for found in reasons if found is not None and not found.can_import]
    assert len(messages) == 3
    assert messages[0] == "The folder is empty."
    assert "too large" in messages[1]
    assert REPORT_NAME in messages[2]
