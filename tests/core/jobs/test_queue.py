"""The order of waiting jobs and who may start, without any process."""

from __future__ import annotations

import pytest

from app.core.exceptions import ConflictError
from app.core.jobs.queue import JobQueue, check_transition
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord, JobStatus

PROJECTS = {"a": "proj-0000000a", "b": "proj-0000000b"}


def make_job(number: int, *, project: str = "a", kind: str = "train", devices: str = "gpu:0") -> JobRecord:
    return JobRecord(
        id=f"job-{number:08x}",
        kind=kind,
        project_id=PROJECTS[project],
        devices=devices.split(),
        created_at="2026-01-01T00:00:00Z",
        queue_order=number,
    )


def make_queue(*jobs: JobRecord) -> JobQueue:
    queue = JobQueue()
    for job in jobs:
        queue.add(job)
    return queue


def numbers(jobs: list[JobRecord]) -> list[int]:
    return [int(job.id[4:], 16) for job in jobs]


def next_number(queue: JobQueue, *running: JobRecord, per_device: int = 1, unbound: int = 2) -> int | None:
    job = queue.next_to_start(running, per_device, unbound)
    return None if job is None else numbers([job])[0]


def test_first_come_first_served() -> None:
    queue = make_queue(*(make_job(number) for number in (1, 2, 3)))
    assert next_number(queue) == 1
    assert queue.remove("job-00000001")
    assert not queue.remove("job-00000001")
    assert next_number(queue) == 2
    assert len(queue) == 2


@pytest.mark.parametrize(
    ("number", "position", "expected"),
    [(3, 0, [3, 1, 2]), (1, 1, [2, 1, 3]), (1, 99, [2, 3, 1]), (2, 1, [1, 2, 3])],
)
def test_moving_reorders_the_jobs_of_a_project_and_kind(number: int, position: int, expected: list[int]) -> None:
    queue = make_queue(*(make_job(each) for each in (1, 2, 3)))
    changed = queue.move(f"job-{number:08x}", position)
    assert numbers(queue.list_jobs()) == expected
    assert [job.queue_order for job in queue.list_jobs()] == [1, 2, 3]
    assert {job.id for job in changed} == {
        f"job-{each:08x}" for place, each in enumerate(expected, start=1) if place != each
    }


def test_moving_leaves_other_projects_and_kinds_in_their_places() -> None:
    queue = make_queue(
        make_job(1), make_job(2, project="b"), make_job(3, kind="export"), make_job(4), make_job(5, project="b")
    )
    queue.move("job-00000004", 0)
    assert numbers(queue.list_jobs()) == [4, 2, 3, 1, 5]
    assert numbers(queue.list_jobs(PROJECTS["b"])) == [2, 5]
    assert numbers(queue.list_jobs(PROJECTS["a"], "train")) == [4, 1]


def test_a_job_that_does_not_wait_cannot_be_moved() -> None:
    with pytest.raises(ConflictError, match="not waiting"):
        make_queue(make_job(1)).move("job-00000002", 0)


def test_one_job_per_device_and_devices_are_independent() -> None:
    queue = make_queue(make_job(2), make_job(3, devices="gpu:1"), make_job(4, devices="cpu"))
    assert next_number(queue, make_job(1)) == 3
    assert next_number(queue, make_job(1), make_job(3, devices="gpu:1")) == 4
    assert next_number(queue, make_job(1), per_device=2) == 2


def test_a_job_that_needs_two_devices_is_not_passed_by_those_behind_it() -> None:
    queue = make_queue(make_job(2, devices="gpu:0 gpu:1"), make_job(3, devices="gpu:1"), make_job(4, devices="gpu:2"))
    assert next_number(queue, make_job(1, devices="gpu:0")) == 4
    assert next_number(queue) == 2


def test_jobs_without_devices_share_their_own_slots() -> None:
    queue = make_queue(make_job(3, devices=""), make_job(4))
    running = [make_job(1, devices=""), make_job(2, devices="")]
    assert next_number(queue, *running) == 4
    assert next_number(queue, *running[:1]) == 3
    assert next_number(queue, *running, unbound=3) == 3


def test_a_service_starts_at_once() -> None:
    service = make_job(9).model_copy(update={"is_service": True, "devices": []})
    assert next_number(make_queue(make_job(2), service), make_job(1)) == 9


@pytest.mark.parametrize("status", sorted(TERMINAL_JOB_STATUSES))
def test_an_ended_job_never_changes(status: JobStatus) -> None:
    job = make_job(1).model_copy(update={"status": status})
    following: tuple[JobStatus, ...] = ("pending", "running", "completed", "cancelled")
    for new in following:
        with pytest.raises(ConflictError):
            check_transition(job, new)


def test_a_waiting_job_cannot_be_completed() -> None:
    check_transition(make_job(1), "running")
    with pytest.raises(ConflictError, match="is pending and cannot become completed"):
        check_transition(make_job(1), "completed")
