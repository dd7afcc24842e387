"""What the pages of a project start from."""

from __future__ import annotations

import pytest

from app.core.exceptions import NotFoundError
from app.core.studio import Studio
from app.schemas.events import ExperimentStatusChanged
from app.schemas.projects import ProjectCreate


def test_page_has_the_project_its_task_and_the_newest_event(studio: Studio) -> None:
    task = studio.tasks.list_tasks().tasks[0]
    project = studio.projects.create_project(ProjectCreate(name="A", task=task.id))
    assert studio.pages.get_project_page(project.id).seq == 0
    studio.bus.publish(project.id, ExperimentStatusChanged(experiment_id="exp-00000000", status="pending"))
    page = studio.pages.get_project_page(project.id)
    assert (page.project, page.task, page.seq) == (project, task, 1)


def test_unknown_project(studio: Studio) -> None:
    with pytest.raises(NotFoundError):
        studio.pages.get_project_page("proj-00000000")
