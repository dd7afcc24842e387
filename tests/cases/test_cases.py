"""Every source of this folder, by dry run and by import; the import over REST."""

from __future__ import annotations

import io
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.config import Settings
from app.datasets.images import read_rgb
from app.datasets.importing import checking
from app.schemas.datasets import ImportOptions
from app.schemas.payloads import CheckPayload, ImportLimits
from app.tasks.registry import get_spec
from tests.api.live import LiveServer, run_server
from tests.cases.expectations import NUM_CASES, READINGS, Reading
from tests.datasets.jobs import FakeContext

HERE = Path(__file__).parent
WAIT_S = 60.0
PER_PAGE = 500
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the real services and an empty workspace."""
    with run_server(Settings(workspace_root=tmp_path_factory.mktemp("cases") / "workspace", warm_spare=False)) as live:
        yield live


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client as a script would use it."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture
def new_project(client: httpx.Client) -> Callable[[str], str]:
    """Make a project of a task and return its id."""

    def create(task: str) -> str:
        answer = client.post("/api/projects", json={"name": f"Case {next(NUMBERS)}", "task": task})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["id"])

    return create


def source_of(case: str, source: str = "") -> Path:
    return HERE / case / "input" / source


def check_source(reading: Reading, output: Path) -> dict[str, Any]:
    """Return the report of a dry run in this process; how a server starts one is the subject of other tests."""
    info = get_spec(reading.task).info
    payload = CheckPayload(
        annotation_kind=info.annotation_kind,
        allowed_formats=list(info.import_formats),
        source_path=str(source_of(reading.case, reading.source)),
        source_format=None,
        options=ImportOptions.model_validate(dict(reading.options)),
        limits=ImportLimits(),
    )
    checking.run(FakeContext(output, payload))
    report: dict[str, Any] = json.loads((output / "report.json").read_bytes())
    return report


def import_source(client: httpx.Client, project: str, path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Import and return the summary of the dataset with all its images."""
    body = {"source_path": str(path), "options": options}
    answer = client.post(f"/api/datasets/{project}/import/local", json=body)
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["data"]["job_id"]
    deadline = time.monotonic() + WAIT_S
    while True:
        job = next(job for job in client.get("/api/system/jobs").json()["data"]["jobs"] if job["id"] == job_id)
        if job["status"] not in {"pending", "running"}:
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert job["status"] == "completed", job
    summary: dict[str, Any] = client.get(f"/api/datasets/{project}").json()["data"]
    summary["images"] = client.get(f"/api/datasets/{project}/images?page_size={PER_PAGE}").json()["data"]["items"]
    return summary


def text_of(found: dict[str, Any]) -> str:
    """Return all problems and notes of a report or a summary as one text."""
    problems = [f"{item['file']}: {item['message']} {item['fix']}" for item in found["problems"]]
    return "\n".join([*problems, *found.get("notes", [])])


def test_every_case_is_read() -> None:
    folders = {path.parent.name for path in HERE.glob("*/README.md")}
    assert len(folders) == NUM_CASES
    assert {reading.case for reading in READINGS} == folders
    assert len({reading.name for reading in READINGS}) == len(READINGS) == 32


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.name)
def test_a_case_is_read_as_it_should(
    client: httpx.Client, new_project: Callable[[str], str], tmp_path: Path, reading: Reading
) -> None:
    report = check_source(reading, tmp_path)
    assert report["can_import"], report
    assert (report["num_images"], report["class_counts"]) == (reading.num_images, dict(reading.classes)), report
    assert report["split_counts"] == dict(reading.splits)
    assert report["num_lost"] == reading.num_lost, report["groups"]
    for text in reading.says:
        assert text in text_of(report), text_of(report)
    source, options = source_of(reading.case, reading.source), dict(reading.options)
    imported = import_source(client, new_project(reading.task), source, options)
    assert (len(imported["images"]), imported["class_counts"]) == (reading.num_images, dict(reading.classes))
    counts = dict.fromkeys(reading.splits, 0)
    for image in imported["images"] if reading.splits else ():
        counts[image["split"][0]] += 1
    assert counts == dict(reading.splits)
    if reading.values:
        found = sorted((image["source_name"], tuple(image["values"])) for image in imported["images"])
        assert tuple(values for _, values in found) == reading.values
    if reading.value_names:
        assert tuple(imported["value_names"]) == reading.value_names
    for text in reading.says:
        assert text in text_of(imported), text_of(imported)


def test_same_names_in_folders_keep_their_names(client: httpx.Client, new_project: Callable[[str], str]) -> None:
    imported = import_source(client, new_project("regression"), source_of("same-names-in-folders"), {})
    names = {image["source_name"] for image in imported["images"]}
    assert names == {f"day{day}/00{number}.png" for day in (1, 2, 3) for number in (1, 2, 3)}


def show(client: httpx.Client, project: str, image: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Return the thumbnail of an image as grey levels."""
    answer = client.get(f"/api/datasets/{project}/thumbnails/{image['filename']}")
    assert answer.status_code == 200
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"), dtype=float)


def test_float_images_keep_their_meaning(client: httpx.Client, new_project: Callable[[str], str]) -> None:
    project = new_project("classification")
    imported = import_source(client, project, source_of("float-images"), {})
    shown = {Path(image["source_name"]).name: show(client, project, image) for image in imported["images"]}
    assert np.abs(shown["unit.tif"] - shown["unit_rounded.tif"]).max() < 8
    assert shown["unit.tif"].max() > 200
    assert shown["kelvin_high.tif"].mean() - shown["kelvin_low.tif"].mean() > 50


def test_strokes_on_transparency_stay_visible(client: httpx.Client, new_project: Callable[[str], str]) -> None:
    project = new_project("classification")
    imported = import_source(client, project, source_of("transparent-drawings"), {})
    assert len(imported["images"]) == 8
    for image in imported["images"]:
        assert show(client, project, image).std() > 20
    assert read_rgb(source_of("transparent-drawings") / "bar" / "0.png").std() > 20
