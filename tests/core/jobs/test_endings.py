"""Every way in which a job can end, each with its own plain reason."""

from __future__ import annotations

import time

import psutil
import pytest

from tests.core.jobs.conftest import MakeStudio, Studio


def test_success_is_the_explicit_result(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_STUDIO_TOKEN", "very-secret")
    job = studio.run("succeed")
    directory = studio.paths.job_dir(job.project_id, job.id)
    assert (job.status, job.error) == ("completed", None)
    assert job.result == {"steps": 3, "score": None, "tmp": str(directory / "tmp"), "token": None}
    assert (job.progress.done, job.progress.total) == (3, 3)
    assert studio.statuses(job.id) == ["pending", "running", "completed"]
    assert [line.type for line in studio.lines(job.id)].count("JOB_PROGRESS") == 3
    assert {line.run_id for line in studio.lines(job.id)} == {"run-00000001"}
    assert "JOB_RESULT" not in {line.type for line in studio.lines()}
    assert not (directory / "tmp").exists()


def test_the_observer_sees_everything_in_order_and_the_end_once(studio: Studio) -> None:
    job = studio.run("succeed", payload={"steps": 2})
    assert studio.observer.calls == [
        (job.id, "started"),
        (job.id, "JOB_PROGRESS"),
        (job.id, "JOB_PROGRESS"),
        (job.id, "completed"),
    ]
    assert studio.observer.finished[0].result == job.result


def test_the_observer_can_keep_an_event_out_of_the_log(studio: Studio) -> None:
    studio.observer.keeps_out = "JOB_PROGRESS"
    job = studio.run("succeed")
    assert {line.type for line in studio.lines(job.id)} == {"JOB_STATUS"}


def test_an_observer_that_raises_does_not_keep_the_job_from_ending(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(studio.observer, "on_finished", fail)
    monkeypatch.setattr(studio.observer, "on_event", fail)
    monkeypatch.setattr(studio.observer, "on_started", fail)
    job = studio.run("succeed")
    assert job.status == "failed"
    assert job.error is not None
    assert job.error.message == "The result of the job could not be saved: no room"


def test_what_waits_starts_once_the_disk_can_be_written(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = ["read-only"]
    monkeypatch.setattr("app.core.jobs.scheduler.explain_problem", lambda root: problem[0])
    job_id = studio.submit("succeed")
    assert studio.scheduler.get(job_id).status == "pending"
    problem[0] = ""
    assert studio.scheduler.wait(job_id, 60).status == "completed"


@pytest.mark.parametrize(
    ("kind", "error_type", "message", "log"),
    [
        ("exit_without_result", "NoResult", "without a result", ""),
        ("exit_with_code", "ProcessExit", "exit code 7", "the last words"),
        ("raise_error", "ValueError", "three is not four", "raise ValueError"),
        ("raise_memory_error", "OutOfMemory", "ran out of memory", "MemoryError"),
        ("return_nonsense", "PydanticSerializationError", "object", "Traceback"),
        ("crash", "Crash", "SIGSEGV", "Segmentation fault"),
        ("be_killed", "Killed", "SIGKILL", ""),
        ("be_interrupted", "Signal", "stopped from outside by SIGINT", ""),
        ("exit_like_a_library", "ProcessExit", "A library ended the job's process with exit code 1", "SystemExit"),
        ("no_such_kind", "UnknownKind", "no_such_kind", ""),
    ],
)
def test_a_failure_says_why(studio: Studio, kind: str, error_type: str, message: str, log: str) -> None:
    job = studio.run(kind)
    assert job.status == "failed"
    assert job.error is not None
    assert job.error.type == error_type
    assert message in job.error.message
    assert log in job.error.traceback
    assert studio.statuses(job.id) == ["pending", "running", "failed"]


@pytest.mark.parametrize("leave", [False, True])
def test_a_rank_that_fails_ends_the_job_with_its_reason(studio: Studio, leave: bool) -> None:
    """Whether the first rank is killed for it, or fails itself because the other is gone."""
    job = studio.run("be_killed_with_a_rank", payload={"leave": leave})
    assert job.error is not None
    assert (job.status, job.error.type, job.error.message) == ("failed", "ValueError", "the second rank is unwell")
    assert "raise ValueError" in job.error.traceback


def test_a_foreseen_failure_has_no_traceback(studio: Studio) -> None:
    job = studio.run("raise_failure")
    assert job.error is not None
    assert job.error.model_dump() == {
        "type": "EmptySubset",
        "message": "The split has no test images.",
        "traceback": "",
    }


def test_a_process_that_cannot_start_fails_the_job(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    job = studio.run("succeed")
    assert job.error is not None
    assert (job.status, job.error.type) == ("failed", "StartFailed")


def test_a_silent_child_is_stopped(make_studio: MakeStudio) -> None:
    job = make_studio(silent_after_s=0.5).run("ignore_everything")
    assert job.error is not None
    assert (job.status, job.error.type) == ("failed", "Silent")


def test_a_flood_of_output_is_capped_and_its_end_kept(studio: Studio) -> None:
    job = studio.run("print_a_lot")
    log = (studio.paths.job_dir(job.project_id, job.id) / "job.log").read_bytes()
    assert len(log) < 9 * 2**20
    assert b"bytes of output left out" in log
    assert log.endswith(b"the very last line\n")
    assert job.error is not None
    assert "the very last line" in job.error.traceback


def test_a_child_that_hangs_after_its_result_is_ended_and_its_result_stands(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.jobs.job_run.RESULT_GRACE_S", 0.3)
    assert studio.run("hang_after_result").status == "completed"


def test_processes_that_a_finished_job_left_behind_are_ended(studio: Studio) -> None:
    job = studio.run("have_grandchildren", payload={"leave": True})
    assert job.status == "completed"
    assert job.result is not None
    wait_until_gone([int(pid) for pid in job.result["pids"].split()])


def wait_until_gone(pids: list[int]) -> None:
    assert len(pids) == 2
    deadline = time.monotonic() + 60
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
