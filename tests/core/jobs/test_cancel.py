"""Cancelling, commands and the server's own end, in every phase of a job."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from app.core.exceptions import ConflictError, NotFoundError
from app.core.jobs.forwarding import FORWARD_BUDGET_S
from app.core.jobs.process import ChildProcess
from app.schemas.events import AnyEvent
from app.schemas.jobs import JobRecord
from tests.core.jobs.conftest import PROJECT, MakeStudio, Studio
from tests.core.jobs.test_endings import wait_until_gone

# Where a test only says that something does not hang. A busy machine may take its time.
WAIT_S = 60.0


def wait_for(condition: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.01)


def wait_for_events(studio: Studio, job_id: str, event_type: str = "JOB_PROGRESS") -> None:
    wait_for(lambda: any(line.type == event_type for line in studio.lines(job_id)))


def test_a_job_that_listens_ends_as_cancelled(studio: Studio) -> None:
    job_id = studio.submit("wait_for_command")
    wait_for_events(studio, job_id)
    studio.scheduler.cancel(job_id)
    assert studio.scheduler.wait(job_id, WAIT_S).status == "cancelled"
    assert studio.statuses(job_id) == ["pending", "running", "cancelled"]
    assert studio.observer.calls[-1] == (job_id, "cancelled")


def test_a_job_that_ignores_everything_is_killed(studio: Studio) -> None:
    job_id = studio.submit("ignore_everything")
    wait_for_events(studio, job_id)
    pid = studio.scheduler.get(job_id).pid
    assert pid is not None
    began = time.monotonic()
    studio.scheduler.cancel(job_id)
    assert studio.scheduler.wait(job_id, WAIT_S).status == "cancelled"
    assert 0.8 <= time.monotonic() - began < WAIT_S  # what it was asked and told to do had its time, and no more
    assert not psutil.pid_exists(pid)


def test_the_whole_tree_goes(studio: Studio) -> None:
    job_id = studio.submit("have_grandchildren")
    wait_for_events(studio, job_id, "LOG_LINE")
    pids = next(line.payload["text"] for line in studio.lines(job_id) if line.type == "LOG_LINE")
    studio.scheduler.cancel(job_id)
    assert studio.scheduler.wait(job_id, WAIT_S).status == "cancelled"
    wait_until_gone([int(pid) for pid in pids.split()])


def test_a_killed_job_leaves_no_temporary_files(studio: Studio) -> None:
    job_id = studio.submit("ignore_everything")
    wait_for_events(studio, job_id)
    temporary = studio.paths.job_dir(PROJECT, job_id) / "tmp"
    sockets = (temporary / "sockets").readlink()  # this workspace lies too deep for sockets
    assert sockets.is_dir()
    studio.scheduler.cancel(job_id)
    assert studio.scheduler.wait(job_id, WAIT_S).status == "cancelled"
    assert not sockets.exists()
    assert not temporary.exists()


def test_cancelling_twice_or_after_the_end_changes_nothing(studio: Studio) -> None:
    job_id = studio.submit("ignore_everything")
    wait_for_events(studio, job_id)
    deadline = time.monotonic() + WAIT_S
    while studio.scheduler.cancel(job_id).status == "running":  # a repeated request must not put the deadlines off
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ended = studio.scheduler.wait(job_id, WAIT_S)
    assert studio.scheduler.cancel(job_id) == ended
    assert len(studio.observer.finished) == 1


def test_a_job_can_be_cancelled_while_it_starts(studio: Studio) -> None:
    job_ids = [studio.submit("succeed", devices=[f"gpu:{index}"]) for index in range(3)]
    for job_id in job_ids:
        studio.scheduler.cancel(job_id)
    for job_id in job_ids:
        assert studio.scheduler.wait(job_id, WAIT_S).status in ("cancelled", "completed")
    assert len(studio.observer.finished) == 3


def test_a_flood_of_events_holds_up_no_cancel(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    seen_since: list[int] = []
    is_asked = threading.Event()

    def watch_slowly(job: JobRecord, event: AnyEvent) -> bool:
        if not is_asked.is_set():
            time.sleep(0.005)
            seen_since[:] = [count + 1 for count in seen_since]
        return False

    def send(child: ChildProcess, message: dict[str, Any]) -> None:
        is_asked.set()
        really_send(child, message)

    really_send = ChildProcess.send
    monkeypatch.setattr(ChildProcess, "send", send)
    monkeypatch.setattr(studio.observer, "on_event", watch_slowly)
    job_id = studio.submit("flood")
    events = studio.paths.job_dir(PROJECT, job_id) / "events.jsonl"
    wait_for(lambda: events.exists() and events.stat().st_size > 200_000)  # more than a thousand
    studio.scheduler.cancel(job_id)
    seen_since.append(0)
    assert studio.scheduler.wait(job_id, WAIT_S).status in ("cancelled", "completed")
    assert is_asked.is_set()
    assert seen_since[0] <= FORWARD_BUDGET_S / 0.005 + 1


def test_a_waiting_job_is_cancelled_at_once(studio: Studio) -> None:
    first, second = studio.submit("wait_for_command"), studio.submit("succeed")
    assert studio.scheduler.cancel(second).status == "cancelled"
    assert studio.statuses(second) == ["pending", "cancelled"]
    assert [call for call in studio.observer.calls if call[0] == second] == [(second, "cancelled")]
    assert studio.scheduler.list_queue() == []
    studio.scheduler.cancel(first)
    assert studio.scheduler.wait(first, WAIT_S).status == "cancelled"


@pytest.mark.parametrize(("command", "status"), [("pause", "paused"), ("stop_keep", "completed")])
def test_commands_reach_the_child(studio: Studio, command: str, status: str) -> None:
    job_id = studio.submit("wait_for_command")
    wait_for_events(studio, job_id)
    studio.scheduler.message(job_id, {"command": command})
    job = studio.scheduler.wait(job_id, WAIT_S)
    assert job.status == status


def test_messages_reach_a_service_which_takes_no_capacity(make_studio: MakeStudio) -> None:
    studio = make_studio(silent_after_s=0.3)
    blocker = studio.submit("wait_for_command", devices=[])
    service = studio.submit("answer", devices=[], is_service=True)
    for index in range(20):
        wait_for(lambda: studio.scheduler.get(service).status == "running")
        studio.scheduler.message(service, {"id": f"{index}.txt", "value": index})
    output_dir = studio.paths.project_dir(PROJECT) / "output"
    last = output_dir / "19.txt"
    wait_for(lambda: last.exists() and last.read_text() == "38")  # it is there before its text is
    assert [(output_dir / f"{index}.txt").read_text() for index in range(20)] == [str(2 * n) for n in range(20)]
    time.sleep(1.0)  # longer than a job may be silent
    assert studio.scheduler.get(service).status == "running"
    studio.scheduler.send(service, "stop_keep")
    assert studio.scheduler.wait(service, WAIT_S).result == {"answered": 20}
    studio.scheduler.cancel(blocker)


def test_only_running_jobs_take_commands(studio: Studio) -> None:
    job = studio.run("succeed")
    with pytest.raises(ConflictError, match="is completed"):
        studio.scheduler.send(job.id, "pause")
    with pytest.raises(NotFoundError):
        studio.scheduler.cancel("job-ffffffff")


def test_a_project_is_emptied_of_jobs(studio: Studio) -> None:
    job_ids = [studio.submit("wait_for_command") for _ in range(3)]
    studio.scheduler.cancel_project(PROJECT, wait_s=WAIT_S)
    assert [studio.scheduler.get(job_id).status for job_id in job_ids] == ["cancelled"] * 3
    studio.scheduler.forget_project(PROJECT)
    assert studio.scheduler.list_jobs() == []


def test_a_stopping_server_interrupts_what_runs_and_keeps_what_waits(make_studio: MakeStudio) -> None:
    studio = make_studio()
    running = [studio.submit("ignore_everything"), studio.submit("wait_for_command", devices=[])]
    waiting = studio.submit("succeed")
    for job_id in running:
        wait_for_events(studio, job_id)
    began = time.monotonic()
    studio.scheduler.stop(2.0)
    assert time.monotonic() - began < WAIT_S
    assert [studio.scheduler.get(job_id).status for job_id in running] == ["interrupted"] * 2
    assert studio.scheduler.get(waiting).status == "pending"
    assert make_studio().scheduler.wait(waiting, WAIT_S).status == "completed"
