"""A sample project ends ready to train, whatever happens between its import and its end."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from app.core import datasets
from app.core.exceptions import NotFoundError
from app.core.importing import samples
from app.core.importing.imports import ImportService
from app.core.studio import Studio
from app.schemas.jobs import JobRecord
from app.tasks.registry import list_samples, list_specs
from tests.core.conftest import WAIT_S, draw_class_folders

FEW = 20


def write_few(folder: Path) -> None:
    """Stand in for the writer of a sample, which takes seconds."""
    draw_class_folders(folder, FEW // 2)


@pytest.fixture
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sample, with few images."""
    task, sample = next(iter(list_samples().items()))
    small = dataclasses.replace(sample, num_images=FEW, writer=f"{__name__}:{write_few.__name__}")
    for module in (samples, datasets):
        monkeypatch.setattr(module, "list_samples", lambda: {task: small})


def sample_task(studio: Studio) -> str:
    return studio.samples.list_samples().samples[0].task


def test_every_task_with_a_sample_is_listed(studio: Studio) -> None:
    listed = studio.samples.list_samples().samples
    assert [sample.task for sample in listed] == [spec.id for spec in list_specs().values() if spec.sample is not None]
    assert len(listed) >= 2


def test_a_sample_project_is_ready_to_train_when_its_job_has_completed(studio: Studio, few_images: None) -> None:
    started = studio.samples.create_project(sample_task(studio))
    assert studio.scheduler.wait(started.job_id, WAIT_S).status == "completed"
    assert studio.datasets.describe_removal(started.project_id).is_sample
    project = studio.projects.get_project(started.project_id)
    assert (project.name, project.num_images, project.num_experiments) == ("Sample digits", FEW, 1)
    assert [split.name for split in studio.splits.list_splits(project.id).splits] == ["main"]
    experiment = studio.experiments.list_experiments(project.id).experiments[0]
    assert (experiment.status, experiment.split_name) == ("created", "main")
    assert [entry.name for entry in experiment.augmentations.train] == ["Resize", "RandomAffine", "Normalize"]
    types = [line.type for line in studio.bus.read(project.id, 0, 1000)]
    assert types.index("DATASET_SELECTED") < types.index("SPLIT_SUMMARY")


def test_names_are_free_and_an_import_of_ones_own_gets_no_experiment(studio: Studio) -> None:
    projects = [studio.samples.create_project(sample_task(studio)).project_id for _ in range(2)]
    assert [studio.projects.get_project(each).name for each in projects] == ["Sample digits", "Sample digits 2"]
    for project_id in projects:
        studio.scheduler.cancel_project(project_id, WAIT_S)
        assert studio.projects.get_project(project_id).num_experiments == 0


@pytest.mark.parametrize("task", ["telepathy", ""])
def test_a_task_without_a_sample_is_refused_with_those_that_have_one(studio: Studio, task: str) -> None:
    with pytest.raises(NotFoundError, match=sample_task(studio)):
        studio.samples.create_project(task)
    assert studio.projects.list_projects().projects == []


def test_an_end_that_is_seen_twice_makes_one_experiment(studio: Studio, few_images: None) -> None:
    started = studio.samples.create_project(sample_task(studio))
    job = studio.scheduler.wait(started.job_id, WAIT_S)
    studio.import_observer.on_finished(job)  # as after a crash between the documents and the record of the job
    assert studio.projects.get_project(started.project_id).num_experiments == 1


def test_a_full_disk_leaves_no_project(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> JobRecord:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ImportService, "_submit", refuse)
    with pytest.raises(OSError, match="No space"):
        studio.samples.create_project(sample_task(studio))
    assert studio.projects.list_projects().projects == []
