"""What was deleted while something else went on stays deleted, and that something ends with 404."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core import datasets
from app.core.exceptions import NotFoundError
from app.core.jobs.event_tail import ReportedEvent
from app.core.jobs.forwarding import EventForwarder
from app.core.studio import Studio
from app.datasets.thumbnails import write_thumbnail
from app.durable import make_directory
from app.schemas.common import utc_now
from app.schemas.events import AnyEvent, JobProgressed, JobResult
from app.schemas.experiments import ExperimentRecord
from app.schemas.jobs import JobRecord
from app.schemas.payloads import ImportLimits
from app.schemas.pixels import PixelReading
from app.schemas.projects import ProjectUpdate
from tests.core.conftest import create_experiment, train_to_end


def is_gone(studio: Studio, project_id: str) -> bool:
    return not studio._paths.project_dir(project_id).exists()


def test_a_thumbnail_does_not_bring_a_project_back(
    studio: Studio, imported_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    thumbnail = studio.datasets.find_thumbnail(imported_id, "red_0.png")
    assert isinstance(thumbnail, Path)

    def delete_first(path: Path, below: Path | None = None) -> None:
        studio.projects.delete_project(imported_id)
        make_directory(path, below)

    thumbnail.unlink()
    monkeypatch.setattr(datasets, "make_directory", delete_first)
    with pytest.raises(NotFoundError):
        studio.datasets.find_thumbnail(imported_id, "red_0.png")
    assert is_gone(studio, imported_id)


def test_a_thumbnail_that_is_being_drawn_does_not_either(
    studio: Studio, imported_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    thumbnail = studio.datasets.find_thumbnail(imported_id, "red_0.png")
    assert isinstance(thumbnail, Path)
    draw = write_thumbnail

    def delete_first(source: Path, target: Path, limits: ImportLimits, pixels: PixelReading) -> object:
        studio.datasets.clear_dataset(imported_id)
        source.parent.mkdir(parents=True)  # as if it had been read before
        source.write_bytes(picture)
        header = None
        try:
            header = draw(source, target, limits, pixels)
        finally:
            source.unlink()
            source.parent.rmdir()
            source.parent.parent.rmdir()
        return header

    picture = studio.datasets.image_path(imported_id, "red_0.png").read_bytes()
    thumbnail.unlink()
    monkeypatch.setattr(datasets, "write_thumbnail", delete_first)
    with pytest.raises(NotFoundError):
        studio.datasets.find_thumbnail(imported_id, "red_0.png")
    assert not studio._paths.dataset_dir(imported_id).exists()


def test_a_rename_that_waited_for_the_deletion_finds_nothing(studio: Studio, project_id: str) -> None:
    found: list[BaseException] = []
    at_the_gate = threading.Event()
    enter = studio.projects._gate.enter

    def note_and_enter(project: str) -> object:
        at_the_gate.set()
        return enter(project)

    def rename() -> None:
        try:
            studio.projects.update_project(project_id, ProjectUpdate(name="New"))
        except NotFoundError as error:
            found.append(error)

    with enter(project_id):
        studio.projects._gate.enter = note_and_enter  # type: ignore[method-assign, assignment]
        waiting = threading.Thread(target=rename)
        waiting.start()
        assert at_the_gate.wait(30)
        studio._stores.projects.delete(project_id)
    waiting.join(30)
    assert len(found) == 1
    assert is_gone(studio, project_id)


def test_no_write_brings_a_deleted_directory_back(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id)
    experiments, evaluations, stores = studio._stores.experiments, studio._stores.evaluations, studio._stores
    studio.experiments.delete_experiment(imported_id, record.id)
    directory = studio._paths.experiment_dir(imported_id, record.id)
    late: list[Callable[[], object]] = [
        lambda: experiments.drop_epochs(imported_id, record.id, "run-00000001", 1),
        lambda: experiments.update(imported_id, record.id, lambda current: current),
        lambda: evaluations.update(imported_id, record.id, None, {"status": "failed"}),
        lambda: stores.documents.write(directory / "runs" / "run-00000001" / "config.json", record),
        lambda: make_directory(directory / "evaluation", below=directory),
    ]
    refused = 0
    for write in late:
        with pytest.raises(FileNotFoundError):
            write()
        refused += 1
        assert not directory.exists()
    assert refused == 5
    studio.projects.delete_project(imported_id)
    with pytest.raises(FileNotFoundError):
        experiments.create(imported_id, ExperimentRecord(**record.model_dump()))
    with pytest.raises(FileNotFoundError):
        stores.projects.update(imported_id, {"name": "Back"})
    assert is_gone(studio, imported_id)


def test_a_model_that_was_let_go_has_ended_when_its_project_is_deleted(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id))
    studio.predictions.predict(imported_id, record.id, io.BytesIO(b"x"))
    studio.predictions.unload(imported_id, record.id)  # it is asked to end and not waited for
    studio.projects.delete_project(imported_id)
    assert [job for job in studio.scheduler.list_jobs() if job.project_id == imported_id] == []
    assert is_gone(studio, imported_id)


def test_the_last_words_of_a_job_whose_project_is_gone_are_dropped_and_its_result_counts(studio: Studio) -> None:
    job = JobRecord(id="job-00000001", kind="predict", project_id="proj-00000000", created_at=utc_now())
    forwarder = EventForwarder(studio.bus, job, lambda event: True)
    progress = JobProgressed(job_id=job.id, done=1, total=1)
    events: list[AnyEvent] = [progress, JobResult(outcome="completed")]
    forwarder.take([ReportedEvent(seq=seq, ts=utc_now(), event=event) for seq, event in enumerate(events, 1)])
    assert forwarder.forward()
    assert not forwarder.has_backlog()
    assert forwarder.result is not None
