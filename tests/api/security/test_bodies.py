"""Bodies: limited before they are spooled, counted while they arrive, and not waited for without end."""

from __future__ import annotations

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send

from app.api.errors import BodyError
from app.api.security.bodies import MAX_JSON_BYTES, BodyMiddleware
from tests.api.asgi import accepting_app, call_app, chunk

FILES = "/api/datasets/proj-00000000/import/upload"
pytestmark = pytest.mark.anyio


async def reading_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the whole body, then answer."""
    while (await receive()).get("more_body", False):
        pass
    await accepting_app(scope, receive, send)


GUARD = BodyMiddleware(reading_app, max_file_bytes=10 * 2**20)


@pytest.mark.parametrize("length", ["99999999999", "9" * 5000, "-1", "x", "1e3", "\xb2"])
@pytest.mark.parametrize("path", ["/api/projects", FILES])
async def test_declared_length_is_checked_before_anything_is_read(length: str, path: str) -> None:
    sent = await call_app(GUARD, method="POST", path=path, headers={"content-length": length})
    assert (sent.status, sent.code) == (413, "PAYLOAD_TOO_LARGE")
    assert (b"connection", b"close") in sent.messages[0]["headers"]


async def test_json_routes_have_a_small_limit_and_uploads_a_large_one() -> None:
    length = {"content-length": str(MAX_JSON_BYTES + 1)}
    assert (await call_app(GUARD, method="POST", path="/api/projects", headers=length)).status == 413
    assert (await call_app(GUARD, method="POST", path=FILES, headers=length)).status == 200
    assert (await call_app(GUARD, method="POST", path="/api/predict/a/b", headers=length)).status == 200


async def test_chunks_are_counted() -> None:
    pieces = [chunk(b"x" * 2**20, more=True) for _ in range(5)]
    with pytest.raises(BodyError, match="larger than the limit"):
        await call_app(GUARD, method="POST", path="/api/projects", body=pieces)


async def test_body_at_the_limit_passes() -> None:
    pieces = [chunk(b"x" * 2**20, more=True)] * 3 + [chunk(b"x" * 2**20, more=False)]
    assert (await call_app(GUARD, method="POST", path="/api/projects", body=pieces)).status == 200


async def test_silent_client_is_given_up() -> None:
    async def receive() -> Message:
        await anyio.sleep_forever()
        return {}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    guard = BodyMiddleware(reading_app, max_file_bytes=1, read_timeout_s=0.05)
    with pytest.raises(BodyError, match="Nothing arrived"):
        await guard({"type": "http", "path": "/", "method": "POST", "headers": []}, receive, send)
