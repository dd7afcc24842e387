"""A server that is killed: its children end, and the next one tells the truth about each job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.schemas.events import JobProgressed, JobResult
from app.schemas.jobs import JobRecord
from app.storage.json_store import read_model, write_model
from tests.core.jobs.conftest import PROJECT, FakePayload, MakeStudio, Studio, build_studio
from tests.core.jobs.test_cancel import wait_for

JOB = "job-00000001"
Doomed = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[Doomed]:
    """Start a server in a process of its own that can be killed."""
    servers: list[subprocess.Popen[str]] = []

    def start(kind: str, count: int = 1, **payload: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.core.jobs.doomed_server", str(tmp_path / "ws"), kind, str(count)]
        server = subprocess.Popen([*command, json.dumps(payload)], stdout=subprocess.PIPE, text=True)
        servers.append(server)
        assert server.stdout is not None
        assert server.stdout.readline() == "submitted\n"
        return server

    yield start
    for server in servers:
        server.kill()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()


def job_dirs(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "ws" / "projects" / PROJECT / "jobs").iterdir())


def wait_for_text(path: Path, text: str) -> None:
    wait_for(lambda: path.exists() and text in path.read_text(), 20)


def wait_for_record(path: Path, status: str) -> JobRecord:
    wait_for(lambda: read_model(path / "job.json", JobRecord).status == status, 20)
    return read_model(path / "job.json", JobRecord)


def progress_of(studio: Studio, job_id: str) -> list[int]:
    return [line.payload["done"] for line in studio.lines(job_id) if line.type == "JOB_PROGRESS"]


def test_a_child_ends_with_its_server_and_the_job_is_interrupted(
    doomed: Doomed, make_studio: MakeStudio, tmp_path: Path
) -> None:
    server = doomed("have_grandchildren")
    (directory,) = job_dirs(tmp_path)
    wait_for_text(directory / "events.jsonl", "LOG_LINE")
    family = psutil.Process(server.pid).children(recursive=True)
    assert len(family) == 3
    server.kill()
    assert psutil.wait_procs(family, timeout=20)[1] == []
    studio = make_studio()
    job = studio.scheduler.get(directory.name)
    assert job.error is not None
    assert (job.status, job.error.message) == ("interrupted", "The server stopped during this job.")
    assert studio.observer.calls[-1] == (job.id, "interrupted")
    assert studio.statuses(job.id) == ["pending", "running", "interrupted"]
    assert read_model(directory / "job.json", JobRecord) == job


def test_a_result_that_was_written_while_the_server_died_counts(
    doomed: Doomed, make_studio: MakeStudio, tmp_path: Path
) -> None:
    server = doomed("wait_for_file", path=str(tmp_path / "gate"))
    (directory,) = job_dirs(tmp_path)
    log = tmp_path / "ws" / "projects" / PROJECT / "events.jsonl"
    wait_for_text(log, "JOB_PROGRESS")
    server.send_signal(signal.SIGSTOP)
    (tmp_path / "gate").touch()
    wait_for_text(directory / "events.jsonl", "JOB_RESULT")
    server.kill()
    server.wait()
    studio = make_studio()
    job = studio.scheduler.get(directory.name)
    assert (job.status, job.result, job.progress.done) == ("completed", {"waited": True}, 2)
    assert progress_of(studio, job.id) == [1, 2]
    assert [line.seq for line in studio.lines()] == list(range(1, len(studio.lines()) + 1))


def test_waiting_jobs_start_again_in_their_order(doomed: Doomed, make_studio: MakeStudio, tmp_path: Path) -> None:
    server = doomed("wait_for_file", 4, path=str(tmp_path / "gate"))
    for directory in job_dirs(tmp_path):
        if read_model(directory / "job.json", JobRecord).queue_order == 1:
            wait_for_record(directory, "running")
    server.kill()
    server.wait()
    (tmp_path / "gate").touch()
    studio = make_studio()
    jobs = sorted(studio.scheduler.list_jobs(), key=lambda job: job.queue_order)
    assert studio.observer.recovered == sorted(job.id for job in jobs[1:])
    assert [studio.scheduler.wait(job.id, 20).status for job in jobs] == ["interrupted", *["completed"] * 3]
    started = [job_id for job_id, call in studio.observer.calls if call == "started"]
    assert started == [job.id for job in jobs[1:]]


@pytest.mark.parametrize(
    "delay_s", [0.0, 0.25, pytest.param(0.4, marks=pytest.mark.slow), pytest.param(0.6, marks=pytest.mark.slow)]
)
def test_events_are_forwarded_once_whenever_the_server_dies(
    doomed: Doomed, make_studio: MakeStudio, tmp_path: Path, delay_s: float
) -> None:
    server = doomed("succeed", 2, steps=3000)
    time.sleep(delay_s)
    server.kill()
    server.wait()
    studio = make_studio()
    jobs = studio.scheduler.list_jobs()
    assert len(jobs) == 2
    for job in jobs:
        ended = studio.scheduler.wait(job.id, 20)
        progress = progress_of(studio, job.id)
        assert ended.status in ("completed", "interrupted")
        assert progress == list(range(1, len(progress) + 1))
        assert len(progress) == 3000 or ended.status == "interrupted"
        seen = [call for job_id, call in studio.observer.calls if job_id == job.id]
        assert seen[-1:] in ([], [ended.status])  # none when it had ended under the first server
    # One runs at a time, so the server's death can have ended one of them only.
    assert 3000 in [len(progress_of(studio, job.id)) for job in jobs]


def test_what_an_earlier_child_left_of_a_pending_job_is_not_read(tmp_path: Path) -> None:
    studio = build_studio(tmp_path)
    output_dir = studio.paths.project_dir(PROJECT) / "output"
    studio.scheduler.submit(
        "succeed", PROJECT, FakePayload(), output_dir, subject={}, devices=["cpu"], job_id=JOB
    )  # nothing starts before the scheduler does
    directory = studio.paths.job_dir(PROJECT, JOB)
    with (directory / "events.jsonl").open("ab", buffering=0) as earlier:
        earlier.write(b"x" * 5000 + b"\n")
        studio.scheduler.start()
        assert studio.scheduler.wait(JOB, 20).status == "completed"
        earlier.write(b"still writing\n")
    assert progress_of(studio, JOB) == [1, 2, 3]
    assert "still writing" not in (directory / "events.jsonl").read_text()
    studio.scheduler.stop(1.0)
    studio.bus.close()


def write_running_job(studio: Studio, **changes: Any) -> Path:
    """Leave on disk what a dead server leaves of a running job."""
    directory = studio.paths.job_dir(PROJECT, JOB)
    directory.mkdir(parents=True)
    record = JobRecord(id=JOB, kind="succeed", project_id=PROJECT, status="running", created_at="2026-01-01T00:00:00Z")
    write_model(directory / "job.json", record.model_copy(update=changes))
    return directory


def test_an_orphan_is_ended(tmp_path: Path) -> None:
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    studio = build_studio(tmp_path)
    write_running_job(studio, pid=orphan.pid, process_created=psutil.Process(orphan.pid).create_time())
    studio.scheduler.start()
    assert orphan.wait(20) == -signal.SIGKILL
    assert studio.scheduler.get(JOB).status == "interrupted"


def test_a_stranger_with_the_same_pid_is_left_alone(tmp_path: Path) -> None:
    studio = build_studio(tmp_path)
    write_running_job(studio, pid=os.getpid(), process_created=psutil.Process().create_time() - 100)
    studio.scheduler.start()
    assert studio.scheduler.get(JOB).status == "interrupted"


def write_events(directory: Path, *events: JobProgressed | JobResult, end: str = "\n") -> None:
    lines = [
        json.dumps({"seq": seq, "ts": "2026-01-01T00:00:00Z", "event": event.model_dump(mode="json")})
        for seq, event in enumerate(events, start=1)
    ]
    (directory / "events.jsonl").write_text("\n".join(lines) + end)


def test_only_what_is_missing_is_forwarded(tmp_path: Path) -> None:
    studio = build_studio(tmp_path)
    steps = [JobProgressed(job_id=JOB, done=done, total=3) for done in (1, 2, 3)]
    write_events(write_running_job(studio), *steps, JobResult(outcome="failed"))
    for seq in (1, 2):
        studio.bus.publish(PROJECT, steps[seq - 1], job_id=JOB, job_seq=seq)
    studio.scheduler.start()
    assert progress_of(studio, JOB) == [1, 2, 3]
    assert studio.scheduler.get(JOB).status == "failed"


def test_a_torn_result_is_none(tmp_path: Path) -> None:
    studio = build_studio(tmp_path)
    directory = write_running_job(studio)
    write_events(directory, JobProgressed(job_id=JOB, done=1, total=1), JobResult(outcome="completed"), end="")
    studio.scheduler.start()
    assert (studio.scheduler.get(JOB).status, progress_of(studio, JOB)) == ("interrupted", [1])


def test_an_unreadable_record_is_set_aside_and_the_others_work(tmp_path: Path) -> None:
    studio = build_studio(tmp_path)
    write_running_job(studio)
    broken = studio.paths.job_dir(PROJECT, "job-00000002")
    broken.mkdir()
    (broken / "job.json").write_text("{")
    stray = studio.paths.job_dir(PROJECT, "job-00000003")
    stray.mkdir()
    (stray / "job.json").write_bytes((studio.paths.job_dir(PROJECT, JOB) / "job.json").read_bytes())
    studio.scheduler.start()
    assert [job.id for job in studio.scheduler.list_jobs()] == [JOB]
    assert len([path for path in studio.paths.corrupt_dir.iterdir() if path.suffix != ".reason"]) == 2
