"""The event log as a stream: replay, the seam to live events, reconnection, several clients, and as JSON."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app.api.streams.sse import PING_S, resume_point
from app.core.exceptions import ValidationFailedError
from app.schemas.events import JobProgressed, StageStatus
from tests.api.live import LiveServer
from tests.api.streams.sse_client import Message, read_until


def publish(server: LiveServer, project_id: str, count: int) -> None:
    for done in range(count):
        server.studio.bus.publish(project_id, JobProgressed(job_id="job-00000000", done=done, total=count))


def is_caught_up(message: Message) -> bool:
    return message.event == "caught-up"


@pytest.fixture
def events_url(server: LiveServer, project_id: str) -> str:
    return f"{server.url}/api/projects/{project_id}/events"


def test_replay_carries_ids_types_and_lines(server: LiveServer, project_id: str, events_url: str) -> None:
    publish(server, project_id, 3)
    server.studio.bus.publish(project_id, StageStatus(stage_id="TRAIN", status="IN_PROGRESS"))
    messages = read_until(events_url, is_caught_up)
    assert [message.id for message in messages] == ["1", "2", "3", "4", "4"]
    assert [message.event for message in messages[2:]] == ["JOB_PROGRESS", "STAGE_STATUS", "caught-up"]
    line = messages[3].data
    assert line["payload"] == {"stage_id": "TRAIN", "status": "IN_PROGRESS", "message": ""}
    assert (line["seq"], line["type"], line["project_id"]) == (4, "STAGE_STATUS", project_id)
    assert line["stage_id"] == "TRAIN"
    assert {"id", "ts"} <= line.keys()
    assert "run_id" not in line


@pytest.mark.parametrize("headers", [{"last-event-id": "7"}, {}])
def test_reconnection_misses_none_and_repeats_none(
    server: LiveServer, project_id: str, events_url: str, headers: dict[str, str]
) -> None:
    publish(server, project_id, 10)
    # The header of a browser that reconnects outweighs the address that it first used.
    url = events_url + ("?after=2" if headers else "?after=7")
    messages = read_until(url, is_caught_up, headers)
    assert [message.id for message in messages[:-1]] == ["8", "9", "10"]


def test_seam_between_replay_and_live_has_no_gap(server: LiveServer, project_id: str, events_url: str) -> None:
    publish(server, project_id, 1200)
    has_caught_up = threading.Event()

    def publish_across_the_seam() -> None:
        # One for two that were read: without a pace, a reader that gets little of the machine would never catch up.
        while not has_caught_up.is_set():
            may_publish.acquire()
            publish(server, project_id, 1)
        publish(server, project_id, 50)
        server.studio.bus.publish(project_id, StageStatus(stage_id="TRAIN", status="COMPLETED"))

    def note(message: Message) -> None:
        read.append(message)
        if is_caught_up(message):
            has_caught_up.set()
        if len(read) % 2 or has_caught_up.is_set():
            may_publish.release()

    read: list[Message] = []
    may_publish = threading.Semaphore(20)
    publisher = threading.Thread(target=publish_across_the_seam)
    publisher.start()
    messages = read_until(events_url, lambda message: message.event == "STAGE_STATUS", on_message=note)
    publisher.join()
    ids = [int(message.id or 0) for message in messages if not is_caught_up(message)]
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) > 1250
    assert sum(map(is_caught_up, messages)) == 1


def test_two_clients_both_see_everything(server: LiveServer, project_id: str, events_url: str) -> None:
    both_wait = threading.Barrier(3, timeout=60)

    def follow() -> list[str | None]:
        def wait(message: Message) -> None:
            if is_caught_up(message):
                both_wait.wait()

        last = read_until(events_url, lambda message: message.id == "20", on_message=wait)
        return [message.id for message in last if not is_caught_up(message)]

    with ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(follow) for _ in range(2)]
        both_wait.wait()
        publish(server, project_id, 20)
        seen = [client.result(60) for client in clients]
    assert seen[0] == seen[1] == [str(number) for number in range(1, 21)]


@pytest.mark.parametrize(("query", "accept"), [("?limit=2&after=1", "*/*"), ("?after=1", "application/json")])
def test_pages_of_json(server: LiveServer, project_id: str, events_url: str, query: str, accept: str) -> None:
    publish(server, project_id, 3)
    page = httpx.get(events_url + query, headers={"accept": accept}).json()["data"]
    assert page["last_seq"] == 3
    assert [line["seq"] for line in page["events"]] == [2, 3]


def test_deleting_the_project_ends_the_stream(server: LiveServer, project_id: str, events_url: str) -> None:
    def delete(message: Message) -> None:
        if is_caught_up(message):
            answer = httpx.delete(f"{server.url}/api/projects/{project_id}", timeout=60)
            assert answer.status_code == 200

    messages = read_until(events_url, lambda message: False, on_message=delete)
    assert [message.event for message in messages] == ["caught-up", "gone"]
    assert httpx.get(events_url).status_code == 404


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "9" * 30, "\xb2"])
def test_last_event_id_that_is_none_is_refused(events_url: str, value: str) -> None:
    answer = httpx.get(events_url, headers={b"last-event-id": value.encode("latin-1")})
    assert answer.status_code == 422
    with pytest.raises(ValidationFailedError):
        resume_point(value, None)


def test_pings_come_often_enough() -> None:
    assert PING_S <= 15


def test_streams_are_capped(server: LiveServer, events_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.studio.bus, "_max_subscriptions", 0)
    answer = httpx.get(events_url)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "TOO_MANY_STREAMS")
    assert httpx.get(f"{server.url}/projects").status_code == 200
