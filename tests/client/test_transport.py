"""Envelopes, errors and files: what the client makes of the answers of a server."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from app.client import StudioApiError, StudioClient, StudioConnectionError
from app.remote.transport import join_path
from tests.client.fakes import PID, XID, Chunks, FakeServer, project, refused


def test_a_record_comes_back_typed() -> None:
    server = FakeServer().on(f"GET /api/projects/{PID}", project(num_images=3))
    found = server.client().projects.get(PID)
    assert (found.id, found.num_images) == (PID, 3)


def test_fields_of_a_newer_server_are_left_out() -> None:
    server = FakeServer().on("GET /api/projects", {"projects": [project(colour="red")], "hint": 1})
    assert [item.name for item in server.client().projects.all()] == ["Screws"]


def test_a_refusal_keeps_code_message_details_and_status() -> None:
    details = [{"field": "name", "message": "Too long."}]
    server = FakeServer().on(
        "POST /api/projects", refused("VALIDATION_ERROR", "Request validation failed.", 422, details)
    )
    with pytest.raises(StudioApiError) as caught:
        server.client().projects.create("x" * 99, "any")
    assert (caught.value.code, caught.value.status, caught.value.details) == ("VALIDATION_ERROR", 422, details)
    assert str(caught.value) == "Request validation failed. (VALIDATION_ERROR, HTTP 422)\n  name: Too long."


@pytest.mark.parametrize("status", [200, 502])
def test_an_answer_of_something_else_is_named(status: int) -> None:
    server = FakeServer().on("GET /api/system/health", httpx.Response(status, text="<html>a proxy</html>"))
    with pytest.raises(StudioApiError, match="a proxy") as caught:
        server.client().system.health()
    assert (caught.value.code, caught.value.status) == ("BAD_ANSWER", status)


def test_no_server_says_how_to_start_one() -> None:
    with StudioClient("http://127.0.0.1:9") as client, pytest.raises(StudioConnectionError, match="ai-studio serve"):
        client.system.health()


def test_the_token_travels_as_a_bearer_header() -> None:
    server = FakeServer().on("GET /api/projects", {"projects": []})
    server.client("a-long-secret").projects.all()
    assert server.requests[0].headers["authorization"] == "Bearer a-long-secret"


def test_a_name_never_becomes_a_path() -> None:
    assert join_path("splits", PID, "../a b/ü") == f"/api/splits/{PID}/..%2Fa%20b%2F%C3%BC"


def test_a_download_is_complete_or_not_there(tmp_path: Path) -> None:
    broken = httpx.Response(200, stream=Chunks([b"half"], httpx.ReadError("gone")))
    whole = httpx.Response(200, stream=Chunks([b"all ", b"of it"]))
    client = FakeServer().on(f"GET /api/export/{PID}/{XID}/download", broken, whole).client()
    target = tmp_path / "new" / "model.onnx"
    with pytest.raises(StudioConnectionError):
        client.exports.download(PID, XID, target)
    assert list(target.parent.iterdir()) == []
    assert client.exports.download(PID, XID, target).read_bytes() == b"all of it"


def test_a_refused_download_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    target.write_bytes(b"old")
    with pytest.raises(StudioApiError):
        FakeServer().client().exports.download(PID, XID, target)
    assert target.read_bytes() == b"old"
