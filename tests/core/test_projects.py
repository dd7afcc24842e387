"""Projects through the service."""

from __future__ import annotations

import pytest

from app.core.exceptions import ConflictError, NotFoundError, ValidationFailedError
from app.core.studio import Studio
from app.schemas.projects import ProjectCreate, ProjectUpdate
from tests.core.conftest import create_experiment


def test_a_project_lives_from_create_to_delete(studio: Studio) -> None:
    project = studio.projects.create_project(ProjectCreate(name="Bolts", task="classification", description="Steel"))
    assert studio.projects.get_project(project.id) == project
    renamed = studio.projects.update_project(project.id, ProjectUpdate(name="Screws"))
    assert (renamed.name, renamed.description) == ("Screws", "Steel")
    assert [listed.id for listed in studio.projects.list_projects().projects] == [project.id]
    assert studio.projects.delete_project(project.id).deleted is True
    with pytest.raises(NotFoundError):
        studio.projects.get_project(project.id)


def test_an_unknown_task_is_refused_with_the_known_ones(studio: Studio) -> None:
    with pytest.raises(ValidationFailedError) as caught:
        studio.projects.create_project(ProjectCreate(name="Bolts", task="telepathy"))
    assert isinstance(caught.value.details, list)
    assert "classification" in caught.value.details[0].message


def test_a_description_can_be_removed(studio: Studio, project_id: str) -> None:
    studio.projects.update_project(project_id, ProjectUpdate(description="x"))
    assert studio.projects.update_project(project_id, ProjectUpdate(description=None)).description is None
    with pytest.raises(ValidationFailedError):
        studio.projects.update_project(project_id, ProjectUpdate(name=None))


def test_a_project_with_work_in_progress_is_not_deleted(studio: Studio, imported_id: str) -> None:
    record = create_experiment(studio, imported_id, seed=14)
    run = studio.training.start_training(imported_id, record.id)
    with pytest.raises(ConflictError, match="train"):
        studio.projects.delete_project(imported_id)
    studio.scheduler.cancel(run.job_id or "")
    studio.scheduler.wait(run.job_id or "", 20)
    studio.projects.delete_project(imported_id)
    assert studio.jobs.list_jobs().jobs == []


def test_the_list_is_kept_until_something_changes(studio: Studio, imported_id: str) -> None:
    first = studio.projects.list_projects()
    assert studio.projects.list_projects() is first
    create_experiment(studio, imported_id)
    assert studio.projects.list_projects().projects[0].num_experiments == 1
    studio.datasets.clear_dataset(imported_id)
    assert studio.projects.list_projects().projects[0].num_images == 0


def test_counts_follow(studio: Studio, imported_id: str) -> None:
    create_experiment(studio, imported_id)
    project = studio.projects.get_project(imported_id)
    assert (project.num_images, project.num_experiments) == (20, 1)
