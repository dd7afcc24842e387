"""One process stays loaded for each key, and however it fails to answer, that is a plain error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from app.api.errors import STATUS_BY_CODE
from app.core.exceptions import ConflictError
from app.core.jobs.scheduler import JobScheduler
from app.core.loaded_jobs import (
    AnsweringFailedError,
    LoadedJob,
    LoadedJobs,
    LoadPlan,
    ask_until_answered,
    wait_for_answer,
)
from app.schemas.common import StrictModel
from app.schemas.events import JobProgressed
from app.schemas.experiments import ErrorInfo
from app.schemas.jobs import JobRecord, JobStatus

PROJECT = "proj-00000000"


class FakeScheduler:
    """Jobs that run at once, answer every message, and end when they are cancelled."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobRecord] = {}
        self.directories: dict[str, Path] = {}
        self.on_submit: Callable[[], None] = lambda: None
        self.waited: list[str] = []

    def submit(self, kind: str, project_id: str, payload: StrictModel, directory: Path, **named: Any) -> None:
        self.on_submit()
        job_id, subject = named["job_id"], named["subject"]
        assert named["is_service"]
        assert named["devices"] == []
        self.jobs[job_id] = JobRecord(
            id=job_id,
            kind=kind,
            project_id=project_id,
            subject=subject,
            status="running",
            created_at="2026-01-01T00:00:00Z",
        )
        self.directories[job_id] = directory

    def get(self, job_id: str) -> JobRecord:
        return self.jobs[job_id]

    def end(self, job_id: str, status: JobStatus) -> None:
        self.jobs[job_id] = self.jobs[job_id].model_copy(update={"status": status})

    def cancel(self, job_id: str) -> None:
        self.end(job_id, "cancelled")

    def wait(self, job_id: str, timeout_s: float) -> None:
        self.waited.append(job_id)

    def message(self, job_id: str, message: dict[str, Any]) -> None:
        if self.jobs[job_id].status != "running":
            raise ConflictError(job_id)
        answer = {"status": "ok", "by": job_id, "asked": message["question"]}
        (self.directories[job_id] / f"{message['id']}.json").write_text(json.dumps(answer))


class World:
    """Two places for the processes of a kind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scheduler = FakeScheduler()
        self.loaded: LoadedJobs[str] = LoadedJobs(cast("JobScheduler", self.scheduler), "predict", 2)

    def load(self, key: str) -> LoadedJob:
        return self.loaded.load(PROJECT, key, lambda _: LoadPlan(StrictModel(), self.folder, {"key": key}))

    def status(self, key: str) -> str:
        job = self.loaded.find(lambda known: known == key)
        return "off" if job is None else "ready" if job.is_ready else "starting"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_one_process_answers_every_message_of_its_key(world: World) -> None:
    job = world.load("a")
    assert world.load("a").id == job.id
    assert world.load("b").id != job.id
    assert [record.subject for record in world.scheduler.jobs.values()] == [{"key": "a"}, {"key": "b"}]
    answer = world.loaded.ask(job, {"id": "1", "question": "x"})
    assert answer == {"status": "ok", "by": job.id, "asked": "x"}
    assert list(world.folder.iterdir()) == []


def test_a_process_is_ready_when_it_says_so_or_answers(world: World) -> None:
    first, second = world.load("a"), world.load("b")
    assert [world.status(key) for key in "abc"] == ["starting", "starting", "off"]
    world.loaded.saw_event(world.scheduler.get(first.id), JobProgressed(job_id=first.id, done=1, total=1, message=""))
    world.loaded.ask(second, {"id": "1", "question": "x"})
    assert [world.status(key) for key in "ab"] == ["ready", "ready"]


def test_the_first_of_too_many_makes_room(world: World) -> None:
    ids = [world.load(key).id for key in "abc"]
    assert [world.scheduler.get(job_id).status for job_id in ids] == ["cancelled", "running", "running"]
    assert [world.status(key) for key in "abc"] == ["off", "starting", "starting"]


def test_a_process_that_ended_is_replaced_and_takes_no_room(world: World) -> None:
    first, second = world.load("a"), world.load("b")
    world.scheduler.end(second.id, "completed")  # its observer does not know yet
    assert world.status("b") == "off"
    again = world.load("b")
    world.loaded.forget(second.id)
    assert world.load("b").id == again.id != second.id
    assert world.load("a").id == first.id
    world.loaded.forget(again.id)
    assert world.status("b") == "off"
    assert world.loaded.has(lambda key: key == "a")
    assert not world.loaded.has(lambda key: key == "b")


def test_a_process_ends_with_or_without_waiting(world: World) -> None:
    first, second = world.load("a"), world.load("b")
    world.loaded.cancel(lambda key: key == "a")
    assert world.scheduler.waited == []
    world.loaded.end(lambda key: True)
    assert world.scheduler.waited == [second.id]
    assert {world.scheduler.get(job.id).status for job in (first, second)} == {"cancelled"}
    with pytest.raises(ConflictError):
        world.loaded.ask(second, {"id": "1", "question": "x"})


def test_a_process_that_could_not_be_submitted_is_forgotten(world: World) -> None:
    seen = []

    def refuse() -> None:
        seen.append(world.status("a"))
        raise OSError(28, "No space left on device")

    world.scheduler.on_submit = refuse
    with pytest.raises(OSError, match="No space left"):
        world.load("a")
    assert seen == ["starting"]
    assert world.status("a") == "off"


class OneJob:
    """Knows one job, which is as it is."""

    def __init__(self, **state: Any) -> None:
        self._job = JobRecord(
            id="job-00000000", kind="predict", project_id="proj-00000000", created_at="2026-01-01T00:00:00Z", **state
        )

    def get(self, job_id: str) -> JobRecord:
        return self._job


def wait(path: Path, **state: Any) -> dict[str, Any] | None:
    return wait_for_answer(cast("JobScheduler", OneJob(**state)), "job-00000000", path)


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
