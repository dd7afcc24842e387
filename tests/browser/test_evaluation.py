"""The evaluation page by clicks: evaluate, filter by a cell, walk through images, reset; many classes, values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import expect

from tests.api.live import LiveServer
from tests.api.pages.evaluated import (
    WAIT_S,
    make_experiment,
    make_project,
    write_label_results,
    write_value_results,
)
from tests.browser.conftest import Watched
from tests.browser.test_pages import check_layout

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CheckAxe = Callable[..., None]
CLASSES = ("<b>ball", "cube")
SETTINGS = {"image_size": 32, "batch_size": 4, "max_epochs": 1, "warmup_epochs": 0, "num_workers": 1}


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of the server of this module."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def project(server: LiveServer, client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A project of two classes; the name of one is markup."""
    return make_project(server, client, tmp_path_factory.mktemp("labels") / "images", classes=CLASSES)


@pytest.fixture(scope="module")
def trained(server: LiveServer, client: httpx.Client, project: str) -> str:
    """An experiment that was really trained, for one epoch on a few tiny images."""
    body = {"name": "Really trained", "split_name": "main", "hyperparameters": SETTINGS}
    body |= {"model": {"backbone": "resnet18", "pretrained": False}}
    experiment: str = client.post(f"/api/training/{project}/experiments", json=body).json()["data"]["id"]
    job = client.post(f"/api/training/{project}/experiments/{experiment}/train").json()["data"]["job_id"]
    assert server.studio.scheduler.wait(job, WAIT_S).status == "completed"
    return experiment


def test_evaluate_filter_walk_and_reset(
    watched: Watched,
    server: LiveServer,
    project: str,
    trained: str,
    check_axe: CheckAxe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = watched.page
    watched.open(f"/projects/{project}/evaluation?experiment={trained}")
    images = page.get_by_role("group", name="Images")
    images.get_by_label("Test:").uncheck()
    page.get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.locator("[data-form-errors] li")).to_have_text("Images: Choose at least one.")
    expect(images.locator(".field__error:visible")).to_have_text("Choose at least one.")
    watched.forgive("422")
    images.get_by_label("Test:").check()
    expect(page.locator("[data-form-errors]")).to_be_hidden()
    page.get_by_label("Training:").check()
    check_axe(page)
    with monkeypatch.context() as held:  # one of so few images would end before it can be cancelled
        held.setattr(server.studio.scheduler, "_accepts_starts", False)
        page.get_by_role("button", name="Evaluate", exact=True).click()
        expect(page.locator(".progress__label", has_text="Queued")).to_be_visible()
        page.reload()
        page.get_by_role("button", name="Cancel", exact=True).click()
        expect(page.get_by_text("The evaluation was cancelled")).to_be_visible(timeout=15_000)
    page.get_by_role("button", name="Evaluate again").click()
    expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible(timeout=30_000)
    expect(page.locator("figure[data-drawn]")).to_have_count(2)
    expect(page.locator("#evaluation-list")).to_contain_text("Accuracy 0.")
    assert page.locator(".metric__interval", has_text="95 % interval: ").count() == 4
    check_axe(page)
    check_layout(watched, 60)
    cell = page.locator("[data-matrix] td a").first
    number = int(cell.evaluate("cell => cell.firstChild.textContent"))
    cell.press("Enter")
    expect(page.locator("#result-grid .tile")).to_have_count(number)
    expect(cell).to_have_attribute("aria-current", "true")
    assert "predicted=" in page.url
    page.get_by_label("Predicted class").select_option("")
    expect(page.locator(".filter-chip")).to_have_count(1)
    page.reload()
    expect(page.locator(".filter-chip")).to_have_count(1)
    page.go_back()
    expect(page.locator(".filter-chip")).to_have_count(2)
    page.go_back()
    expect(page.locator("#result-grid .tile").first).to_be_visible()
    expect(page.locator(".filter-chip")).to_have_count(0)
    names = page.locator("#result-grid .tile .sr-only").all_inner_texts()
    page.locator("#result-grid .tile").first.click()
    expect(page.get_by_role("heading", name=names[0], exact=True)).to_be_visible()
    check_axe(page)
    check_layout(watched, 20)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name=names[1], exact=True)).to_be_visible()
    assert names[1].rpartition("/")[2].partition(".")[0] in page.url
    page.get_by_role("link", name="Results of Really trained").click()
    page.get_by_role("button", name="Delete evaluation").click()
    dialog = page.get_by_role("dialog", name="Delete the evaluation of Really trained?")
    expect(dialog).to_contain_text("The experiment, its checkpoints and the images are kept")
    dialog.get_by_role("button", name="Delete evaluation").click()
    expect(page.get_by_role("button", name="Evaluate", exact=True)).to_be_visible()


