"""A disk that refuses for a while what follows from a job: nothing is lost, and nothing needs a restart."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from app.core.jobs import event_tail, forwarding, scheduler
from app.core.jobs.event_tail import EventTail
from app.schemas.events import AnyEvent, JobProgressed, JobResult
from app.schemas.jobs import JobRecord
from app.storage.json_store import open_document
from app.worker import Reporter
from tests.core.jobs.conftest import MakeStudio, RecordingObserver, Studio
from tests.core.jobs.test_cancel import wait_for


def refuse(number: int = errno.EIO) -> OSError:
    return OSError(number, os.strerror(number))


class UnluckyObserver(RecordingObserver):
    """Is refused by the disk at events, at the end, or both, so often as it is told."""

    def __init__(self, event_refusals: int = 0, end_refusals: int = 0, number: int = errno.EIO) -> None:
        super().__init__()
        self.number = number
        self.event_refusals, self.end_refusals = event_refusals, end_refusals

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        if self.event_refusals:
            self.event_refusals -= 1
            raise refuse(self.number)
        return super().on_event(job, event)

    def on_finished(self, job: JobRecord) -> None:
        if self.end_refusals:
            self.end_refusals -= 1
            raise refuse(self.number)
        super().on_finished(job)


@pytest.fixture
def studio(make_studio: MakeStudio, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setattr(scheduler, "CATCH_UP_EVERY_S", 0.05)
    monkeypatch.setattr(forwarding, "RETRY_AFTER_S", 0.05)
    return make_studio()


def observe(studio: Studio, observer: UnluckyObserver) -> None:
    studio.scheduler._observers._observers["succeed"] = observer


def test_an_event_is_seen_again_until_what_follows_from_it_is_written(studio: Studio) -> None:
    observer = UnluckyObserver(event_refusals=3)
    observe(studio, observer)
    job = studio.run("succeed")
    assert job.status == "completed"
    assert [name for _, name in observer.calls] == ["started", *["JOB_PROGRESS"] * 3, "completed"]
    assert [line.type for line in studio.lines(job.id)].count("JOB_PROGRESS") == 3


def test_a_document_that_is_refused_for_long_holds_up_nothing(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "OBSERVE_PATIENCE_S", 0.1)
    observe(studio, UnluckyObserver(event_refusals=10**6))
    job = studio.run("succeed")
    assert job.status == "completed"
    assert [line.type for line in studio.lines(job.id)].count("JOB_PROGRESS") == 3


def test_an_end_that_is_refused_is_recorded_later_as_what_it_was_said_to_be(studio: Studio) -> None:
    observer = UnluckyObserver(end_refusals=4)
    observe(studio, observer)
    job = studio.run("succeed")
    assert job.error is not None
    assert (job.status, job.error.message) == ("failed", f"The result of the job could not be saved: {refuse()}")
    wait_for(lambda: len(observer.finished) == 1, 20)
    assert observer.finished == [job.model_copy(update={"pid": None, "process_created": None})]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_an_end_for_which_there_is_no_room_is_called_that(studio: Studio, number: int) -> None:
    observer = UnluckyObserver(end_refusals=2, number=number)  # the second time in the room of the reserve
    observe(studio, observer)
    job = studio.run("succeed")
    assert job.error is not None
    assert (job.status, job.error.type) == ("failed", "DiskFull")
    assert "Free up disk space" in job.error.message
    wait_for(lambda: [each.status for each in observer.finished] == ["failed"], 20)


def test_a_record_that_is_refused_is_written_later(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    save, refusals = studio.scheduler._repository.save, [1] * 5

    def refuse_often(record: JobRecord) -> None:
        if refusals:
            refusals.pop()
            raise refuse()
        save(record)

    monkeypatch.setattr(studio.scheduler._repository, "save", refuse_often)
    job = studio.run("succeed")
    path = studio.paths.job_dir(job.project_id, job.id) / "job.json"
    wait_for(lambda: JobRecord.model_validate_json(path.read_bytes()) == job, 20)


def test_what_a_job_reports_is_read_when_the_disk_gives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter = Reporter(tmp_path / "events.jsonl", lambda: False)
    reporter.report(JobProgressed(job_id="job-00000001", done=1, total=2))
    reporter.report(JobResult(outcome="completed"), is_last=True)
    calls = []

    def refuse_often(path: Path) -> object:
        calls.append(path)
        if len(calls) < 4:
            raise refuse()
        return open_document(path)

    monkeypatch.setattr(event_tail, "open_document", refuse_often)
    tail = EventTail(tmp_path / "events.jsonl")
    assert tail.read_new() == []
    assert tail.read_rest() == []
    assert [type(each.event) for each in tail.read_rest(wait_s=60)] == [JobProgressed, JobResult]
    assert tail.read_rest(wait_s=60) == []
