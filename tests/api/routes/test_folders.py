"""Folders of the machine over HTTP: JSON and the fragment of the import dialog."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from tests.api.live import LiveServer, run_server

HTMX = {"hx-request": "true"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("browse")
    for name in ("cats & <b>dogs", "Übung 100 %", ".hidden"):
        (root / name).mkdir()
        (root / name / "1.png").touch()
    (root / "labels.csv").touch()
    return root


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[LiveServer]:
    with run_server(Settings(workspace_root=root / "workspace", browse_roots=str(root))) as live:
        yield live


def test_folders_are_listed(client: httpx.Client, root: Path) -> None:
    data = client.get("/api/folders").json()["data"]
    assert [item["name"] for item in data["folders"]] == ["cats & <b>dogs", "Übung 100 %"]
    assert [item["num_images"] for item in data["folders"]] == [1, 1]
    assert (data["path"], data["parent"], [item["name"] for item in data["files"]]) == (str(root), None, ["labels.csv"])
    inner = client.get("/api/folders", params={"path": f'"{root}/Übung 100 %/"'}).json()["data"]
    assert (inner["name"], inner["num_images"], inner["parent"]) == ("Übung 100 %", 1, str(root))


def test_the_fragment_leads_into_folders_and_up_again(client: httpx.Client, root: Path) -> None:
    html = client.get("/api/folders", headers=HTMX).text
    assert '<section id="folder-browser"' in html
    assert "<b>dogs" not in html
    link = unescape(html.partition("Contents of")[2].partition('hx-get="')[2].partition('"')[0])
    inner = client.get(link, headers=HTMX).text
    assert "1 image and 0 folders directly in it" in inner
    assert "data-folder-up" in inner
    assert f'data-choose-path="{root}/cats &amp; &lt;b&gt;dogs"' in inner
    assert "data-folder-up" not in html
    assert "holds the workspace" in html


@pytest.mark.parametrize("path", ["/", "/etc", "relative", "..", "x" * 4097, "/\x00", "C:\\Windows", "~nobody/x"])
def test_what_cannot_be_listed_is_refused_with_the_field(client: httpx.Client, path: str) -> None:
    answer = client.get("/api/folders", params={"path": path})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"].endswith("path")
