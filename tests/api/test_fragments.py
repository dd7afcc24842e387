"""With `HX-Request: true` every GET path of the API answers HTML: the fragment of its page, or its values as a list."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from app.api.pages.record_view import MAX_ROWS, record_fragment
from app.api.templating import render_fragment
from app.schemas.common import StrictModel, new_id, utc_now
from app.schemas.export import ExportOptions, ExportRecord
from tests.api.live import LiveServer
from tests.api.operations import list_operations
from tests.api.pages.evaluated import make_experiment, make_project, write_label_results

# Bytes of files, streams, and what needs a job are no JSON; everything else that is read is listed here.
NO_JSON = {
    "/api/datasets/{pid}/images/{filename}",
    "/api/datasets/{pid}/thumbnails/{filename}",
    "/api/export/{pid}/{xid}/download",
    "/api/export/{pid}/{xid}/bundle",
    "/api/projects/{pid}/assets/{asset_id}",
    "/api/datasets/{pid}/import/problems",
    "/api/evaluation/{pid}/{eid}/results.csv",
    "/api/datasets/{pid}/import/check/{job_id}/problems",
    "/api/datasets/{pid}/import/check/{job_id}/previews/{picture}",
    "/api/training/{pid}/experiments/{eid}/stream",
}
ROOTS = {
    "/api/projects": "project-list",
    "/api/projects/{pid}": "project-card",
    "/api/projects/{pid}/state": "first-steps",
    "/api/datasets/{pid}": "dataset-content",
    "/api/datasets/{pid}/images": "image-grid",
    "/api/datasets/{pid}/images/{filename}/info": "image-detail",
    "/api/splits/{pid}": "split-list",
    "/api/splits/{pid}/preview": "split-preview",
    "/api/splits/{pid}/{split_name}": "split-classes",
    "/api/training/{pid}/experiments": "experiment-list",
    "/api/training/{pid}/experiments/{eid}": "training-settings",
    "/api/training/{pid}/experiments/{eid}/metrics": "training-results",
    "/api/training/{pid}/experiments/{eid}/runs": "training-results",
    "/api/training/{pid}/experiments/{eid}/logs": "run-log",
    "/api/training/{pid}/experiments/{eid}/checks": "run-checks",
    "/api/training/{pid}/experiments/{eid}/forecast": "training-forecast",
    "/api/evaluation/{pid}/{eid}": "evaluation-report",
    "/api/evaluation/{pid}/{eid}/results": "result-grid",
    "/api/evaluation/{pid}/{eid}/results/{filename}/info": "result-detail",
    "/api/compare/{pid}": "comparison",
    "/api/folders": "folder-browser",
    "/api/export/{pid}": "export-content",
    "/api/export/{pid}/{xid}": "export-content",
}
PLAIN = {
    "/api/projects/{pid}/assets",
    "/api/projects/{pid}/events",
    "/api/evaluation/{pid}/{eid}/checkpoints",
    "/api/export/formats",
    "/api/export/{pid}/{xid}/parity",
    "/api/jobs/{job_id}",
    "/api/predict/{pid}/{eid}",
    "/api/samples",
    "/api/system/devices",
    "/api/system/health",
    "/api/system/jobs",
    "/api/system/workspace",
    "/api/tasks",
    "/api/tasks/{task}/schema",
    "/api/training/{pid}/queue",
    "/api/weights",
}
QUERIES = {"/api/projects/{pid}/events": "?limit=5"}
NEEDS_FILES = {"/api/export/{pid}/{xid}/parity"}
NEEDS_JOB = {"/api/datasets/{pid}/import/check/{job_id}"}  # tests of dry runs ask for its fragment


@pytest.fixture(scope="module")
def ids(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A project with everything that can be read, and the names of its parts."""
    folder: Path = tmp_path_factory.mktemp("images")
    with httpx.Client(base_url=server.url, timeout=60) as client:
        project = make_project(server, client, folder)
        experiment, other = (make_experiment(server, client, project, name) for name in ("First", "Second"))
        write_label_results(server, project, experiment, ["a", "b"], 20)
        job = client.get("/api/system/jobs").json()["data"]["jobs"][0]["id"]
        task = client.get(f"/api/projects/{project}").json()["data"]["task"]
    now = utc_now()
    export = ExportRecord(
        id=new_id("export"), experiment_id=experiment, checkpoint="best", format="onnx", options=ExportOptions(),
        status="failed", created_at=now, completed_at=now,
    )  # fmt: skip
    server.studio.exports._stores.exports.create(project, export)
    return {
        "pid": project, "eid": experiment, "xid": export.id, "job_id": job, "task": task, "split_name": "main",
        "filename": "a/i0_0.png", "other": other,
    }  # fmt: skip


