"""What killed and abandoned work leaves behind is removed by age; what is in use, and documents and logs, stay."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.core import leftovers as module
from app.core.exceptions import NotFoundError
from app.core.leftovers import AGES_S, HELD_KEPT_S, HeldSpaces, LeftoverService, describe_held, list_held
from app.core.stores import open_stores
from app.schemas.jobs import JobRecord, JobStatus
from app.storage.leftovers import find_leftovers
from app.storage.paths import WorkspacePaths
from tests.core.conftest import make_studio

PROJECT = "proj-00000001"
DAY_S = 24 * 3600.0


@dataclass
class FakeScheduler:
    """Knows jobs and runs none."""

    jobs: list[JobRecord] = field(default_factory=list)

    def add(self, number: int, status: JobStatus, **subject: str) -> None:
        """Take up a job."""
        job_id = f"job-{number:08x}"
        created = "2026-01-01T00:00:00Z"
        self.jobs.append(
            JobRecord(id=job_id, kind="import", project_id=PROJECT, status=status, created_at=created, subject=subject)
        )

    def get(self, job_id: str) -> JobRecord:
        """Return a job; raises NotFoundError."""
        for job in self.jobs:
            if job.id == job_id:
                return job
        raise NotFoundError(job_id)

    def forget_job(self, job_id: str) -> None:
        """Drop a job."""
        self.jobs.remove(self.get(job_id))

    def list_jobs(self) -> list[JobRecord]:
        """Return the jobs."""
        return list(self.jobs)


@dataclass
class Place:
    """A workspace on disk whose service believes that it is some time later."""

    root: Path
    scheduler: FakeScheduler = field(default_factory=FakeScheduler)
    later_s: float = 0.0

    def __post_init__(self) -> None:
        self.stores = open_stores(WorkspacePaths(self.root))
        self.service = LeftoverService(self.stores, self.scheduler, lambda: time.time() + self.later_s)  # type: ignore[arg-type]

    def write(self, name: str, num_bytes: int = 100) -> Path:
        """Write a file below the project."""
        path = self.root / "projects" / PROJECT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * num_bytes)
        return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "workspace")


TEMPORARY = (
    "experiments/exp-00000001/runs/run-00000001/checkpoints/.last.ckpt.4242.tmp",
    "experiments/exp-00000001/runs/run-00000001/.run.json.0f3a9c11.tmp",
    "experiments/exp-00000001/evaluation/.results.json.0f3a9c11.tmp",
    "exports/export-00000001/.model.onnx.tmp",
    "dataset/.dataset.json.0f3a9c11.tmp",
    ".project.json.0f3a9c11.tmp",
)
KEPT = (
    "project.json",
    "dataset/images/.mine.tmp",
    "experiments/exp-00000001/runs/run-00000001/checkpoints/last.ckpt",
    "experiments/exp-00000001/runs/run-00000001/notes.tmp",
    "jobs/job-00000001/job.json",
    "jobs/job-00000001/request.json",
    "jobs/job-00000001/job.log",
)


@pytest.mark.parametrize("name", TEMPORARY)
def test_half_written_files_go_after_an_hour(place: Place, name: str) -> None:
    path = place.write(name)
    assert place.service.sweep() == 0
    place.later_s = AGES_S["half_written"] + 60
    assert place.service.sweep() == 100
    assert not path.exists()


def test_half_written_files_of_a_former_server_go_at_the_start(place: Place) -> None:
    old = place.write(TEMPORARY[0])
    place.later_s = 60
    place.service.note_start()
    fresh = place.write(TEMPORARY[1])
    os.utime(fresh, (time.time() + 120, time.time() + 120))  # as a job writes it that began since
    place.service.sweep()
    assert (old.exists(), fresh.exists()) == (False, True)


def test_documents_logs_and_files_of_users_stay(place: Place) -> None:
    place.scheduler.add(1, "completed")
    paths = [place.write(name) for name in KEPT]
    place.later_s = 1000 * DAY_S
    place.service.note_start()
    assert place.service.sweep() == 0
    assert [path.exists() for path in paths] == [True] * 7


@pytest.mark.parametrize("status", ["pending", "running"])
def test_what_a_living_job_needs_stays_however_old(place: Place, status: JobStatus) -> None:
    place.scheduler.add(1, status, upload_id="upload-00000001")
    needed = ("uploads/upload-00000001/files/a.png", "staging/job-00000001/images/a.png", "jobs/job-00000001/tmp/a")
    paths = [place.write(name) for name in needed]
    place.later_s = 1000 * DAY_S
    assert place.service.sweep() == 0
    assert [path.exists() for path in paths] == [True] * 3
    place.scheduler.jobs[0] = place.scheduler.jobs[0].model_copy(update={"status": "failed"})
    assert place.service.sweep() == 300
    assert not any(path.exists() for path in paths)


def test_each_kind_has_its_age(place: Place) -> None:
    place.scheduler.add(1, "failed")
    names = ("uploads/upload-00000002/files/a.png", "jobs/job-00000001/events.jsonl", "staging/job-00000001/a.png",
             "../../.trash/proj-00000002.0f3a9c11/project.json", "../../.corrupt/project.json")  # fmt: skip
    upload, events, staging, trash, aside = (place.write(name) for name in names)
    place.later_s = 2 * 3600
    assert place.service.sweep() == 200
    assert [path.exists() for path in (upload, events, staging, trash, aside)] == [True, True, False, False, True]
    place.later_s = DAY_S + 60
    assert place.service.sweep() == 200
    assert [path.exists() for path in (upload, events, aside)] == [False, False, True]


def test_files_of_a_job_that_is_not_known_stay(place: Place) -> None:
    path = place.write("jobs/job-00000009/result.bin")
    place.later_s = 1000 * DAY_S
    assert place.service.sweep() == 0
    assert path.exists()


def test_upload_that_goes_on_is_not_old(place: Place) -> None:
    first = place.write("uploads/upload-00000001/files/a.png")
    os.utime(first.parent, (0, 0))
    second = place.write("uploads/upload-00000001/files/b.png")
    place.later_s = DAY_S - 3600
    assert place.service.sweep() == 0
    assert first.exists()
    assert second.exists()


def test_links_are_not_followed(place: Place, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / ".a.tmp").write_bytes(b"x")
    folder = place.write(TEMPORARY[0]).parent
    (folder / "elsewhere").symlink_to(precious)
    (folder / ".link.tmp").symlink_to(precious)
    place.later_s = DAY_S
    place.service.sweep()
    assert (precious / ".a.tmp").exists()
    assert not (folder / ".link.tmp").is_symlink()


def test_nothing_is_removed_on_a_read_only_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.write(TEMPORARY[0])
    place.later_s = DAY_S
    monkeypatch.setattr(module, "explain_read_only", lambda root: "read-only")
    assert place.service.sweep() == 0
    assert path.exists()


def test_one_that_cannot_be_removed_leaves_the_others(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [place.write(name) for name in TEMPORARY]
    unlink = Path.unlink

    def refuse_one(path: Path, missing_ok: bool = False) -> None:
        if path == paths[0]:
            raise OSError(5, "Input/output error")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_one)
    place.later_s = DAY_S
    assert place.service.sweep() == 500
    assert [path.exists() for path in paths] == [True] + [False] * 5


def test_what_is_held_is_said_by_kind(place: Place) -> None:
    assert describe_held(list_held(place.stores.documents)) == "No leftover files."
    for number in range(7):
        place.write(f"uploads/upload-0000000{number}/files/a.png", 2**20)
    place.write(TEMPORARY[0], 3 * 2**20)
    held = list_held(place.stores.documents)
    assert [(item.kind, item.num_bytes, item.num_entries, len(item.largest)) for item in held] == [
        ("upload", 7 * 2**20, 7, 5),
        ("half_written", 3 * 2**20, 1, 1),
    ]
    assert held[1].largest == [f"projects/{PROJECT}/{TEMPORARY[0]}"]
    assert "half-written files 3.0 MiB" in describe_held(held)
    assert len(list(find_leftovers(place.stores.documents))) == 8


PARTIAL = ".mobilenet_v3_small-047dcff4.pth.x3k_9a1b"


def test_partial_downloads_go_after_an_hour_wherever_the_store_is(place: Place, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    service = LeftoverService(place.stores, place.scheduler, lambda: time.time() + place.later_s, store)  # type: ignore[arg-type]
    kept = [store / name for name in ("mobilenet_v3_small-047dcff4.pth", ".notes.pth", ".a-047dcff4.pth.mine.too")]
    for path in (*kept, store / PARTIAL):
        path.write_bytes(b"x" * 100)
    assert service.sweep() == 0
    (held,) = list_held(place.stores.documents, store)
    assert (held.kind, held.num_bytes, held.largest) == ("download", 100, [str(store / PARTIAL)])
    service.note_start()  # another server may be at it
    assert service.sweep() == 0
    place.later_s = AGES_S["download"] + 60
    assert service.sweep() == 100
    assert sorted(store.iterdir()) == sorted(kept)


def test_what_is_held_is_counted_once_a_minute(place: Place) -> None:
    now = 100.0
    spaces = HeldSpaces(place.stores.documents, None, lambda: now)
    assert spaces.count() == []
    place.write(TEMPORARY[0])
    now += HELD_KEPT_S
    assert spaces.count() == []
    now += 1
    assert [item.kind for item in spaces.count()] == ["half_written"]


def test_server_sweeps_when_it_starts_and_says_what_is_held(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    first = Place(root).write(TEMPORARY[0])
    upload = Place(root).write("uploads/upload-00000001/files/a.png")
    os.utime(first, (1, 1))
    time.sleep(0.05)  # the clock of a file system is coarser than that of the process
    studio = make_studio(root)
    studio.start()
    try:
        deadline = time.monotonic() + 30
        while first.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not first.exists()
        assert upload.exists()
        assert {item.kind: item.num_bytes for item in studio.system.get_workspace().held} == {"upload": 100}
    finally:
        studio.stop()


def test_thumbnails_that_were_half_written_go(place: Place) -> None:
    half, whole = place.write("dataset/.thumbs/.0f3a9c11.tmp"), place.write("dataset/.thumbs/a.png.jpg")
    place.later_s = DAY_S
    assert place.service.sweep() == 100
    assert (half.exists(), whole.exists()) == (False, True)


def test_what_was_killed_before_its_record_goes_and_what_has_lost_it_stays(place: Place) -> None:
    fork = place.write("experiments/exp-00000001/origin.ckpt").parent
    export = place.write("exports/export-00000001/.export.json.0f3a9c11.tmp").parent
    trained = place.write("experiments/exp-00000002/runs/run-00000001/checkpoints/best.ckpt")
    repairable = place.write("experiments/exp-00000003/origin.ckpt")
    place.write(f"../../.corrupt/projects+{PROJECT}+experiments+exp-00000003+experiment.json.0f3a9c11")
    assert place.service.sweep() == 0
    place.later_s = DAY_S
    assert place.service.sweep() == 200
    assert [path.exists() for path in (fork, export, trained, repairable)] == [False, False, True, True]
