"""A scheduler over a fresh workspace whose jobs are the fakes of this folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.core.events import EventBus
from app.core.jobs.scheduler import JobScheduler
from app.schemas.common import StrictModel
from app.schemas.events import AnyEvent, EventLine
from app.schemas.jobs import JobRecord
from app.storage.event_log import ProjectEventLog
from app.storage.paths import WorkspacePaths
from tests.core.jobs.fake_jobs import TABLE

PROJECT = "proj-00000001"
HANDLERS = ("--handlers", "tests.core.jobs.fake_jobs:TABLE")
WARM_UP = "tests.core.jobs.fake_jobs:warm_up"


class FakePayload(StrictModel):
    """What a fake job is told."""

    steps: int = 3
    leave: bool = False
    path: str = ""


@dataclass
class RecordingObserver:
    """Keeps what it was told, in order."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    finished: list[JobRecord] = field(default_factory=list)
    keeps_out: str = ""
    recovered: list[str] | None = None

    def on_started(self, job: JobRecord) -> None:
        self.calls.append((job.id, "started"))

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        self.calls.append((job.id, event.type))
        return event.type != self.keeps_out

    def on_finished(self, job: JobRecord) -> None:
        self.calls.append((job.id, job.status))
        self.finished.append(job)

    def recover(self, living_jobs: Collection[str]) -> None:
        self.recovered = sorted(living_jobs)


@dataclass
class Studio:
    """One server's worth of jobs."""

    paths: WorkspacePaths
    bus: EventBus
    scheduler: JobScheduler
    observer: RecordingObserver

    def submit(self, kind: str, devices: list[str] | None = None, project_id: str = PROJECT, **options: Any) -> str:
        payload = FakePayload(**options.pop("payload", {}))
        output_dir = self.paths.project_dir(project_id) / "output"
        output_dir.mkdir(parents=True, exist_ok=True)
        record = self.scheduler.submit(
            kind,
            project_id,
            payload,
            output_dir,
            subject={"run_id": "run-00000001"},
            devices=["cpu"] if devices is None else devices,
            **options,
        )
        return record.id

    def run(self, kind: str, timeout_s: float = 60.0, **options: Any) -> JobRecord:
        return self.scheduler.wait(self.submit(kind, **options), timeout_s)

    def lines(self, job_id: str | None = None) -> list[EventLine]:
        lines = self.bus.read(PROJECT, 0, 100_000)
        return [line for line in lines if job_id in (None, line.job_id)]

    def statuses(self, job_id: str) -> list[str]:
        return [line.payload["status"] for line in self.lines(job_id) if line.type == "JOB_STATUS"]


def build_studio(root: Path, warm_up: str = WARM_UP, **settings: Any) -> Studio:
    """Return a studio that is not started yet; a spare of it, where settings want one, does `warm_up` first."""
    paths = WorkspacePaths(root)
    paths.project_dir(PROJECT).mkdir(parents=True, exist_ok=True)
    bus = EventBus(lambda project_id: ProjectEventLog(paths.events_file(project_id), project_id))
    values = {"cancel_ask_s": 0.4, "cancel_terminate_s": 0.4, "workspace_root": root, **settings}
    scheduler = JobScheduler(paths, bus, Settings(**values), [*HANDLERS, "--warm-up", warm_up])
    observer = RecordingObserver()
    for kind in TABLE:
        scheduler.register(kind, observer)
    return Studio(paths, bus, scheduler, observer)


MakeStudio = Callable[..., Studio]


@pytest.fixture
def make_studio(tmp_path: Path) -> Iterator[MakeStudio]:
    """Build and start studios on one workspace; all are stopped at the end."""
    made: list[Studio] = []

    def make(**settings: Any) -> Studio:
        made.append(build_studio(tmp_path / "ws", **settings))
        made[-1].scheduler.start()
        return made[-1]

    yield make
    for studio in made:
        studio.scheduler.stop(1.0)
        studio.bus.close()


@pytest.fixture
def studio(make_studio: MakeStudio) -> Studio:
    """A started studio."""
    return make_studio()
