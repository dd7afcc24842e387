"""Waiting for a process that answers: every way in which it can fail to is a plain error, none of the server's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from app.api.errors import STATUS_BY_CODE
from app.core.answers import AnsweringFailedError, ask_until_answered, wait_for_answer
from app.core.exceptions import ConflictError
from app.core.jobs.scheduler import JobScheduler
from app.schemas.experiments import ErrorInfo
from app.schemas.jobs import JobRecord


class _Scheduler:
    """Knows one job, which is as it is."""

    def __init__(self, **state: Any) -> None:
        self._job = JobRecord(
            id="job-00000000", kind="predict", project_id="proj-00000000", created_at="2026-01-01T00:00:00Z", **state
        )

    def get(self, job_id: str) -> JobRecord:
        return self._job


def wait(path: Path, **state: Any) -> dict[str, Any] | None:
    return wait_for_answer(cast("JobScheduler", _Scheduler(**state)), "job-00000000", path)


def test_an_answer_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"status": "ok"}))
    assert wait(path, status="running") == {"status": "ok"}
    assert not path.exists()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("JobFailure", "The file best.ckpt is damaged or no checkpoint."),
        ("Killed", "The process was ended by signal 9."),
        ("WeightsNotFinite", "The model in best.ckpt cannot be used."),
    ],
)
def test_a_process_that_broke_is_no_error_of_the_server(tmp_path: Path, kind: str, message: str) -> None:
    error = ErrorInfo(type=kind, message=message)
    with pytest.raises(AnsweringFailedError, match="process stopped") as failed:
        wait(tmp_path / "a.json", status="failed", error=error)
    assert message in failed.value.message
    assert STATUS_BY_CODE[failed.value.code] == 409


def test_a_cancelled_process_says_to_try_again(tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="Try again"):
        wait(tmp_path / "a.json", status="cancelled")


def test_a_process_that_ends_again_and_again_is_given_up() -> None:
    asked: list[int] = []
    with pytest.raises(AnsweringFailedError, match="stopped repeatedly"):
        ask_until_answered(lambda: asked.append(1))
    assert len(asked) == 3
