"""Dry runs over HTTP: the report, how far a longer one is, hanging up, and pages beside dozens of requests."""

from __future__ import annotations

import csv
import io
import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from app.api.routes import import_checks
from app.config import Settings
from app.core.studio import Studio
from tests.api.checking import check_import, check_import_html
from tests.api.live import LiveServer, run_server
from tests.core.conftest import FAKE_ENGINES

WAIT_S = 60.0
NUM_BAD = 205


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose dry runs can be endless."""
    root = tmp_path_factory.mktemp("checks") / "workspace"
    settings = Settings(workspace_root=root, cancel_ask_s=1.0, cancel_terminate_s=1.0, warm_spare=False)
    with run_server(settings, lambda given: Studio(given, FAKE_ENGINES)) as live:
        yield live


@pytest.fixture
def endless(tmp_path: Path) -> dict[str, str]:
    """The body of a request for a dry run that ends only when it is cancelled."""
    (tmp_path / "endless").mkdir()
    return {"source_path": str(tmp_path / "endless")}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """One good image and more bad ones than a report names."""
    folder = tmp_path / "images" / "cat"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "0.png")
    for number in range(NUM_BAD):
        (folder / f"=bad{number:03}.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return tmp_path / "images"


@pytest.fixture(autouse=True)
def quick_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer a longer dry run at once."""
    monkeypatch.setattr(import_checks, "WAIT_S", 0.5)


def wait_until(is_met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_met():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def rows_of(answer: httpx.Response) -> list[str]:
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    return [row["file"] for row in csv.DictReader(io.StringIO(answer.text))]


def test_all_problems_can_be_saved(client: httpx.Client, project_id: str, source: Path) -> None:
    url = f"/api/datasets/{project_id}/import"
    assert client.get(f"{url}/problems").status_code == 404
    html = check_import_html(client, project_id, {"source_path": str(source)})
    link = html.partition('/problems" download')[0].rpartition('"')[2] + "/problems"
    names = rows_of(client.get(link))
    assert len(names) == NUM_BAD + 1  # there is only one class
    assert "cat/=bad204.png" in names
    report = check_import(client, project_id, {"source_path": str(source)})
    assert (report["num_problems"], len(report["problems"])) == (NUM_BAD + 1, 200)
    job_id = client.post(f"{url}/local", json={"source_path": str(source)}).json()["data"]["job_id"]
    wait_until(lambda: client.get(f"/api/jobs/{job_id}").json()["data"]["status"] == "completed")
    assert len(rows_of(client.get(f"{url}/problems"))) == NUM_BAD + 1
    assert f'href="{url}/problems"' in client.get(f"/projects/{project_id}/dataset").text


def test_the_problems_of_a_failed_import_can_be_saved(client: httpx.Client, project_id: str, source: Path) -> None:
    (source / "cat" / "0.png").unlink()
    url = f"/api/datasets/{project_id}/import"
    job_id = client.post(f"{url}/local", json={"source_path": str(source)}).json()["data"]["job_id"]
    wait_until(lambda: client.get(f"/api/jobs/{job_id}").json()["data"]["status"] == "failed")
    assert len(rows_of(client.get(f"{url}/problems"))) == NUM_BAD


def test_a_longer_one_says_how_far_it_is_and_is_cancelled(
    client: httpx.Client, project_id: str, endless: dict[str, str]
) -> None:
    url = f"/api/datasets/{project_id}/import/check"
    answer = client.post(url, json=endless)
    assert answer.status_code == 202
    job_id = answer.json()["data"]["job_id"]
    wait_until(lambda: client.get(f"{url}/{job_id}").json()["data"]["progress"]["done"] > 0)
    html = client.get(f"{url}/{job_id}", headers={"hx-request": "true"}).text
    assert f'data-check-url="{url}/{job_id}"' in html
    assert f'hx-post="/api/jobs/{job_id}/cancel"' in html
    assert client.post(f"/api/jobs/{job_id}/cancel").status_code == 200
    wait_until(lambda: client.get(f"{url}/{job_id}").json()["data"]["status"] == "cancelled")
    over = client.get(f"{url}/{job_id}", headers={"hx-request": "true"}).text
    assert "data-check-url" not in over
    assert "was cancelled" in over


def test_the_request_of_a_replaced_one_answers_409(
    client: httpx.Client, project_id: str, endless: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_checks, "WAIT_S", WAIT_S)
    url = f"/api/datasets/{project_id}/import/check"
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.post, f"{client.base_url}{url}", json=endless, timeout=WAIT_S)
        wait_until(lambda: bool(find_checks(client, project_id)))
        second = client.post(url, json=endless, headers={"prefer": "respond-async"})
        assert second.status_code == 202
        assert first.result().status_code == 409
    client.post(f"/api/jobs/{second.json()['data']['job_id']}/cancel")


def find_checks(client: httpx.Client, project_id: str) -> list[str]:
    jobs = client.get("/api/system/jobs").json()["data"]["jobs"]
    return [job["status"] for job in jobs if job["project_id"] == project_id and job["kind"] == "check"]


def test_a_client_that_hangs_up_takes_its_dry_run_with_it(
    client: httpx.Client,
    server: LiveServer,
    project_id: str,
    endless: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(import_checks, "WAIT_S", WAIT_S)
    place = urlsplit(server.url)
    body = json.dumps(endless).encode()
    head = (
        f"POST /api/datasets/{project_id}/import/check HTTP/1.1\r\nHost: {place.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((place.hostname or "", place.port or 0)) as connection:
        connection.sendall(head.encode() + body)
        wait_until(lambda: find_checks(client, project_id) == ["running"])
    wait_until(lambda: find_checks(client, project_id) == ["cancelled"])


@pytest.mark.slow
def test_dozens_of_requests_keep_no_page_waiting(
    client: httpx.Client, endless: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_checks, "WAIT_S", 5.0)
    task = client.get("/api/tasks").json()["data"]["tasks"][0]["id"]
    projects = [
        client.post("/api/projects", json={"name": f"Project {number}", "task": task}).json()["data"]["id"]
        for number in range(60)
    ]
    seen = []
    with ThreadPoolExecutor(60) as pool:
        asked = [
            pool.submit(httpx.post, f"{client.base_url}/api/datasets/{each}/import/check", json=endless, timeout=WAIT_S)
            for each in projects
        ]
        while not all(each.done() for each in asked):
            seen.append(client.get(f"/projects/{projects[0]}/dataset").status_code)
        answers = [each.result() for each in asked]
    assert set(seen) == {200}
    assert {answer.status_code for answer in answers} == {202, 503}
    refused = [answer.json()["error"] for answer in answers if answer.status_code == 503]
    assert {error["code"] for error in refused} == {"TOO_MANY_CHECKS"}
    assert len(answers) - len(refused) == 10
    for answer in answers:
        if answer.status_code == 202:
            client.post(f"/api/jobs/{answer.json()['data']['job_id']}/cancel")


def test_leftovers_of_a_dry_run_are_those_of_the_newest(
    client: httpx.Client, server: LiveServer, project_id: str, source: Path, tmp_path: Path
) -> None:
    archive = shutil.make_archive(str(tmp_path / "images"), "zip", source)
    for _ in range(2):
        assert check_import(client, project_id, {"source_path": archive})["num_images"] == 1
    folder = server.studio.settings.workspace_root / "projects" / project_id / "checks"
    kept = sorted(sorted(path.name for path in each.iterdir()) for each in folder.iterdir())
    assert kept == [["check.json", "previews", "problems.csv", "report.json"], ["previews"]]
