"""Uploads over HTTP: batches, names with folders, and what is refused. One real import goes with it."""

from __future__ import annotations

import errno
import io
import json
import time
from typing import Any

import httpx
import pytest
import starlette.requests
from PIL import Image

from app.api.routes.uploads import parse_options
from app.core.exceptions import ValidationFailedError

NAMES = [f"{label}/{number}.png" for label in ("cat", "dog") for number in range(3)]


def png_bytes(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (shade, 10, 200 - shade)).save(buffer, "PNG")
    return buffer.getvalue()


def wait_for_job(client: httpx.Client, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        job: dict[str, Any] = client.get(f"/api/jobs/{job_id}").json()["data"]
        if job["status"] not in {"pending", "running"}:
            return job
        time.sleep(0.1)
    raise AssertionError(job)


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["details"][0]["field"]


@pytest.fixture
def url(project_id: str) -> str:
    return f"/api/datasets/{project_id}/import/upload"


def test_batches_become_a_dataset_with_images_by_their_names(client: httpx.Client, project_id: str, url: str) -> None:
    files = [("files", (name, png_bytes(number * 20))) for number, name in enumerate(NAMES)]
    first = client.post(url, files=files[:4], data={"final": "false"})
    assert first.status_code == 200
    received = first.json()["data"]
    assert (received["num_files"], received["job_id"]) == (4, None)
    last = client.post(url, files=files[4:], data={"upload_id": received["upload_id"], "final": "true"})
    assert last.status_code == 202
    assert last.json()["data"]["num_files"] == 6
    job = wait_for_job(client, last.json()["data"]["job_id"])
    assert job["status"] == "completed", job["error"]
    page = client.get(f"/api/datasets/{project_id}/images?page_size=4").json()["data"]
    assert (page["total_items"], page["total_pages"], len(page["items"])) == (6, 2, 4)
    summary = client.get(f"/api/datasets/{project_id}").json()["data"]
    assert summary["class_counts"] == {"cat": 3, "dog": 3}
    _check_files_of(client, project_id, page["items"][0]["filename"])


def _check_files_of(client: httpx.Client, project_id: str, filename: str) -> None:
    image = client.get(f"/api/datasets/{project_id}/images/{filename}")
    assert (image.status_code, image.headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(image.content)).size == (40, 30)
    thumbnail = client.get(f"/api/datasets/{project_id}/thumbnails/{filename}")
    assert thumbnail.status_code == 200
    assert thumbnail.headers["content-type"].startswith("image/")
    info = client.get(f"/api/datasets/{project_id}/images/{filename}/info").json()["data"]["image"]
    assert (info["filename"], info["width"], info["height"]) == (filename, 40, 30)
    state = client.get(f"/api/projects/{project_id}/state").json()["data"]
    assert state["current_stage"] == {"id": "DATA_SOURCE", "index": 1, "status": "COMPLETED", "message": ANY_TEXT}


class _AnyText:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)

    __hash__ = None  # type: ignore[assignment]


ANY_TEXT = _AnyText()


def test_nothing_sent_is_refused(client: httpx.Client, url: str) -> None:
    assert error_of(client.post(url)) == (422, "VALIDATION_ERROR", "files")
    assert error_of(client.post(url, data={"final": "true"})) == (422, "VALIDATION_ERROR", "files")


@pytest.mark.parametrize(
    ("field", "value"),
    [("final", "perhaps"), ("upload_id", "../../etc"), ("format", "x" * 40), ("options", "{"), ("options", "[NaN]")],
)
def test_bad_fields_are_refused(client: httpx.Client, url: str, field: str, value: str) -> None:
    answer = client.post(url, files={"file": ("a.png", b"x")}, data={field: value})
    assert error_of(answer) == (422, "VALIDATION_ERROR", field)


def test_text_in_place_of_a_file_is_refused(client: httpx.Client, url: str) -> None:
    assert client.post(url, files={"other": ("a", b"")}, data={"files": "text"}).status_code == 422


def test_more_files_than_one_request_may_hold_is_a_clear_answer(client: httpx.Client, url: str) -> None:
    files = [("files", (f"{number}.png", b"x")) for number in range(1001)]
    answer = client.post(url, files=files)
    assert error_of(answer) == (422, "VALIDATION_ERROR", "body")
    assert "batches" in answer.json()["error"]["details"][0]["message"]


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x"]
)
def test_broken_forms_are_refused(client: httpx.Client, url: str, content_type: str) -> None:
    for content in (b"", b"--x", b"--x\r\nContent-Disposition: form-data\r\n\r\nhello", b"garbage" * 100):
        answer = client.post(url, content=content, headers={"content-type": content_type})
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "a\\..\\b.png", "\x00.png", "é.png", "a" * 400])
def test_odd_file_names_never_crash(client: httpx.Client, url: str, name: str) -> None:
    answer = client.post(url, files={"file": (name, b"x")}, data={"final": "false"})
    assert answer.status_code in {200, 422}


def test_upload_beyond_the_limit_is_refused(client: httpx.Client, url: str) -> None:
    answer = client.post(url, files={"file": ("a.zip", b"x" * (9 * 2**20))})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [(errno.ENOSPC, 507, "INSUFFICIENT_STORAGE"), (errno.EROFS, 503, "STORAGE_UNAVAILABLE")],
)
def test_full_disk_while_files_arrive(
    client: httpx.Client, url: str, monkeypatch: pytest.MonkeyPatch, number: int, status: int, code: str
) -> None:
    async def fail(_request: object, **_limits: object) -> None:
        raise OSError(number, "no room")

    with monkeypatch.context() as patch:
        patch.setattr(starlette.requests.Request, "form", fail)
        answer = client.post(url, files={"file": ("a.png", b"x")})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert client.post(url, files={"file": ("a.png", b"x")}, data={"final": "false"}).status_code == 200


def test_options_name_the_field_that_is_wrong() -> None:
    assert parse_options(json.dumps({"filename_column": "file"})).filename_column == "file"
    with pytest.raises(ValidationFailedError) as refused:
        parse_options('{"target_columns": [1]}')
    assert isinstance(refused.value.details, list)
    assert refused.value.details[0].field == "options.target_columns.0"


def test_prediction_needs_an_image(client: httpx.Client, project_id: str) -> None:
    answer = client.post(f"/api/predict/{project_id}/exp-00000000")
    assert error_of(answer) == (422, "VALIDATION_ERROR", "file")
