"""Files are answered by their content's type, kept by browsers only for themselves, and never run."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from app.api.files import OCTET_STREAM, serve_download, serve_file, sniff_content_type
from app.config import Settings
from app.core.exceptions import NotFoundError
from tests.api.fakes import studio_with
from tests.api.live import run_server

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
URL = "/api/datasets/proj-00000000/images/"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", OCTET_STREAM),
        (b"BM6\x00", "image/bmp"),
        (b"II*\x00", "image/tiff"),
        (SVG, OCTET_STREAM),
        (b"<html>", OCTET_STREAM),
        (b"", OCTET_STREAM),
    ],
)
def test_type_by_content(head: bytes, expected: str) -> None:
    assert sniff_content_type(head) == expected


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "one é.png").write_bytes(PNG)
    (tmp_path / "lie.png").write_bytes(SVG)
    return tmp_path


def test_images_over_http(folder: Path) -> None:
    images = {"image_path": lambda _pid, name: folder / name}
    with run_server(Settings(workspace_root=folder), studio_with(datasets=images)) as live:
        with httpx.Client(base_url=live.url) as client:
            answer = client.get(URL + "cats%2Fone%20%C3%A9.png")
            assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
            assert "private" in answer.headers["cache-control"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            kept = client.get(URL + "cats/one é.png", headers={"if-none-match": answer.headers["etag"]})
            assert (kept.status_code, kept.content) == (304, b"")
            head = client.head(URL + "cats/one é.png")
            assert (head.status_code, head.headers["content-length"]) == (200, str(len(PNG)))
            lie = client.get(URL + "lie.png")
            assert lie.headers["content-type"] == OCTET_STREAM
            assert lie.headers["content-disposition"] == "attachment"
            assert client.get(URL + "none.png").json()["error"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("value", "status", "length"),
    [
        ("bytes=0-3", 206, 4),
        ("bytes=40-", 206, 8),
        ("bytes=-8", 206, 8),
        ("bytes=-", 200, 48),
        ("bytes=48-", 200, 48),
        ("bytes=9-1", 200, 48),
        ("bytes=0-1,4-5", 200, 48),
        ("bytes=-0", 200, 48),
        ("lines=1-2", 200, 48),
        ("bytes=" + "9" * 50 + "-", 200, 48),
    ],
)
def test_ranges(folder: Path, value: str, status: int, length: int) -> None:
    images = {"image_path": lambda _pid, name: folder / name}
    with run_server(Settings(workspace_root=folder), studio_with(datasets=images)) as live:
        answer = httpx.get(f"{live.url}{URL}cats/one é.png", headers={"range": value})
    assert (answer.status_code, len(answer.content)) == (status, length)


def test_odd_names_are_answered_and_never_crash(client: httpx.Client, project_id: str) -> None:
    names = [
        "%00",
        "a%0Ab",
        "%ff%fe",
        "..%2F..%2Fetc%2Fpasswd",
        "a" * 1100,
        "%2e%2e",
        "C:%5Cx",
        "a" * 300,
        "info",
        "%20",
    ]
    for name in names:
        for kind in ("images", "thumbnails"):
            for suffix in ("", "/info"):
                answer = client.get(f"/api/datasets/{project_id}/{kind}/{name}{suffix}")
                assert answer.status_code in {404, 422}, name
                assert answer.json()["status"] == "error"


def test_download_has_a_name_and_no_guessed_type(folder: Path) -> None:
    answer = serve_download(folder / "lie.png", "model.onnx")
    assert answer.headers["content-type"] == OCTET_STREAM
    assert answer.headers["content-disposition"] == 'attachment; filename="model.onnx"'


@pytest.mark.parametrize("name", ["none", "cats", "lie.png/x"])
def test_what_is_no_file_is_not_found(folder: Path, name: str) -> None:
    with pytest.raises(NotFoundError):
        serve_download(folder / name, "x")


def test_a_file_that_is_removed_before_it_is_sent_is_whole(folder: Path) -> None:
    path = folder / "lie.png"
    response = serve_file(SimpleNamespace(headers={}), path)  # type: ignore[arg-type]
    path.unlink()
    sent: list[dict[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(dict(message))

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    asyncio.run(response({"type": "http", "method": "GET", "headers": []}, receive, send))
    assert [message.get("body") for message in sent] == [None, SVG]


def test_json_is_shown_only_when_it_is_json(folder: Path) -> None:
    request = SimpleNamespace(headers={})
    (folder / "a.json").write_text('{"a": 1}')
    (folder / "b.json").write_text("<html>")
    assert serve_file(request, folder / "a.json").headers["content-type"] == "application/json"  # type: ignore[arg-type]
    assert serve_file(request, folder / "b.json").headers["content-type"] == OCTET_STREAM  # type: ignore[arg-type]
