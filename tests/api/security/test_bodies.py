"""Bodies: limited before they are spooled, counted while they arrive, and not waited for without end."""

from __future__ import annotations

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send

from app.api.errors import BodyError
from app.api.security.bodies import MAX_JSON_BYTES, BodyMiddleware, BodyTimeouts
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

    guard = BodyMiddleware(reading_app, max_file_bytes=1, timeouts=BodyTimeouts(silence_s=0.05))
    with pytest.raises(BodyError, match="Nothing arrived"):
        await guard({"type": "http", "path": "/", "method": "POST", "headers": []}, receive, send)


class SlowClient:
    """Sends one piece after another, each after some seconds of a clock that only it moves."""

    def __init__(self, num_pieces: int, num_bytes: int, seconds: float) -> None:
        self.now, self.num_sent = 0.0, 0
        self._num_pieces, self._piece, self._seconds = num_pieces, b"x" * num_bytes, seconds

    def read_clock(self) -> float:
        """Return the time."""
        return self.now

    async def receive(self) -> Message:
        """Return the next piece."""
        self.num_sent += 1
        self.now += self._seconds
        return chunk(self._piece, more=self.num_sent < self._num_pieces)


async def send_slowly(client: SlowClient, path: str, server_s: float = 0.0) -> int:
    """Return the status of the answer; the server takes some seconds for each piece."""
    statuses = []

    async def busy_app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body", False):
            client.now += server_s
        await accepting_app(scope, receive, send)

    async def send(message: Message) -> None:
        statuses.append(message.get("status"))

    timeouts = BodyTimeouts(total_s=30.0, min_file_rate=1000, clock=client.read_clock)
    guard = BodyMiddleware(busy_app, max_file_bytes=10 * 2**20, timeouts=timeouts)
    await guard({"type": "http", "path": path, "method": "POST", "headers": []}, client.receive, send)
    return int(statuses[0] or 0)


@pytest.mark.parametrize("path", ["/api/projects", FILES])
async def test_dripping_client_is_given_up_however_regular_it_is(path: str) -> None:
    client = SlowClient(num_pieces=10_000, num_bytes=1, seconds=10)
    with pytest.raises(BodyError, match="had not arrived after 30") as caught:
        await send_slowly(client, path)
    assert caught.value.status_code == 408
    assert 3 <= client.num_sent <= 4


async def test_files_may_take_as_long_as_their_bytes_need() -> None:
    steady = SlowClient(num_pieces=100, num_bytes=10_000, seconds=10)
    assert await send_slowly(steady, FILES) == 200
    assert steady.now == 1000
    slower = SlowClient(num_pieces=100, num_bytes=5_000, seconds=10)
    with pytest.raises(BodyError, match="had not arrived"):
        await send_slowly(slower, FILES)
    with pytest.raises(BodyError, match="had not arrived"):  # JSON has the fixed time only
        await send_slowly(SlowClient(num_pieces=100, num_bytes=10_000, seconds=10), "/api/projects")


async def test_time_that_the_server_takes_is_not_the_clients() -> None:
    assert await send_slowly(SlowClient(num_pieces=20, num_bytes=1, seconds=1), "/api/projects", server_s=60) == 200
