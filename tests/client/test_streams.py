"""Server-sent events, reconnecting, and waiting for jobs."""

from __future__ import annotations

import httpx
import pytest

from app.client import StreamEvent, StudioConnectionError, StudioJobError, StudioTimeoutError
from app.remote.sse import parse_stream
from tests.client.fakes import EID, JID, PID, FakeServer, experiment, job, sse, stream

STREAM = f"GET /api/training/{PID}/experiments/{EID}/stream"
RECORD = f"GET /api/training/{PID}/experiments/{EID}"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.remote.waiting.time.sleep", lambda _: None)


def test_events_are_cut_at_blank_lines_wherever_the_chunks_end() -> None:
    wire = ': hello\r\n\r\nid: 7\r\nevent: log\r\ndata: {"text": "a\u2028b"}\r\n\r\nretry: 5\n\ndata: {}\n\n'.encode()
    events = list(parse_stream(wire[index : index + 1] for index in range(len(wire))))
    assert events == [StreamEvent("log", {"text": "a\u2028b"}, "7"), StreamEvent("message", {}, None)]


def test_an_event_that_was_cut_off_is_dropped() -> None:
    assert list(parse_stream([b'id: 1\nevent: a\ndata: {"x"'])) == []


def test_following_goes_on_after_the_last_event_when_the_stream_breaks() -> None:
    first = stream(sse("status", 4, status="training"), sse("epoch_end", 5, epoch=1), break_with=httpx.ReadError("x"))
    second = stream(sse("epoch_end", 6, epoch=2), sse("complete", 7, status="completed"))
    server = FakeServer().on(STREAM, first, httpx.ConnectError("refused"), second)
    server.on(RECORD, experiment(status="completed"))
    seen: list[str | None] = []
    record = server.client().follow_training(PID, EID, lambda event: seen.append(event.id))
    assert record.status == "completed"
    assert seen == ["4", "5", "6", "7"]
    streams = [request for request in server.requests if request.url.path.endswith("/stream")]
    assert [request.headers.get("last-event-id") for request in streams] == [None, "5", "5"]


def test_what_came_after_an_early_end_of_the_stream_is_read_before_the_end_is_believed() -> None:
    first = stream(sse("epoch_end", 5, epoch=1))
    second = stream(sse("epoch_end", 6, epoch=2), sse("status", 7, status="interrupted"))
    server = FakeServer().on(STREAM, first, second).on(RECORD, experiment(status="interrupted"))
    seen: list[str | None] = []
    record = server.client().follow_training(PID, EID, lambda event: seen.append(event.id))
    assert (record.status, seen) == ("interrupted", ["5", "6", "7"])


def test_following_ends_when_the_run_pauses_though_the_stream_stays_open() -> None:
    still_open = stream(sse("status", 4, status="paused"), break_with=httpx.ReadTimeout("nothing more came"))
    server = FakeServer().on(STREAM, still_open).on(RECORD, experiment(status="paused"))
    assert server.client().follow_training(PID, EID, reconnect_s=0.0).status == "paused"


def test_a_pause_that_is_past_does_not_end_the_following() -> None:
    first = stream(sse("status", 4, status="paused"), sse("status", 5, status="training"))
    rest = stream(sse("status", 5, status="training"), sse("complete", 6))
    server = FakeServer().on(STREAM, first, rest)
    server.on(RECORD, experiment(status="training"), experiment(status="completed"))
    seen: list[str | None] = []
    record = server.client().follow_training(PID, EID, lambda event: seen.append(event.id))
    assert (record.status, seen) == ("completed", ["4", "5", "6"])


def test_following_gives_up_when_the_server_stays_away() -> None:
    server = FakeServer().on(STREAM, httpx.ConnectError("refused"))
    with pytest.raises(StudioConnectionError):
        server.client().follow_training(PID, EID, reconnect_s=0.0)


def test_waiting_for_a_job_reports_progress_and_survives_a_restart() -> None:
    server = FakeServer().on(f"GET /api/jobs/{JID}", job("running"), httpx.ConnectError("refused"), job("completed"))
    seen: list[str] = []
    assert server.client().wait_for_job(JID, lambda item: seen.append(item.status)).status == "completed"
    assert seen == ["running", "completed"]


def test_a_failed_job_raises_with_its_reason() -> None:
    error = {"type": "JobFailure", "message": "The disk is full.", "traceback": ""}
    server = FakeServer().on(f"GET /api/jobs/{JID}", job("failed", error=error))
    with pytest.raises(StudioJobError, match=f"{JID} is failed: The disk is full."):
        server.client().wait_for_job(JID)


def test_a_job_that_takes_too_long_is_not_waited_for() -> None:
    server = FakeServer().on(f"GET /api/jobs/{JID}", job("running"))
    with pytest.raises(StudioTimeoutError, match="continues on the server"):
        server.client().wait_for_job(JID, timeout_s=0.0)
