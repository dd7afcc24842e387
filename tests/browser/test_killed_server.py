"""A server that is killed under an open training page and started again: the page says so, and the curve goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.client import StudioClient
from app.commands.demo_server import DemoServer, choose_port
from tests.browser.conftest import Watched, wait_for
from tests.browser.test_training_results import curve_of, expect_status, read_points
from tests.cli.test_restart import kill_server, start_training

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WAIT_MS = 60_000
NUM_POINTS = "Studio.charts.get('run-loss')?.spec.series[0].points.length || 0"
# A page whose server is gone is right to say so on the console; htmx names a request that was under way.
OF_A_KILLED_SERVER = (
    "ERR_CONNECTION_REFUSED",
    "ERR_INCOMPLETE_CHUNKED_ENCODING",
    "ERR_CONNECTION_RESET",
    "ERR_EMPTY_RESPONSE",
    "htmx:afterRequest",
    "htmx:sendError",
)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture(autouse=True)
def without_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the server from making a process that nobody here waits for."""
    monkeypatch.setenv("AI_STUDIO_WARM_SPARE", "0")


def expect_curve_of_the_record(page: Page, client: StudioClient, project: str, experiment: str) -> int:
    """Assert that the page shows every epoch of metrics.json once; returns how many they are."""
    epochs = [epoch.model_dump() for epoch in client.experiments.metrics(project, experiment).epochs]
    assert [epoch["epoch"] for epoch in epochs] == list(range(1, len(epochs) + 1))
    wait_for(page, f"({NUM_POINTS}) >= {len(epochs)}")
    losses = dict(read_points(page)["run-loss"])
    assert losses["training"][: len(epochs)] == curve_of(epochs, "train_loss")
    assert losses["validation"][: len(epochs)] == curve_of(epochs, "val_loss")
    return len(epochs)


def test_page_survives_the_death_of_its_server(page: Page, tmp_path: Path) -> None:
    port = choose_port(0)
    watched = Watched(page, f"http://127.0.0.1:{port}")
    with DemoServer(tmp_path / "workspace", port, tmp_path / "first.log") as server, StudioClient(server.url) as client:
        project, experiment = start_training(client, tmp_path / "images")
        watched.watch()
        watched.open(f"/projects/{project}/training?experiment={experiment}")
        wait_for(page, f"({NUM_POINTS}) >= 3", 90)
        page.reload()
        assert expect_curve_of_the_record(page, client, project, experiment) >= 3
        wait_for(page, "document.querySelector('[data-live-state]').dataset.state === 'live'")
        assert watched.complaints == []
        kill_server(port)
        expect(page.locator("#server-gone")).to_be_visible(timeout=WAIT_MS)
        expect_status(page, "training")
    with (
        DemoServer(tmp_path / "workspace", port, tmp_path / "second.log") as server,
        StudioClient(server.url) as client,
    ):
        expect(page.locator("#server-gone")).to_be_hidden(timeout=WAIT_MS)
        expect_status(page, "interrupted")
        expect(page.get_by_text("Interrupted, because the server stopped during the run.")).to_be_visible()
        before = expect_curve_of_the_record(page, client, project, experiment)
        page.locator("#run-resume").click()
        wait_for(page, "document.getElementById('training-results').dataset.status === 'training'", 60)
        wait_for(page, f"({NUM_POINTS}) >= {before + 2}", 90)
        assert expect_curve_of_the_record(page, client, project, experiment) >= before + 2
        live = read_points(page)["run-loss"][0][1]
        page.reload()
        assert read_points(page)["run-loss"][0][1][: len(live)] == live
        page.locator("#run-cancel").click()
        page.locator("#confirm").get_by_role("button", name="Cancel run").click()
        expect_status(page, "cancelled")
    complaints = [item for item in watched.complaints if not any(part in item for part in OF_A_KILLED_SERVER)]
    assert complaints == []
