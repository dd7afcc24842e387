"""The list of projects: what is found, in which order, with what goes on; and the first steps of one."""

from __future__ import annotations

import time

import pytest

from app.core.exceptions import NotFoundError
from app.core.studio import Studio
from app.core.views.project_list import PAGE_SIZE
from app.schemas.datasets import ImportLocal
from app.schemas.evaluation import EvaluationRequest
from app.schemas.export import ExportRequest
from app.schemas.project_list import ProjectQuery
from app.schemas.projects import ProjectCreate, ProjectUpdate
from app.schemas.splits import SplitCreate
from tests.core.conftest import WAIT_S, create_experiment, draw_class_folders, train_to_end


def names(studio: Studio, **query: str | int) -> list[str]:
    return [project.name for project in studio.project_list.find_page(ProjectQuery.model_validate(query)).projects]


@pytest.fixture
def four(studio: Studio) -> list[str]:
    """Projects of two tasks, the first made the first."""
    tasks = [task.id for task in studio.tasks.list_tasks().tasks]
    made = (
        ("bolts", tasks[0], "Steel"),
        ("Apples", tasks[1], None),
        ("Cells", tasks[0], None),
        ("Dials", tasks[1], "x"),
    )
    return [
        studio.projects.create_project(ProjectCreate(name=name, task=task, description=text)).id
        for name, task, text in made
    ]


def test_projects_are_searched_filtered_and_sorted(studio: Studio, four: list[str]) -> None:
    studio.projects.update_project(four[1], ProjectUpdate(description="Red ones"))
    assert names(studio) == ["Apples", "Dials", "Cells", "bolts"]
    assert names(studio, sort_by="created") == ["Dials", "Cells", "Apples", "bolts"]
    assert names(studio, sort_by="name") == ["Apples", "bolts", "Cells", "Dials"]
    assert names(studio, search=" STEEL ") == ["bolts"]
    assert names(studio, search=four[2]) == ["Cells"]
    task = studio.projects.get_project(four[0]).task
    assert names(studio, task=task, sort_by="name") == ["bolts", "Cells"]
    assert names(studio, search="nothing") == []


def test_a_page_beyond_the_last_is_the_last(studio: Studio, four: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.views.project_list.PAGE_SIZE", 3)
    page = studio.project_list.find_page(ProjectQuery(page=99, sort_by="name"))
    assert (page.num_found, page.num_pages, page.query.page) == (4, 2, 2)
    assert [project.name for project in page.projects] == ["Dials"]
    assert PAGE_SIZE == 24


def test_work_is_shown_and_makes_the_project_the_last_changed(studio: Studio, imported_id: str) -> None:
    task = studio.projects.get_project(imported_id).task
    studio.projects.create_project(ProjectCreate(name="Later", task=task))
    runs = [
        studio.training.start_training(imported_id, create_experiment(studio, imported_id, name, seed=14).id)
        for name in ("one", "two")
    ]
    while not (listed := studio.project_list.find_page(ProjectQuery()).projects[0]).work:
        time.sleep(0.01)
    assert listed.id == imported_id
    assert listed.work is not None
    assert (listed.work.kind, listed.work.num_more, listed.work.progress.total) == ("train", 1, 2)
    for run in runs:
        studio.scheduler.cancel(run.job_id or "")
        studio.scheduler.wait(run.job_id or "", 20)
    assert studio.project_list.get_extent(imported_id).project.work is None


def test_an_import_that_failed_is_said(studio: Studio, project_id: str) -> None:
    folder = draw_class_folders(studio.settings.workspace_root.parent / "source", 1)
    for path in folder.rglob("*.png"):
        path.write_bytes(b"no image")
    job = studio.imports.import_local(project_id, ImportLocal(source_path=str(folder)))
    assert studio.scheduler.wait(job.job_id, WAIT_S).status == "failed"
    listed = studio.project_list.find_page(ProjectQuery()).projects[0]
    assert listed.failed_import is not None
    assert "This is a text file" in listed.failed_import.message


def test_the_version_changes_with_documents_jobs_and_the_clock(
    studio: Studio, imported_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr("app.core.views.project_list.time.time", lambda: now)
    versions = [studio.project_list.version(), studio.project_list.version()]
    assert versions[0] == versions[1]
    record = create_experiment(studio, imported_id, seed=14)
    versions.append(studio.project_list.version())
    run = studio.training.start_training(imported_id, record.id)
    versions.append(studio.project_list.version())
    studio.scheduler.cancel(run.job_id or "")
    studio.scheduler.wait(run.job_id or "", 20)
    versions.append(studio.project_list.version())
    now += 60
    versions.append(studio.project_list.version())
    assert len(set(versions)) == 5


def test_the_name_of_a_copy_is_free_and_fits(studio: Studio, project_id: str) -> None:
    task = studio.projects.get_project(project_id).task
    assert studio.project_list.get_extent(project_id).copy_name == "Bolts copy"
    studio.projects.create_project(ProjectCreate(name="Bolts copy", task=task))
    assert studio.project_list.get_extent(project_id).copy_name == "Bolts copy 2"
    long = studio.projects.create_project(ProjectCreate(name="x" * 80, task=task)).id
    assert studio.project_list.get_extent(long).copy_name == f"{'x' * 75} copy"


def test_each_step_leads_to_the_next(studio: Studio, project_id: str) -> None:
    def next_step() -> str:
        (listed,) = studio.project_list.find_page(ProjectQuery()).projects
        step = studio.project_list.get_steps(project_id).next_step
        assert listed.next_step == step  # a card says what the project says
        return step

    source = draw_class_folders(studio.settings.workspace_root.parent / "source")
    found = [next_step()]
    job = studio.imports.import_local(project_id, ImportLocal(source_path=str(source)))
    found.append(next_step())
    studio.scheduler.wait(job.job_id, WAIT_S)
    found.append(next_step())
    studio.splits.create_split(project_id, SplitCreate(name="main"))
    found.append(next_step())
    record = create_experiment(studio, project_id)
    found.append(next_step())
    train_to_end(studio, project_id, record)
    found.append(next_step())
    evaluation = studio.evaluations.start_evaluation(project_id, record.id, EvaluationRequest())
    studio.scheduler.wait(evaluation.job_id or "", WAIT_S)
    found.append(next_step())
    export = studio.exports.create_export(project_id, ExportRequest(experiment_id=record.id))
    studio.scheduler.wait(export.job_id or "", WAIT_S)
    found.append(next_step())
    assert found == ["import", "wait", "split", "experiment", "train", "evaluate", "export", "done"]
    train_to_end(studio, project_id, create_experiment(studio, project_id, "Older and not evaluated"))
    assert next_step() == "done"


def test_what_is_not_there_has_no_steps(studio: Studio) -> None:
    for ask in (studio.project_list.get_steps, studio.project_list.get_extent):
        with pytest.raises(NotFoundError):
            ask("proj-00000000")
