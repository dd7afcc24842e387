"""Capacity and order with real processes, and what happens when the disk refuses."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.core.jobs.repository import JobRepository
from app.schemas.jobs import JobRecord
from app.storage.event_log import ProjectEventLog
from tests.core.jobs.conftest import PROJECT, MakeStudio, Studio
from tests.core.jobs.test_cancel import wait_for


def statuses(studio: Studio, job_ids: list[str]) -> list[str]:
    return [studio.scheduler.get(job_id).status for job_id in job_ids]


def submit_waiting(studio: Studio, gate: Path, devices: list[list[str]]) -> list[str]:
    return [studio.submit("wait_for_file", devices=each, payload={"path": str(gate)}) for each in devices]


def test_one_run_per_device_and_two_imports_at_a_time(studio: Studio, tmp_path: Path) -> None:
    runs = submit_waiting(studio, tmp_path / "gate", [["cpu"], ["cpu"], ["gpu:0"]])
    imports = submit_waiting(studio, tmp_path / "gate", [[], [], []])
    assert statuses(studio, runs) == ["running", "pending", "running"]
    assert statuses(studio, imports) == ["running", "running", "pending"]
    (tmp_path / "gate").touch()
    for job_id in runs + imports:
        assert studio.scheduler.wait(job_id, 20).status == "completed"


def test_more_runs_share_a_device_when_allowed(make_studio: MakeStudio, tmp_path: Path) -> None:
    studio = make_studio(jobs_per_device=2)
    runs = submit_waiting(studio, tmp_path / "gate", [["cpu"]] * 3)
    assert statuses(studio, runs) == ["running", "running", "pending"]


def test_the_queue_runs_by_itself_in_the_order_that_was_chosen(studio: Studio, tmp_path: Path) -> None:
    first, *others = submit_waiting(studio, tmp_path / "gate", [["cpu"]] * 4)
    moved = studio.scheduler.move(others[2], 0)
    expected = [others[2], others[0], others[1]]
    assert [job.id for job in moved] == expected
    assert [job.id for job in studio.scheduler.list_queue(PROJECT, "wait_for_file")] == expected
    (tmp_path / "gate").touch()
    for job_id in [first, *others]:
        assert studio.scheduler.wait(job_id, 20).status == "completed"
    started = [job_id for job_id, call in studio.observer.calls if call == "started"]
    assert started == [first, *expected]


def test_jobs_are_listed_newest_first(studio: Studio) -> None:
    job_ids = [studio.run("succeed").id for _ in range(3)]
    assert [job.id for job in studio.scheduler.list_jobs()] == job_ids[::-1]


def test_waiting_for_a_job_has_a_limit(studio: Studio) -> None:
    job_id = studio.submit("wait_for_command")
    with pytest.raises(TimeoutError, match=job_id):
        studio.scheduler.wait(job_id, 0.05)


def test_a_full_disk_at_submission_queues_nothing(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("app.core.jobs.repository.write_model", refuse)
        with pytest.raises(OSError, match="No space left"):
            studio.submit("succeed")
    assert studio.scheduler.list_jobs() == []
    assert list(studio.paths.jobs_dir(PROJECT).iterdir()) == []
    assert studio.run("succeed").status == "completed"


def test_a_full_disk_during_a_job_delays_its_events_and_loses_none(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job_id = studio.submit("wait_for_file", payload={"path": str(tmp_path / "gate")})
    wait_for(lambda: studio.scheduler.get(job_id).progress.done == 1)
    write = ProjectEventLog._write
    refused: list[int] = []

    def refuse_twice(log: ProjectEventLog, data: bytes, durable: bool) -> None:
        if b"JOB_PROGRESS" in data and len(refused) < 2:
            refused.append(len(data))
            raise OSError(28, os.strerror(28))
        write(log, data, durable)

    monkeypatch.setattr("app.core.jobs.forwarding.RETRY_AFTER_S", 0.05)
    monkeypatch.setattr(ProjectEventLog, "_write", refuse_twice)
    (tmp_path / "gate").touch()
    assert studio.scheduler.wait(job_id, 20).status == "completed"
    assert len(refused) == 2
    assert [line.payload["done"] for line in studio.lines(job_id) if line.type == "JOB_PROGRESS"] == [1, 2]
    assert [call for call in studio.observer.calls if call[1] == "JOB_PROGRESS"] == [(job_id, "JOB_PROGRESS")] * 2


def test_the_record_of_a_full_disk_does_not_keep_a_job_from_ending(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(repository: JobRepository, record: JobRecord) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(JobRepository, "save", refuse)
    assert studio.run("succeed").status == "completed"


def test_a_slow_disk_under_the_first_event_of_a_job_keeps_nobody_waiting(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_writing, goes_on = threading.Event(), threading.Event()
    write = ProjectEventLog._write

    def write_slowly(log: ProjectEventLog, data: bytes, durable: bool) -> None:
        if b'"pending"' in data:
            is_writing.set()
            assert goes_on.wait(20)
        write(log, data, durable)

    monkeypatch.setattr(ProjectEventLog, "_write", write_slowly)
    with ThreadPoolExecutor(3) as pool:
        submitted = pool.submit(studio.submit, "succeed")
        assert is_writing.wait(20)
        (job,) = pool.submit(studio.scheduler.list_jobs).result(20)
        assert (job.status, studio.scheduler.list_queue()) == ("pending", [])
        cancelled = pool.submit(studio.scheduler.cancel, job.id)
        assert not cancelled.done()  # it is not lost between the record and the queue
        goes_on.set()
        assert submitted.result(20) == job.id
        cancelled.result(20)
    ended = studio.scheduler.wait(job.id, 20)
    assert studio.statuses(job.id)[0] == "pending"
    assert ended.status in {"cancelled", "completed"}  # it may have been over before
