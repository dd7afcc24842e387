"""The export page in a real browser, from a trained model to the downloaded file by clicks only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.api.live import LiveServer
from tests.browser.conftest import Watched
from tests.browser.test_pages import check_layout
from tests.core.conftest import draw_class_folders

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CheckAxe = Callable[..., None]
TINY = {"image_size": 32, "max_epochs": 1, "batch_size": 4, "early_stopping_patience": 0, "warmup_epochs": 0}
END_S = 60.0


@pytest.fixture(scope="module")
def project(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twenty images, a split, and a model that saw them for one epoch."""
    source = draw_class_folders(tmp_path_factory.mktemp("images") / "folders")
    with httpx.Client(base_url=server.url, timeout=60) as client:
        task = next(t for t in client.get("/api/tasks").json()["data"]["tasks"] if t["annotation_kind"] == "label")
        identifier: str = client.post("/api/projects", json={"name": "Bolts", "task": task["id"]}).json()["data"]["id"]
        body = {"source_path": str(source)}
        started = client.post(f"/api/datasets/{identifier}/import/local", json=body).json()["data"]
        if "job_id" in started:
            server.studio.scheduler.wait(started["job_id"], END_S)
        client.post(f"/api/splits/{identifier}", json={"name": "main"}).raise_for_status()
        model = {"backbone": "resnet18", "pretrained": False}
        settings = {"name": "Mine", "split_name": "main", "model": model, "hyperparameters": TINY}
        base = f"/api/training/{identifier}/experiments"
        experiment = client.post(base, json=settings).json()["data"]["id"]
        client.post(f"{base}/{experiment}/train", json={}).raise_for_status()
        job = server.studio.experiments.get_experiment(identifier, experiment)
        assert job.current_run_id is not None
        for record in server.studio.jobs.list_jobs().jobs:
            server.studio.scheduler.wait(record.id, 3 * END_S)
        assert server.studio.experiments.get_experiment(identifier, experiment).status == "completed"
        settings["name"] = "Not trained"
        client.post(base, json=settings).raise_for_status()
    return identifier


def test_model_is_exported_downloaded_and_deleted_by_clicks(
    watched: Watched, project: str, check_axe: CheckAxe, tmp_path: Path
) -> None:
    watched.open(f"/projects/{project}/export")
    page = watched.page
    expect(page.get_by_text("No export yet")).to_be_visible()
    check_axe(page)
    page.get_by_role("button", name="New export").click()
    form = page.locator("[data-export-form]")
    expect(form.get_by_label("Experiment").locator("option", has_text="Not trained")).to_be_disabled()
    form.get_by_label("TorchScript").check()
    expect(form.get_by_label("Operator set (opset)", exact=True)).to_be_hidden()
    form.get_by_label("ONNX").check()
    expect(form.get_by_label("Operator set (opset)", exact=True)).to_have_value("17")
    form.locator('[data-export-options="onnx"]').get_by_label("Input height").fill("48")
    width = form.locator('[data-export-options="onnx"]').get_by_label("Input width")
    assert (
        width.evaluate("field => field.validationMessage")
        == "Enter both height and width, or leave both empty to use the training size."
    )
    width.fill("40")
    check_axe(page, "#new-export")
    form.get_by_role("button", name="Export model", exact=True).click()
    expect(page.get_by_role("heading", name="Mine as ONNX")).to_be_visible()
    expect(page.locator(".certificate__sentence")).to_contain_text("passed", timeout=END_S * 1000)
    expect(page.get_by_text("48 × 40 px")).to_be_visible()
    assert "?export=export-" in page.url
    check_axe(page)
    check_layout(watched, 40)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download model").click()
    download.value.save_as(tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").stat().st_size > 1_000_000
    assert page.locator("#certificate a.tile").first.get_attribute("href", timeout=1000) is not None
    page.reload()
    expect(page.locator(".certificate__sentence")).to_contain_text("passed")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete export").click()
    expect(page.get_by_text("No export yet")).to_be_visible()


def test_export_that_waits_is_followed_and_cancelled(
    watched: Watched, server: LiveServer, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.studio.scheduler, "_accepts_starts", False)  # so small a model is exported in no time
    watched.open(f"/projects/{project}/export")
    page = watched.page
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    experiments = httpx.get(f"{server.url}/api/training/{project}/experiments").json()["data"]["experiments"]
    trained = next(item["id"] for item in experiments if item["status"] == "completed")
    body = {"experiment_id": trained, "options": {"opset_version": 18}}
    export = httpx.post(f"{server.url}/api/export/{project}", json=body).json()["data"]
    expect(page.locator(".export-steps__item")).to_have_count(6)
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("No file was created.")).to_be_visible(timeout=END_S * 1000)
    values = json.loads(page.get_by_role("button", name="Export again").get_attribute("hx-vals") or "{}")
    assert values["options"]["opset_version"] == 18
    httpx.delete(f"{server.url}/api/export/{project}/{export['id']}").raise_for_status()
    expect(page.get_by_text("This export does not exist").or_(page.get_by_text("No export yet"))).to_be_visible()
