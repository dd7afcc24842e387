"""The results column in a browser: buttons, queue, curve and log of runs that go on; engines without torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from app.schemas.events import CheckpointSaved, JobProgressed, LogLine, ResourceStats, RunRecovered, TrainProgress
from tests.api.imported import imported_workspace as imported_workspace
from tests.api.imported import project as project
from tests.api.imported import server as server
from tests.api.live import LiveServer
from tests.browser.conftest import Watched, wait_for
from tests.browser.test_pages import check_layout
from tests.core.conftest import create_experiment, train_to_end

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WAIT_S = 90.0  # for a job process on a busy machine
POINTS = """() => Object.fromEntries(["run-loss", "run-metric", "run-rate"].map(id =>
  [id, Studio.charts.get(id).spec.series.map(series => [series.name, series.points])]))"""
OPEN_ALL = """() => { for (const part of document.querySelectorAll("#training-results details"))
  part.open ||= !part.querySelector("summary").textContent.includes("numbers"); }"""


def address(project: str, experiment: str) -> str:
    return f"/projects/{project}/training?experiment={experiment}"


def expect_status(page: Page, status: str) -> None:
    expect(page.locator("#training-results")).to_have_attribute("data-status", status, timeout=WAIT_S * 1000)


def read_points(page: Page) -> dict[str, list[tuple[str, list[list[float]]]]]:
    """Return the lines of each chart, once they are drawn."""
    wait_for(page, "Boolean(window.Studio?.charts?.get('run-rate'))")
    points: dict[str, list[tuple[str, list[list[float]]]]] = page.evaluate(POINTS)
    return points


def curve_of(epochs: list[dict[str, Any]], key: str) -> list[list[Any]]:
    return [[epoch["epoch"], epoch.get(key)] for epoch in epochs]


def test_a_run_from_start_to_end_by_keyboard(tabs: Callable[[], Watched], server: LiveServer, project: str) -> None:
    studio = server.studio
    record = create_experiment(studio, project, "by keyboard", seed=19, max_epochs=1000)
    tab = tabs()
    page = tab.page
    tab.open(address(project, record.id))
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    expect(page.get_by_text("Not trained yet")).to_be_visible()
    studio.training.start_training(project, record.id)
    expect_status(page, "training")
    page.locator("#run-pause").focus()
    page.evaluate("document.activeElement.isTheSame = true")
    tab.wait_for("Studio.charts.get('run-loss')?.spec.series[0].points.length > 3", WAIT_S)
    expect(page.locator("#run-stop-keep")).not_to_have_attribute("aria-disabled", "true")
    assert page.evaluate("document.activeElement.isTheSame && document.activeElement.id") == "run-pause"
    expect(page.locator("#run-announce")).to_have_text(re.compile(r"Epoch \d+ finished, Accuracy 0\.\d+"))
    page.evaluate("""() => { window.labels = []; new MutationObserver(() => window.labels.push(
        document.querySelector("#run-pause [data-label]")?.textContent)).observe(document.body,
        {subtree: true, childList: true, characterData: true}); }""")
    page.keyboard.press("Enter")
    expect_status(page, "paused")
    assert "Pausing…" in page.evaluate("window.labels")
    expect(page.get_by_text("Paused. The state is saved")).to_be_visible()
    expect(page.locator("#run-title")).to_be_focused()
    page.locator("#run-resume").press("Enter")
    expect_status(page, "training")
    page.locator("#run-stop-keep").press("Enter")
    expect_status(page, "completed")
    expect(page.locator("#run-evaluate")).to_have_attribute(
        "href", f"/projects/{project}/evaluation?experiment={record.id}"
    )
    page.locator("#run-fork").press("Enter")
    dialog = page.locator("#run-fork-dialog")
    dialog.get_by_label("Name").fill("Forked")
    dialog.get_by_role("spinbutton", name="Learning rate").fill("0.5")
    page.get_by_role("button", name="Create fork").click()
    expect(page.locator("#run-title")).to_have_text("Results of Forked")
    [fork] = [item for item in studio.experiments.list_experiments(project).experiments if item.name == "Forked"]
    assert fork.hyperparameters["learning_rate"] == 0.5
    assert fork.parent is not None
    assert (fork.parent["experiment_id"], fork.parent["checkpoint"]) == (record.id, "best")
    tab.open(address(project, record.id))
    page.locator("#run-restart").click()
    expect(page.get_by_text("evaluation are discarded")).to_be_visible()
    page.locator("#confirm").get_by_role("button", name="Restart").click()
    expect_status(page, "created")
    expect(page.get_by_text("Runs of this experiment (1)")).to_be_visible()


def test_every_tab_shows_the_same_curve_whenever_it_was_opened(
    tabs: Callable[[], Watched], server: LiveServer, project: str
) -> None:
    studio = server.studio
    record = create_experiment(studio, project, "watched", seed=19, max_epochs=1000)
    first, reloaded = tabs(), tabs()
    for tab in (first, reloaded):
        tab.open(address(project, record.id))
    started = studio.training.start_training(project, record.id)
    wait_for(first.page, "Studio.charts.get('run-loss')?.spec.series[0].points.length > 8", WAIT_S)
    reloaded.page.reload()
    late = tabs()
    late.open(address(project, record.id))
    late.page.get_by_label("Metric", exact=True).select_option("all")
    seen = read_points(reloaded.page)["run-loss"][0][1]
    studio.training.stop_training(project, record.id, keep=True)
    studio.scheduler.wait(started.job_id or "", WAIT_S)
    epochs = httpx.get(f"{server.url}/api/training/{project}/experiments/{record.id}/metrics").json()["data"]["epochs"]
    assert 0 < len(seen) <= len(epochs) < 1000
    for tab in (first, reloaded, late):
        expect_status(tab.page, "completed")
        points = {name: line for lines in read_points(tab.page).values() for name, line in lines}
        assert points["training"] == curve_of(epochs, "train_loss")
        assert points["Accuracy"] == curve_of(epochs, "val_accuracy")
        assert points["learning rate"] == curve_of(epochs, "lr")
        assert points["best epoch"] == [[len(epochs), epochs[-1]["val_accuracy"]]]
    assert "metric=all" in late.page.url
    late.page.reload()
    expect(late.page.get_by_label("Metric", exact=True)).to_have_value("all")


def test_waiting_runs_are_moved_by_keyboard_and_tabs_agree(
    tabs: Callable[[], Watched], server: LiveServer, project: str
) -> None:
    studio = server.studio
    records = [
        create_experiment(studio, project, name, seed=19, max_epochs=1000) for name in ("running", "second", "third")
    ]
    runs = [studio.training.start_training(project, record.id) for record in records]
    here, there = tabs(), tabs()
    for tab in (here, there):
        tab.open(address(project, records[2].id))
        expect(tab.page.locator("[data-live-state]")).to_have_text("Live")
        expect(tab.page.locator(".run-queue__name")).to_have_text(["second", "third"])
    expect(here.page.get_by_text("cpu is in use by a training run of “running”.")).to_be_visible()
    here.page.locator(f"#queue-{runs[2].run_id}-first").press("Enter")
    for tab in (here, there):
        expect(tab.page.locator(".run-queue__name")).to_have_text(["third", "second"])
    expect(here.page.locator(f"#queue-{runs[2].run_id}-first")).to_be_focused()
    here.page.keyboard.press("Enter")  # it is the first already
    here.page.locator(f"#queue-{runs[2].run_id}-down").press("Enter")
    for tab in (here, there):
        expect(tab.page.locator(".run-queue__name")).to_have_text(["second", "third"])
    here.page.locator("#run-cancel").click()
    here.page.locator("#confirm").get_by_role("button", name="Remove from queue").click()
    for tab in (here, there):
        expect_status(tab.page, "cancelled")
        expect(tab.page.get_by_text("Removed from the queue before")).to_be_visible()


def test_cancelling_in_the_first_epoch_says_what_is_left(
    tabs: Callable[[], Watched], server: LiveServer, project: str
) -> None:
    studio = server.studio
    record = create_experiment(studio, project, "first epoch", seed=21)
    run = studio.training.start_training(project, record.id)
    tab = tabs()
    page = tab.page
    tab.open(address(project, record.id))
    expect_status(page, "training")
    nothing = "No epoch is finished yet, so there is no best checkpoint to keep."
    expect(page.locator("#run-cancel-help")).to_contain_text(nothing)
    page.locator("#run-cancel").click()
    expect(page.locator("#confirm")).to_contain_text(nothing)
    page.locator("#confirm").get_by_role("button", name="Keep training").click()
    saved = CheckpointSaved(run_id=run.run_id, name="best", path="x", epoch=1, size_bytes=1, metric={})
    studio.bus.publish(project, saved, run_id=run.run_id, job_id=run.job_id)
    expect(page.locator("#run-cancel-help")).to_contain_text("or keep the best one.")
    page.locator("#run-cancel").click()
    expect(page.locator("#confirm")).to_contain_text("which may be a few epochs back")
    page.locator("#confirm").get_by_role("button", name="Cancel run").click()
    expect_status(page, "cancelled")


def test_figures_notes_and_log_follow_in_place(tabs: Callable[[], Watched], server: LiveServer, project: str) -> None:
    studio = server.studio
    record = create_experiment(studio, project, "figures", seed=19, max_epochs=1000)
    run = studio.training.start_training(project, record.id)
    tab = tabs()
    page = tab.page
    tab.open(address(project, record.id))
    expect_status(page, "training")
    job = run.job_id or ""
    for event in (
        TrainProgress(run_id=run.run_id, epoch=3, epochs=9, step=1200, steps=2000, eta_s=7300.0, phase="eval"),
        ResourceStats(run_id=run.run_id, cpu_pct=51.2, ram_mb=2048, gpu_pct=None, vram_mb=None, step_per_sec=1.5),
    ):
        studio.bus.publish(project, event, run_id=run.run_id, job_id=job)
    for key, text in {
        "phase": "Validating",
        "epoch": "3 of 9",
        "step": "step 1,200 of 2,000",
        "eta": "2 h 2 min",
        "cpu": "51 %",
        "ram": "2.0 GiB",
        "rate": "1.5 steps/s",
    }.items():
        expect(page.locator(f"[data-live={key}]")).to_have_text(text)
    trouble = RunRecovered(
        run_id=run.run_id,
        reason="out_of_memory",
        message="It ran out of memory and goes on.",
        epoch=3,
        batch=1,
        learning_rate=0.1,
        micro_batch_size=4,
    )
    page.locator("#run-pause").evaluate("element => { element.isTheSame = true; }")
    assert studio.run_observer.on_event(studio.scheduler.get(job), trouble)
    studio.bus.publish(project, trouble, run_id=run.run_id, job_id=job)
    expect(page.get_by_text("In epoch 3: It ran out of memory and goes on.")).to_be_visible()
    assert page.locator("#run-pause").evaluate("element => element.isTheSame === true")
    studio.training.pause_training(project, record.id)
    expect_status(page, "paused")
    studio.bus.publish(project, JobProgressed(job_id=job, done=1, total=2, message="Late"), job_id=job)
    log = (
        studio.settings.workspace_root / "projects" / project / "experiments" / record.id / "runs" / run.run_id / "logs"
    )
    (log / "training.log").write_text("".join(f"2026-01-01T10:00:00.000000Z Line {number}\n" for number in range(2500)))
    page.reload()
    page.locator("#run-log-panel summary").click()
    lines = page.locator(".run-log__line")
    expect(lines.last).to_have_text("10:00:00 Line 2499")
    assert 1000 < lines.count() <= 2000
    with (log / "training.log").open("a") as file:
        file.write("2026-01-01T10:00:01.000000Z warning: <b>Odd</b>\n")
    studio.bus.publish(project, LogLine(run_id=run.run_id, level="warning", text="Odd"), run_id=run.run_id)
    expect(lines.last).to_have_text("10:00:01 warning: <b>Odd</b>")
    assert "is-warning" in (lines.last.get_attribute("class") or "")
    page.locator("#run-log").evaluate("element => { element.scrollTop = 0; }")
    expect(page.locator("#run-log-follow")).to_have_attribute("aria-pressed", "false")
    with (log / "training.log").open("a") as file:
        file.writelines(f"2026-01-01T10:00:02.000000Z More {number}\n" for number in range(900))
    page.locator("#run-log-follow").click()
    expect(lines.last).to_have_text("10:00:02 More 899")
    assert lines.count() <= 2000
    with page.expect_download() as download:
        page.get_by_role("link", name="Download log", exact=True).click()
    assert len(download.value.path().read_text().splitlines()) == 3401


def test_each_state_is_readable(
    watched: Watched, server: LiveServer, project: str, check_axe: Callable[..., None]
) -> None:
    studio = server.studio
    created = create_experiment(studio, project, "created")
    completed = train_to_end(studio, project, create_experiment(studio, project, "completed"))
    failed = train_to_end(studio, project, create_experiment(studio, project, "failed", seed=13))
    paused = train_to_end(studio, project, create_experiment(studio, project, "paused", seed=16))
    training, pending = (
        create_experiment(studio, project, name, seed=19, max_epochs=1000) for name in ("training", "pending")
    )
    for record in (training, pending):
        studio.training.start_training(project, record.id)
    seen = 0
    for record in (created, completed, failed, paused, training, pending):
        watched.open(address(project, record.id))
        expect(watched.page.locator("[data-live-state]")).to_have_text("Live")
        expect_status(watched.page, record.name)
        watched.page.evaluate(OPEN_ALL)
        check_axe(watched.page)
        check_layout(watched, 12)
        seen += 1
    assert seen == 6