def fill(path: str, ids: dict[str, str], client: httpx.Client) -> str:
    """Return the address of something that is there."""
    query = QUERIES.get(path, "")
    if path == "/api/compare/{pid}":
        query = f"?experiments={ids['eid']}&experiments={ids['other']}"
    if "{filename}" in path:
        listed = "results" if "/results/" in path else "images"
        url = f"/api/evaluation/{ids['pid']}/{ids['eid']}/results" if listed == "results" else (
            f"/api/datasets/{ids['pid']}/images"
        )  # fmt: skip
        ids = {**ids, "filename": client.get(url).json()["data"]["items"][0]["filename"]}
    return path.format(**ids) + query


def test_every_path_that_is_read_is_listed_here() -> None:
    read = {operation.path for operation in list_operations() if operation.method == "GET"}
    assert read - NO_JSON - NEEDS_JOB == set(ROOTS) | PLAIN
    assert (len(ROOTS), len(PLAIN)) == (23, 16)


@pytest.mark.parametrize("path", [*ROOTS, *sorted(PLAIN - NEEDS_FILES)])
def test_path_answers_html_when_it_is_asked_for(client: httpx.Client, ids: dict[str, str], path: str) -> None:
    url = fill(path, ids, client)
    answer = client.get(url, headers={"hx-request": "true"})
    assert answer.status_code == 200, (url, answer.text[:500])
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f'id="{ROOTS.get(path, "record")}"' in answer.text
    assert "<html" not in answer.text
    plain = client.get(url, headers={"accept": "application/json"})
    assert plain.headers["content-type"] == "application/json"
    assert plain.json()["status"] == "ok"
    assert answer.headers["vary"] == plain.headers["vary"] == "HX-Request"


def test_what_changes_something_answers_html_too(client: httpx.Client, ids: dict[str, str]) -> None:
    htmx = {"hx-request": "true"}
    made = client.post("/api/projects", data={"name": "By htmx", "task": ids["task"]}, headers=htmx)
    assert (made.status_code, 'id="project-card"' in made.text, "By htmx" in made.text) == (200, True, True)
    url = f"/api/training/{ids['pid']}/experiments"
    made = client.post(url, data={"name": "By htmx"}, headers=htmx)
    assert (made.status_code, 'id="training-settings"' in made.text) == (200, True)
    split = client.post(f"/api/splits/{ids['pid']}", data={"name": "by-htmx"}, headers=htmx)
    assert (split.status_code, 'id="split-classes"' in split.text) == (200, True)
    gone = client.delete(f"/api/splits/{ids['pid']}/by-htmx", headers=htmx)
    assert (gone.status_code, 'id="record"' in gone.text, "<dt>Deleted</dt><dd>yes</dd>" in gone.text) == (
        200,
        True,
        True,
    )


class Inner(StrictModel):
    text: str = "<b>"
    share: float = 0.123456789


class Outer(StrictModel):
    is_on: bool = True
    nothing: str | None = None
    inner: Inner = Inner()
    names: list[str] = ["a", "b"]
    rows: list[Inner] = [Inner()] * (MAX_ROWS + 5)


def test_record_fragment_lists_values_and_escapes_them() -> None:
    html = render_fragment(record_fragment(Outer()))
    for name, value in [("Is on", "yes"), ("Nothing", "none"), ("Inner, text", "&lt;b&gt;"), ("Names", "a, b"),
                        ("Inner, share", "0.123457")]:  # fmt: skip
        assert f"<dt>{name}</dt><dd>{value}</dd>" in html
    assert html.count("<tr>") == MAX_ROWS + 1
    assert "And 5 more." in html