def test_another_tab_sees_a_reset_and_many_classes_go_by_keyboard(
    watched: Watched, server: LiveServer, client: httpx.Client, project: str, check_axe: CheckAxe
) -> None:
    experiment = make_experiment(server, client, project, "Many classes")
    names = [f"species number {number}" for number in range(30)]
    write_label_results(server, project, experiment, names, 600, share_right=0.9)
    page = watched.page
    watched.open(f"/projects/{project}/evaluation?experiment={experiment}")
    cells = page.locator("[data-matrix] td a")
    expect(cells.first).to_be_visible()
    expect(page.locator("[data-matrix] td a[tabindex='0']")).to_have_count(1)
    cells.first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-matrix] td a[tabindex='0']")).to_have_count(1)
    assert not cells.first.evaluate("cell => cell === document.activeElement")
    check_axe(page)
    check_layout(watched, 100)
    page.get_by_role("link", name="Show all 30 classes").click()
    expect(page.locator("#class-scores tbody tr")).to_have_count(30)
    client.delete(f"/api/evaluation/{project}/{experiment}")
    expect(page.get_by_role("button", name="Evaluate", exact=True)).to_be_visible()
    watched.complaints[:] = [item for item in watched.complaints if "404" not in item]  # images that were made up
    make_experiment(server, client, project, "Left over")
    page.reload()
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    client.delete(f"/api/training/{project}/experiments/{experiment}")
    expect(page.locator(".toast")).to_have_text(re.compile("The experiment shown here was deleted"))
    expect(page.locator("#evaluation-list")).not_to_contain_text("Many classes")
    assert page.url == f"{watched.url}/projects/{project}/evaluation"
    expect(page.locator("#evaluation-report h2").first).not_to_contain_text("Many classes")
    watched.forgive("404")


def test_pictures_filter_the_grid_and_stay_as_they_are_shown(
    watched: Watched, server: LiveServer, client: httpx.Client, project: str
) -> None:
    experiment = make_experiment(server, client, project, "Pictures")
    rows = write_label_results(server, project, experiment, list(CLASSES), 20)
    page, tiles = watched.page, watched.page.locator("#result-grid .tile")
    watched.open(f"/projects/{project}/evaluation?experiment={experiment}")
    page.get_by_role("link", name="Row percentages").click()
    expect(page.locator("[aria-current]", has_text="Row percentages")).to_be_visible()
    assert "show=shares" in page.url
    page.get_by_role("link", name=re.compile("Precision .*: images predicted as cube")).click()
    expect(tiles).to_have_count(sum(row["prediction"]["class_name"] == "cube" for row in rows))
    page.locator("#result-correct").select_option("yes")
    expect(page.locator(".filter-chip")).to_have_count(2)
    page.reload()
    expect(page.locator("[aria-current]", has_text="Row percentages")).to_be_visible()
    expect(page.locator(".filter-chip")).to_have_count(2)

    watched.wait_for("Studio.charts.get('confidence')?.chart.getDatasetMeta(0).data.length === 10")
    bar = page.evaluate(
        "(() => { const { x, y, base } = Studio.charts.get('confidence').chart.getDatasetMeta(0).data[8];"
        " return { x, y: (y + base) / 2 }; })()"
    )
    page.locator("figure#confidence canvas").click(position=bar)
    expect(page.locator(".filter-chip")).to_have_count(1)
    expect(page.locator(".filter-chip")).to_have_text("Confidence: 80 to 90 %")
    expect(tiles).to_have_count(sum(0.8 < row["prediction"]["confidence"] <= 0.9 for row in rows))
    expect(page.locator("#result-sure")).to_have_value("8-10")
    assert "show=shares" in page.url
    page.get_by_role("link", name="Counts").click()
    expect(page.locator("[aria-current]", has_text="Counts")).to_be_visible()
    assert "show=" not in page.url
    assert "sure=8-10" in page.url
    page.go_back()
    expect(page.locator("[aria-current]", has_text="Row percentages")).to_be_visible()
    watched.complaints[:] = [item for item in watched.complaints if "404" not in item]  # images that were made up


def test_values_show_their_errors(
    watched: Watched,
    server: LiveServer,
    client: httpx.Client,
    tmp_path_factory: pytest.TempPathFactory,
    check_axe: CheckAxe,
) -> None:
    project = make_project(server, client, tmp_path_factory.mktemp("values") / "images", "values")
    write_value_results(server, project, make_experiment(server, client, project))
    page = watched.page
    watched.open(f"/projects/{project}/evaluation")
    expect(page.locator("figure[data-drawn]")).to_have_count(2)
    check_axe(page)
    check_layout(watched, 40)
    cloud = page.locator("figure#value-cloud")
    cloud.get_by_text("Show data as a table").click()
    expect(cloud.locator("thead th")).to_have_text(["True value", "Prediction"])
    expect(cloud.locator("tbody tr")).to_have_count(20)
    expect(cloud.locator("tbody tr").last.locator("td")).to_have_text(["19", "20.9"])
    page.get_by_role("link", name="weight", exact=True).click()
    expect(page.get_by_text("weight: true value and prediction")).to_be_visible()
    page.locator("#result-grid .tile").first.click()
    expect(page.get_by_role("table")).to_contain_text("188.1")
    client.delete(f"/api/projects/{project}")
