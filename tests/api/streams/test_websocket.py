"""The WebSocket: HELLO, replay, CAUGHT_UP, live events, and an answer to whatever comes in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from app.api.streams.frames import StageTracker, unix_ms
from app.schemas.events import STAGES, EventLine, JobProgressed, StageStatus, WaitingConfirmation
from tests.api.live import LiveServer


@contextmanager
def open_socket(server: LiveServer, project_id: str, query: str = "", **options: Any) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{server.port}/ws/projects/{project_id}{query}"
    socket = connect(url, open_timeout=60, **options)
    with socket:
        yield socket


def receive(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout=60))
    return message


def ask(socket: ClientConnection, message: object) -> dict[str, Any]:
    socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
    return receive(socket)


@pytest.fixture
def socket(server: LiveServer, project_id: str) -> Iterator[ClientConnection]:
    """A socket that has seen the two greetings."""
    with open_socket(server, project_id) as socket:
        assert receive(socket)["type"] == "HELLO"
        assert receive(socket)["type"] == "CAUGHT_UP"
        yield socket


def publish(server: LiveServer, project_id: str, *events: StageStatus | JobProgressed | WaitingConfirmation) -> None:
    for event in events:
        server.studio.bus.publish(project_id, event)


PROGRESS = JobProgressed(job_id="job-00000000", done=1, total=2)
IMPORTING = StageStatus(stage_id="DATA_SOURCE", status="IN_PROGRESS")


def test_replay_then_caught_up_then_live(server: LiveServer, project_id: str) -> None:
    publish(server, project_id, IMPORTING, PROGRESS)
    with open_socket(server, project_id) as socket:
        hello, *replayed, caught_up = [receive(socket) for _ in range(4)]
        publish(server, project_id, StageStatus(stage_id="TRAIN", status="COMPLETED"))
        live = receive(socket)
    assert {key: hello[key] for key in ("v", "type", "project_id", "seq")} == {
        "v": 1,
        "type": "HELLO",
        "project_id": project_id,
        "seq": 2,
    }
    assert [frame["seq"] for frame in replayed] == [1, 2]
    assert caught_up["type"] == "CAUGHT_UP"
    assert caught_up["seq"] == 2
    assert live["stage"] == {"id": "TRAIN", "index": 5, "status": "COMPLETED"}


def test_frame_has_the_shape_of_the_contract(server: LiveServer, project_id: str) -> None:
    publish(server, project_id, IMPORTING, PROGRESS)
    with open_socket(server, project_id, "?after=1") as socket:
        receive(socket)
        frame = receive(socket)
    assert frame.keys() == {"v", "type", "project_id", "seq", "ts", "stage", "event"}
    assert (frame["v"], frame["type"], frame["seq"]) == (1, "EVENT", 2)
    assert abs(frame["ts"] - unix_ms("2026-01-01T00:00:00Z")) < 1e13
    assert isinstance(frame["ts"], int)
    assert frame["stage"] == {"id": "DATA_SOURCE", "index": 1, "status": "IN_PROGRESS"}
    assert frame["event"]["name"] == "JOB_PROGRESS"
    assert frame["event"]["payload"] == {"job_id": "job-00000000", "done": 1, "total": 2, "message": ""}


def test_two_sockets_and_a_reconnection_see_everything_once(server: LiveServer, project_id: str) -> None:
    with open_socket(server, project_id) as first, open_socket(server, project_id) as second:
        for socket in (first, second):
            assert [receive(socket)["type"] for _ in range(2)] == ["HELLO", "CAUGHT_UP"]
        publish(server, project_id, *[PROGRESS] * 5)
        assert [receive(first)["seq"] for _ in range(5)] == [1, 2, 3, 4, 5]
        assert [receive(second)["seq"] for _ in range(3)] == [1, 2, 3]
    with open_socket(server, project_id, "?after=3") as again:
        receive(again)
        assert [receive(again)["seq"] for _ in range(2)] == [4, 5]


def test_ping_is_answered(socket: ClientConnection) -> None:
    answer = ask(socket, {"type": "ping", "ts": 12.5})
    assert (answer["type"], answer["ts"]) == ("pong", 12.5)
    assert answer["server_ts"] > 1e12


def test_confirm_needs_something_that_waits(server: LiveServer, project_id: str, socket: ClientConnection) -> None:
    answer = ask(socket, {"type": "confirm"})
    assert (answer["type"], answer["code"]) == ("error", "CONFLICT")
    publish(server, project_id, WaitingConfirmation(stage_id="TRAIN", summary="Go on?", next_actions=["confirm"]))
    assert receive(socket)["event"]["name"] == "WAITING_CONFIRMATION"
    answers = [ask(socket, {"type": "confirm"}), receive(socket)]
    assert {answer["type"] for answer in answers} == {"ack", "EVENT"}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "chat", "text": "hello"},
        {"type": "command", "command": "restart_stage", "stage_id": "TRAIN"},
        {"type": "command", "command": "cancel_run", "run_id": "run-00000000"},
        {"type": "command", "command": "cancel_run"},
        {"type": "command", "command": "format_disk"},
        {"type": "nonsense"},
        {"type": "ping", "other": 1},
        {"type": ["ping"]},
        {},
        [],
        "",
        "not json",
        '{"type": "ping", "ts": NaN}',
        "[" * 5000,
        b"\xff\xfe",
        b"",
    ],
)
def test_anything_else_is_answered_with_an_error(socket: ClientConnection, message: object) -> None:
    answer = ask(socket, message)
    assert answer["type"] == "error"
    assert answer["message"]
    assert ask(socket, {"type": "ping"})["type"] == "pong"


def test_message_beyond_the_limit_closes_only_this_socket(server: LiveServer, socket: ClientConnection) -> None:
    with pytest.raises(ConnectionClosed):
        ask(socket, "x" * 200_000)
    assert httpx.get(f"{server.url}/projects").status_code == 200


@pytest.mark.parametrize(
    ("project", "query", "options", "status"),
    [
        ("proj-00000000", "", {}, 404),
        ("nonsense", "", {}, 404),
        (None, "?after=x", {}, 422),
        (None, "", {"origin": "http://evil.test"}, 403),
        (None, "", {"origin": "null"}, 403),
        (None, "", {"additional_headers": {"Sec-Fetch-Site": "cross-site"}}, 403),
    ],
)
def test_refused_before_it_is_accepted(
    server: LiveServer, project_id: str, project: str | None, query: str, options: dict[str, Any], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused, open_socket(server, project or project_id, query, **options):
        pass
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body or b"")["status"] == "error"


def test_own_page_may_connect(server: LiveServer, project_id: str) -> None:
    with open_socket(server, project_id, origin=f"http://127.0.0.1:{server.port}") as socket:
        assert receive(socket)["type"] == "HELLO"


def test_deleting_the_project_closes_the_socket(server: LiveServer, project_id: str, socket: ClientConnection) -> None:
    assert httpx.delete(f"{server.url}/api/projects/{project_id}").status_code == 200
    assert receive(socket)["type"] == "GONE"
    with pytest.raises(ConnectionClosed) as closed:
        receive(socket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4404


def test_stage_of_an_event_is_its_own_or_the_last_that_changed() -> None:
    def line(kind: str, stage_id: Any, payload: dict[str, Any]) -> EventLine:
        time = "2026-01-01T00:00:00Z"
        return EventLine(
            id="e", seq=1, ts=time, type=kind, project_id="proj-00000001", stage_id=stage_id, payload=payload
        )

    tracker = StageTracker(None)
    assert tracker.stage_of(line("LOG_LINE", None, {})) == {"id": STAGES[0], "index": 0, "status": "PENDING"}
    changed = line("STAGE_STATUS", "TRAIN", {"stage_id": "TRAIN", "status": "FAILED"})
    assert tracker.stage_of(changed) == {"id": "TRAIN", "index": 5, "status": "FAILED"}
    assert tracker.stage_of(line("LOG_LINE", None, {}))["id"] == "TRAIN"
    assert tracker.stage_of(line("LOG_LINE", "EXPORT", {}))["status"] == "PENDING"
