"""Experiments side by side, by clicks: choose, read the verdict, change the curve, look at the images.

The jobs are quick: engines without torch, whose results are rewritten here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from app.config import Settings
from app.core.studio import Studio
from app.schemas.datasets import ImportLocal
from app.schemas.evaluation import EvaluationRequest
from app.schemas.experiments import ExperimentUpdate
from app.schemas.projects import ProjectCreate
from app.schemas.splits import SplitCreate, SplitRatios
from tests.api.live import LiveServer, run_server
from tests.browser.conftest import Watched
from tests.core.conftest import FAKE_ENGINES, WAIT_S, create_experiment, draw_class_folders, train_to_end

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NAMES = ("First", "Second", "Third")


@dataclass(frozen=True)
class Lab:
    """Three trained and evaluated experiments, and one that was not trained."""

    project_id: str
    experiment_ids: tuple[str, ...]

    @property
    def path(self) -> str:
        """The page of all three."""
        return f"/projects/{self.project_id}/compare?experiments={','.join(self.experiment_ids)}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose jobs are quick."""
    settings = Settings(workspace_root=tmp_path_factory.mktemp("workspace"), cancel_ask_s=1.0, cancel_terminate_s=1.0)
    with run_server(settings, lambda given: Studio(given, worker_arguments=FAKE_ENGINES)) as live:
        yield live


@pytest.fixture(scope="module")
def lab(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    studio = server.studio
    task = next(task for task in studio.tasks.list_tasks().tasks if task.annotation_kind == "label")
    pid = studio.projects.create_project(ProjectCreate(name="Bolts", task=task.id)).id
    source = draw_class_folders(tmp_path_factory.mktemp("images") / "source", num_per_class=60)
    job = studio.imports.import_local(pid, ImportLocal(source_path=str(source)))
    assert studio.scheduler.wait(job.job_id, WAIT_S).status == "completed"
    studio.splits.create_split(pid, SplitCreate(name="main", ratios=SplitRatios(train=0.2, val=0.2, test=0.6)))
    ids = []
    for index, name in enumerate(NAMES):
        record = train_to_end(studio, pid, create_experiment(studio, pid, name, max_epochs=2 + index))
        evaluate(studio, pid, record.id, index)
        ids.append(record.id)
    create_experiment(studio, pid, "Untrained")
    return Lab(pid, tuple(ids))


def evaluate(studio: Studio, project_id: str, experiment_id: str, index: int) -> None:
    """Evaluate, and let the first be wrong on a third of the images, the second on none, the third on an eighth."""
    started = studio.evaluations.start_evaluation(project_id, experiment_id, EvaluationRequest())
    assert studio.scheduler.wait(started.job_id or "", WAIT_S).status == "completed"
    path = studio.settings.workspace_root / f"projects/{project_id}/experiments/{experiment_id}/evaluation/results.json"
    rows = json.loads(path.read_text())["results"]
    for number, row in enumerate(rows):
        row["correct"] = (number % 3 > 0, True, number % 8 > 0)[index]
    path.write_text(json.dumps({"results": rows}))


def test_choose_read_filter_and_come_back(watched: Watched, lab: Lab, check_axe: Callable[..., None]) -> None:
    page = watched.page
    watched.open(f"/projects/{lab.project_id}/compare")
    # Without a choice in the address, the two that were trained last.
    expect(page.locator(".verdict")).to_have_count(1)
    expect(page.locator(".verdict__title")).to_have_text("Second is better than Third")
    expect(page.get_by_label("Untrained")).to_be_disabled()
    page.get_by_role("checkbox", name="First").check()
    expect(page.locator(".verdict")).to_have_count(2)
    page.get_by_label("Reference experiment").select_option(label="First")
    expect(page.locator(".verdict__title").first).to_contain_text("is better than First")
    assert len(watched.page.locator(".metric-table tbody").all()) == 4
    expect(page.get_by_role("region", name="Values of these settings")).to_contain_text("max_epochs")
    page.get_by_role("link", name="Training loss").click()
    expect(page.locator("figure[data-chart] .chart__title")).to_have_text("Training loss")
    watched.wait_for("Studio.charts.get('curves').chart.data.datasets.length === 3")
    check_axe(page)

    page.get_by_role("link", name="Only Second is correct").click()
    expect(page.get_by_role("link", name="Only Second is correct")).to_have_attribute("aria-current", "true")
    cards = page.locator(".compared")
    assert cards.count() >= 1
    expect(cards.first.locator(".compared__answer.is-best")).to_have_count(1)
    address = page.url
    page.reload()
    assert page.url == address
    expect(page.get_by_role("link", name="Only Second is correct")).to_have_attribute("aria-current", "true")
    page.go_back()
    expect(page.locator(".link-bar [aria-current]").last).to_contain_text("All (")
    page.get_by_role("checkbox", name="Third").uncheck()
    expect(page.locator(".verdict")).to_have_count(1)
    page.get_by_role("checkbox", name="Second").uncheck()
    expect(page.locator(".compare__result")).to_contain_text("Select one more experiment")
    assert_no_overflow(page)


@pytest.fixture
def rename_first(server: LiveServer, lab: Lab) -> Iterator[Callable[[str], None]]:
    """Renames the first experiment, and gives it its own name back for the tests that come after."""

    def rename(name: str) -> None:
        server.studio.experiments.update_experiment(lab.project_id, lab.experiment_ids[0], ExperimentUpdate(name=name))

    yield rename
    rename(NAMES[0])


def test_nothing_sticks_out_while_results_show(watched: Watched, lab: Lab, rename_first: Callable[[str], None]) -> None:
    for name in ("n" * 80, NAMES[0]):
        rename_first(name)
        watched.open(lab.path)
        expect(watched.page.locator(".metric-table")).to_contain_text(name)
        assert_no_overflow(watched.page)


def test_another_tab_and_a_finished_evaluation_are_seen(watched: Watched, lab: Lab, server: LiveServer) -> None:
    studio, page = server.studio, watched.page
    studio.evaluations.reset_evaluation(lab.project_id, lab.experiment_ids[0])
    watched.open(lab.path)
    expect(page.get_by_text("Some experiments are not evaluated")).to_be_visible()
    link = page.get_by_role("link", name="Evaluate First")
    assert (link.get_attribute("href") or "").endswith(f"/evaluation?experiment={lab.experiment_ids[0]}")
    watched.wait_for("document.querySelector('[data-live-state]').dataset.state === 'live'")
    evaluate(studio, lab.project_id, lab.experiment_ids[0], 0)
    expect(page.locator(".verdict")).to_have_count(2)

    studio.experiments.update_experiment(lab.project_id, lab.experiment_ids[2], ExperimentUpdate(name="Bold"))
    expect(page.locator(".compare-choices")).to_contain_text("Bold")
    studio.experiments.update_experiment(lab.project_id, lab.experiment_ids[2], ExperimentUpdate(name="Third"))
    expect(page.locator(".compare-choices")).to_contain_text("Third")


def assert_no_overflow(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
