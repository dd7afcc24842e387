"""Pages in a browser beside a project of 100,000 images: first paint, the size of their HTML, and of all scripts."""

from __future__ import annotations

import logging
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

from app.api.templating import STATIC_DIR
from app.config import Settings
from tests.api.live import run_server as run_in_thread
from tests.api.pages.evaluated import make_experiment, write_label_results
from tests.api.pages.many_images import class_names, write_many_images
from tests.bench.measuring import Figure, Scope
from tests.bench.servers import WARM_SPARE, free_port, run_server, studio_command
from tests.browser.conftest import ARGUMENTS, find_chromium

NUM_IMAGES, QUICK_IMAGES = 100_000, 1_000
NUM_RESULTS, NUM_EXPERIMENTS = 10_000, 2
LOADS = 5
MAX_PAINT_S, MAX_HTML_KB, MAX_SCRIPTS_KB = 0.5, 100.0, 600.0
PAINT_TIMEOUT_MS = 10_000
FIRST_PAINT = """() => new Promise((resolve) => {
  const look = () => {
    const entry = performance.getEntriesByName("first-contentful-paint")[0];
    if (entry) resolve(entry.startTime); else setTimeout(look, 10);
  };
  look();
})"""


def write_workspace(root: Path, folder: Path, num_images: int) -> list[str]:
    """Write a project of many images with two measured experiments; return the paths of its pages and of the others."""
    logging.disable(logging.INFO)  # what this server says would stand among the figures
    settings = Settings(workspace_root=root, warm_spare=False)
    with run_in_thread(settings) as live, httpx.Client(base_url=live.url, timeout=30.0) as http:
        project = write_many_images(live.studio, folder, num_images)
        experiments = [
            make_experiment(live, http, project, f"Experiment {number}") for number in range(NUM_EXPERIMENTS)
        ]
        for experiment in experiments:
            write_label_results(live, project, experiment, class_names(), min(NUM_RESULTS, num_images))
    logging.disable(logging.NOTSET)
    nouns = ("start", "dataset", "split", "training", "evaluation", "export", "playground")
    compare = f"/projects/{project}/compare?experiments={','.join(experiments)}"
    return ["/projects", *(f"/projects/{project}/{noun}" for noun in nouns), compare]


def measure_paint(browser: Browser, url: str, loads: int) -> list[float]:
    """Return the first contentful paint of each load, in seconds after the navigation began; the cache is empty."""
    painted = []
    for _ in range(loads):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.set_default_timeout(PAINT_TIMEOUT_MS)
        page.goto(url, wait_until="commit")
        painted.append(page.evaluate(FIRST_PAINT) / 1000)
        context.close()
    return painted


def measure_pages(scope: Scope) -> Iterator[Figure]:
    """Measure every page; raises RuntimeError when only the sizes could be measured, without a browser."""
    num_images = scope.pick(NUM_IMAGES, QUICK_IMAGES)
    with tempfile.TemporaryDirectory() as temporary:
        folder, port = Path(temporary), free_port()
        paths = write_workspace(folder / "workspace", folder, num_images)
        with run_server(studio_command(port, folder / "workspace"), port, {WARM_SPARE: "0"}) as server:
            yield describe_sizes({path: measure_size(server.url + path) for path in paths})
            yield describe_scripts()
            chromium = find_chromium()
            if chromium is None:
                raise RuntimeError("No Chromium is installed, so the first paint of pages was not measured.")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
                browser.new_page().goto(server.url + paths[0])  # the first page of a browser waits for the browser
                loads = scope.pick(LOADS, 1)
                paints = {path: measure_paint(browser, server.url + path, loads) for path in paths}
                browser.close()
            yield describe_paints(paints, num_images)


def measure_size(url: str) -> int:
    """Return the bytes of the HTML of a page, not compressed."""
    return len(httpx.get(url, timeout=30.0, trust_env=False).raise_for_status().content)


def describe_sizes(sizes: dict[str, int]) -> Figure:
    """Return the largest page."""
    largest = max(sizes, key=sizes.__getitem__)
    note = f"of {len(sizes)} pages: {_name(largest)}"
    return _judge("HTML of the largest page", "kB", sizes[largest] / 1000, MAX_HTML_KB, note)


def describe_scripts() -> Figure:
    """Return the size of all scripts, those of others included; no page loads every one."""
    total = sum(file.stat().st_size for file in (STATIC_DIR / "js").rglob("*.js"))
    return _judge("all scripts together", "kB", total / 1000, MAX_SCRIPTS_KB, "")


def describe_paints(paints: dict[str, list[float]], num_images: int) -> Figure:
    """Return the page that is slowest by its median."""
    medians = {path: statistics.median(values) for path, values in paints.items()}
    slowest = max(medians, key=medians.__getitem__)
    each = ", ".join(f"{_name(path)} {median:.2f}" for path, median in medians.items())
    note = f"medians of {len(paints[slowest])} loads with an empty cache, {num_images:,} images: {each}"
    return _judge("first paint of the slowest page", "s", medians[slowest], MAX_PAINT_S, note)


def _judge(name: str, unit: str, ours: float, limit: float, note: str) -> Figure:
    return Figure(name, unit, ours, None, None, f"< {limit:g} {unit}", ours < limit, note)


def _name(path: str) -> str:
    return path.partition("?")[0].rpartition("/")[2]
