"""The start page, the dialogs of its projects, and the first steps, as HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from app.annotations.registry import get_kind
from app.api.pages.projects.page import (
    HINTS,
    describe_card,
    find_tab,
    project_dialog_fragment,
    work_line,
)
from app.api.pages.start.page import first_steps_fragment
from app.api.templating import render_fragment
from app.schemas.jobs import JobProgress
from app.schemas.project_list import (
    FirstExperiment,
    ListedProject,
    NextStep,
    ProjectExtent,
    ProjectSteps,
    ProjectWork,
)
from app.schemas.projects import ProjectCreate
from tests.api.live import LiveServer

PROJECT = ListedProject(
    id="proj-00000001",
    name="Screws",
    task="any",
    created_at="2026-01-01T00:00:00Z",
    updated_at="2026-01-01T00:00:00Z",
    changed_at="2026-01-01T00:00:00Z",
    num_images=1797,
    num_experiments=1,
)
TRAINING = ProjectWork(
    job_id="job-00000001", kind="train", is_running=True, progress=JobProgress(done=1, total=4), num_more=2
)


@pytest.fixture
def many(server: LiveServer) -> Iterator[int]:
    """More projects than a page holds."""
    task = server.studio.tasks.list_tasks().tasks[0].id
    made = [
        server.studio.projects.create_project(
            ProjectCreate(name=f"Project {number:04d} ".ljust(80, "x"), task=task, description="<" * 280)
        ).id
        for number in range(200)
    ]
    yield len(made)
    for project_id in made:
        server.studio.projects.delete_project(project_id)


def test_one_page_of_many_is_small_and_the_rest_is_one_link_away(client: httpx.Client, many: int) -> None:
    html = client.get("/projects", params={"sort_by": "name"}).text
    assert html.count('class="card card--link"') == 24
    assert len(html.encode()) < 95_000
    assert "&lt;" * 119 + "…" in html
    assert 'href="/projects?sort_by=name&amp;page=2"' in html
    last = client.get("/projects?sort_by=name&page=1000").text
    assert f"Project {many - 1:04d}" in last
    found = client.get("/projects?search=project+0117").text
    assert found.count('class="card card--link"') == 1
    assert 'value="project 0117"' in found


def test_a_search_without_result_leads_back(client: httpx.Client, project_id: str) -> None:
    html = client.get("/projects?search=%3Cb%3E").text
    assert "No project matches" in html
    assert "<b>" not in html
    assert 'href="/projects"' in html


@pytest.mark.parametrize("query", ["sort_by=size", "page=0", f"search={'x' * 81}"])
def test_a_query_that_means_nothing_is_refused(client: httpx.Client, query: str) -> None:
    for path in ("/projects", "/projects/project-list"):
        assert client.get(f"{path}?{query}").status_code == 422


def test_an_open_page_is_told_only_of_changes(client: httpx.Client, project_id: str) -> None:
    path = "/projects/project-list"
    for _ in range(2):  # the clock may turn between the first two
        first = client.get(path)
        headers = {"if-none-match": first.headers["etag"]}
        again = client.get(path, headers=headers)
        if again.status_code == 304:
            break
    assert (again.status_code, again.content) == (304, b"")
    assert first.text.startswith('<section id="project-list"')
    client.patch(f"/api/projects/{project_id}", json={"name": "Renamed"})
    assert "Renamed" in client.get(path, headers=headers).text


def test_the_dialog_of_a_new_project_has_a_card_per_task(client: httpx.Client) -> None:
    html = client.get("/projects").text
    tasks = client.get("/api/tasks").json()["data"]["tasks"]
    for task in tasks:
        assert re.search(rf'<input type="radio" name="task" value="{task["id"]}" required>', html)
        assert task["description"] in html
        kind = get_kind(task["annotation_kind"])
        assert kind.example in html
        assert f'<path d="{kind.icon}"/>' in html
    assert html.count('class="icon choice__icon"') == len(tasks)


@pytest.mark.parametrize(
    ("work", "text"),
    [
        (TRAINING, "Training, 25 %, 2 more queued"),
        (TRAINING.model_copy(update={"is_running": False, "num_more": 0}), "Training: queued"),
        (TRAINING.model_copy(update={"kind": "import", "progress": JobProgress(), "num_more": 0}), "Importing images"),
    ],
)
def test_work_is_put_in_words(work: ProjectWork, text: str) -> None:
    line = work_line(work)
    assert line is not None
    assert (line.text, line.is_running) == (text, work.is_running)
    assert work_line(None) is None


def test_the_dialog_of_a_deletion_says_what_goes() -> None:
    extent = ProjectExtent(project=PROJECT, task=None, num_splits=3, num_exports=2, copy_name="Screws copy")
    html = render_fragment(project_dialog_fragment(extent, "delete"))
    for words in (
        "1,797 images with their annotations",
        "3 splits",
        "1 experiment with",
        "2 exports",
        "is not changed",
    ):
        assert words in html
    assert 'hx-delete="/api/projects/proj-00000001"' in html
    assert "aria-disabled" not in html
    unsplit = render_fragment(project_dialog_fragment(extent.model_copy(update={"num_splits": 0}), "delete"))
    assert "1,797 images" in unsplit
    assert "split" not in unsplit


def test_the_dialog_of_a_deletion_says_why_not_now() -> None:
    busy = PROJECT.model_copy(update={"work": TRAINING})
    extent = ProjectExtent(project=busy, task=None, num_exports=0, copy_name="Screws copy")
    html = render_fragment(project_dialog_fragment(extent, "delete"))
    assert "Training, 25 %" in html
    assert 'type="submit" class="button" aria-disabled="true"' in html


def test_dialogs_are_there_for_each_project(client: httpx.Client, project_id: str) -> None:
    path = f"/projects/{project_id}/project-dialog"
    for action, words in (("rename", "hx-patch"), ("duplicate", "A project copy"), ("delete", "project is empty")):
        answer = client.get(path, params={"action": action})
        assert '<div id="project-dialog">' in answer.text
        assert words in answer.text
    assert client.get(path, params={"action": "burn"}).status_code == 422
    missing = client.get("/projects/proj-00000000/project-dialog?action=rename", headers={"hx-request": "true"})
    assert missing.status_code == 404


def test_a_project_opens_where_its_next_step_is(client: httpx.Client, project_id: str) -> None:
    answer = client.get(f"/projects/{project_id}")
    assert (answer.status_code, answer.headers["location"]) == (307, f"/projects/{project_id}/dataset")
    assert client.get("/projects/proj-00000000").status_code == 404


@pytest.mark.parametrize(
    ("step", "tab"),
    [
        ("import", "dataset"),
        ("split", "split"),
        ("experiment", "training"),
        ("train", "training"),
        ("evaluate", "evaluation"),
        ("export", "export"),
        ("done", "training"),
    ],
)
def test_a_card_says_where_its_project_opens(step: NextStep, tab: str) -> None:
    experiment = FirstExperiment(id="exp-00000001", name="Small network", status="completed")
    project = PROJECT.model_copy(update={"next_step": step})
    assert find_tab(ProjectSteps(project=project, next_step=step, experiment=experiment)) == tab
    assert describe_card(project, "Any task").hint == HINTS.get(step, "")


@pytest.mark.parametrize(
    ("kind", "tab"),
    [("import", "dataset"), ("train", "training"), ("evaluate", "evaluation"), ("export", "export")],
)
def test_a_project_opens_where_work_goes_on(kind: str, tab: str) -> None:
    project = PROJECT.model_copy(update={"work": TRAINING.model_copy(update={"kind": kind})})
    assert find_tab(ProjectSteps(project=project, next_step="wait")) == tab


def render_steps(next_step: NextStep, **changes: object) -> str:
    return render_fragment(
        first_steps_fragment(ProjectSteps.model_validate({"project": PROJECT, "next_step": next_step, **changes}))
    )


@pytest.mark.parametrize(
    ("step", "heading", "num_done"),
    [
        ("import", "Next: import images", 0),
        ("split", "Next: create a split", 1),
        ("experiment", "Next: create an experiment", 2),
        ("train", "Next: train the model", 3),
        ("evaluate", "Next: evaluate the model", 4),
        ("export", "Next: export the model", 5),
        ("done", "All steps are done", 6),
    ],
)
def test_the_first_steps_name_the_next(step: NextStep, heading: str, num_done: int) -> None:
    html = render_steps(step)
    assert f"<h2>{heading}</h2>" in html
    assert html.count("Done:") == num_done
    assert html.count('aria-current="step"') == (step != "done")


def test_what_can_be_trained_is_trained_by_one_press() -> None:
    experiment = FirstExperiment(id="exp-00000001", name="Small network", status="created")
    html = render_steps("train", experiment=experiment)
    assert 'hx-post="/api/training/proj-00000001/experiments/exp-00000001/train"' in html
    assert "Train Small network" in html
    failed = experiment.model_copy(update={"status": "failed"})
    assert "hx-post" not in render_steps("train", experiment=failed)


def test_work_shows_how_far_it_is_and_what_comes_then() -> None:
    work = TRAINING.model_copy(update={"kind": "import", "progress": JobProgress(done=3, total=9, message="Reading")})
    html = render_steps("wait", project=PROJECT.model_copy(update={"work": work}))
    assert 'value="3" max="9"' in html
    assert "The images are being imported." in html


def test_the_page_of_first_steps_is_whole(client: httpx.Client, project_id: str) -> None:
    html = client.get(f"/projects/{project_id}/start").text
    assert '<section id="first-steps"' in html
    assert "First steps" in html
    assert 'aria-current="page"' not in html[html.index("project-tabs") :]
    assert '<section id="first-steps"' in client.get(f"/projects/{project_id}/first-steps").text
