"""What is kept of a job's measurement, and what never harms the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.core.measurements import keep_measurement
from app.core.stores import Stores, open_stores
from app.schemas.jobs import JobRecord
from app.storage.paths import WorkspacePaths
from tests.core.forecast.test_formula import make_measurement


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return open_stores(WorkspacePaths(tmp_path))


def make_job(result: dict[str, Any] | None) -> JobRecord:
    ids: dict[str, Any] = {"id": "job-00000001", "project_id": "proj-00000001"}
    started_at = "2026-01-02T03:04:00.000000Z"
    return JobRecord(**ids, kind="train", created_at=started_at, started_at=started_at, result=result)


def test_the_start_and_end_of_the_process_are_added(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.measurements.utc_now", lambda: "2026-01-02T03:04:07.500000Z")
    job = make_job({"measurement": make_measurement().model_dump(mode="json")})  # measured at 03:04:05
    keep_measurement(stores, job, first_event_at="2026-01-02T03:04:01.250000Z")
    (kept,) = stores.measurements.read_all()
    assert kept.outside_s == 3.75
    keep_measurement(stores, job)  # again, after a crash
    assert stores.measurements.read_all() == [kept]


@pytest.mark.parametrize("result", [None, {}, {"measurement": None}, {"measurement": {"speed": 1}}, {"measurement": 7}])
def test_a_result_without_a_measurement_keeps_nothing(stores: Stores, result: dict[str, Any] | None) -> None:
    keep_measurement(stores, make_job(result), "2026-01-02T03:04:01.250000Z")
    assert stores.measurements.read_all() == []


def test_a_disk_that_refuses_harms_no_job(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.storage.documents.write_model", refuse)
    keep_measurement(stores, make_job({"measurement": make_measurement().model_dump(mode="json")}))
    assert stores.measurements.read_all() == []
    assert "could not be kept" in caplog.text
