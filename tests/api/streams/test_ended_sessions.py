"""Open streams end with the session of their browser, say so, and hand out nothing after it; those of others go on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app.api.security.sessions import SESSION_COOKIE, SESSION_IN_SCOPE, Session, Sessions
from app.api.streams.ended_sessions import revoke_with_session
from app.api.streams.websocket import SIGNED_OUT
from app.config import Settings
from app.core.events import CaughtUp, EventBus, Revoked, StreamItem
from app.core.signed_out import SignedOut
from app.schemas.events import JobProgressed
from app.storage.documents import DocumentStore
from app.storage.event_log import ProjectEventLog
from app.storage.paths import WorkspacePaths
from tests.api.live import LiveServer, run_server
from tests.api.streams.sse_client import Message, parse_messages, read_until
from tests.core.conftest import create_experiment, draw_class_folders

TOKEN = "correct horse battery"
BEARER = {"authorization": f"Bearer {TOKEN}"}
PROGRESS = JobProgressed(job_id="job-00000000", done=1, total=2)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that asks for a token."""
    settings = Settings(workspace_root=tmp_path_factory.mktemp("workspace"), token=TOKEN, warm_spare=False)
    with run_server(settings) as live:
        yield live


@pytest.fixture
def project_id(guarded: LiveServer) -> str:
    body = {"name": "A project", "task": "classification"}
    answer = httpx.post(f"{guarded.url}/api/projects", json=body, headers=BEARER, timeout=60)
    identifier: str = answer.json()["data"]["id"]
    return identifier


def sign_in(server: LiveServer) -> dict[str, str]:
    """Return the headers of a browser with a session of its own."""
    answer = httpx.post(f"{server.url}/sign-in", data={"token": TOKEN}, timeout=60)
    assert answer.status_code == 303
    return {"cookie": f"{SESSION_COOKIE}={answer.cookies[SESSION_COOKIE]}"}


def sign_out(server: LiveServer, headers: dict[str, str]) -> None:
    assert httpx.post(f"{server.url}/sign-out", headers=headers, timeout=60).status_code == 303


@contextmanager
def open_socket(server: LiveServer, project_id: str, headers: dict[str, str]) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{server.port}/ws/projects/{project_id}"
    with connect(url, open_timeout=60, additional_headers=headers) as socket:
        assert [receive(socket)["type"] for _ in range(2)] == ["HELLO", "CAUGHT_UP"]
        yield socket


def receive(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout=60))
    return message


def test_events_end_when_their_browser_signs_out(guarded: LiveServer, project_id: str) -> None:
    url = f"{guarded.url}/api/projects/{project_id}/events"
    mine, other = sign_in(guarded), sign_in(guarded)

    def leave(message: Message) -> None:
        if message.event == "caught-up":
            sign_out(guarded, mine)

    with (
        httpx.stream("GET", url, headers=other, timeout=60) as others,
        httpx.stream("GET", url, headers=BEARER, timeout=60) as scripts,
    ):
        messages = read_until(url, lambda message: False, mine, leave)  # until it ends by itself
        assert [message.event for message in messages[-2:]] == ["caught-up", "signed-out"]
        assert httpx.get(url, headers=mine, timeout=60).status_code == 401
        guarded.studio.bus.publish(project_id, PROGRESS)
        for stream in (others, scripts):
            follow = parse_messages(stream.iter_lines())
            assert next(message for message in follow if message.event != "caught-up").event == "JOB_PROGRESS"


def test_a_socket_is_closed_with_a_code_of_its_own(guarded: LiveServer, project_id: str) -> None:
    mine, other = sign_in(guarded), sign_in(guarded)
    with open_socket(guarded, project_id, mine) as socket, open_socket(guarded, project_id, other) as others:
        sign_out(guarded, mine)
        assert receive(socket) == {"v": 1, "type": "SIGNED_OUT", "seq": 0}
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == SIGNED_OUT
        others.send(json.dumps({"type": "ping"}))
        assert receive(others)["type"] == "pong"


def test_the_stream_of_an_experiment_ends_too(guarded: LiveServer, project_id: str, tmp_path: Path) -> None:
    studio, mine = guarded.studio, sign_in(guarded)
    source = draw_class_folders(tmp_path / "source", num_per_class=4)
    body = {"source_path": str(source)}
    started = httpx.post(f"{guarded.url}/api/datasets/{project_id}/import/local", json=body, headers=BEARER, timeout=60)
    assert started.status_code in {200, 202}, started.text
    assert studio.scheduler.wait(started.json()["data"]["job_id"], 120).status == "completed"
    ratios = {"train": 0.5, "val": 0.25, "test": 0.25}
    split = httpx.post(
        f"{guarded.url}/api/splits/{project_id}", json={"name": "main", "ratios": ratios}, headers=BEARER, timeout=60
    )
    assert split.status_code == 200, split.text
    experiment = create_experiment(studio, project_id)
    # As if it ran: a stream of what does not run ends by itself.
    studio._stores.experiments.update(
        project_id, experiment.id, lambda record: record.model_copy(update={"status": "training"})
    )
    url = f"{guarded.url}/api/training/{project_id}/experiments/{experiment.id}/stream"

    def leave(message: Message) -> None:
        if message.event == "status":
            sign_out(guarded, mine)

    assert read_until(url, lambda message: False, mine, leave)[-1].event == "signed-out"


@pytest.fixture
def bus(tmp_path: Path) -> EventBus:
    return EventBus(lambda project_id: ProjectEventLog(tmp_path / f"{project_id}.jsonl", project_id))


@pytest.fixture
def signed_out(tmp_path: Path) -> SignedOut:
    return SignedOut(DocumentStore(WorkspacePaths(tmp_path)))


async def follow_to_the_end(bus: EventBus, sessions: Sessions, session: Session) -> list[type[StreamItem]]:
    scope = {SESSION_IN_SCOPE: session, "app": SimpleNamespace(state=SimpleNamespace(sessions=sessions))}
    items: list[type[StreamItem]] = []
    with anyio.fail_after(30):
        async with bus.subscribe("proj-00000001", 0) as subscription:
            with revoke_with_session(scope, subscription):
                items.extend([type(item) async for item in subscription])
    return items


@pytest.mark.anyio
async def test_a_stream_ends_when_the_time_of_its_session_is_over(bus: EventBus, signed_out: SignedOut) -> None:
    ending = Session("00", time.time() + 1)
    assert (await follow_to_the_end(bus, Sessions(TOKEN, signed_out), ending))[-1] is Revoked


@pytest.mark.anyio
async def test_a_stream_that_opens_while_its_session_ends_shows_nothing(bus: EventBus, signed_out: SignedOut) -> None:
    bus.publish("proj-00000001", PROGRESS)
    session = Session("00", time.time() + 60)
    signed_out.add(session.id, session.until)
    items = await follow_to_the_end(bus, Sessions(TOKEN, signed_out), session)
    assert items[-1] is Revoked
    assert CaughtUp not in items


def test_sessions_that_nobody_watches_are_forgotten(signed_out: SignedOut) -> None:
    sessions, told = Sessions(TOKEN, signed_out), list[str]()
    cookie = sessions.begin()
    session = sessions.find(cookie)
    assert session is not None
    with sessions.watch(session, lambda: told.append("one")), sessions.watch(session, lambda: told.append("two")):
        sessions.end(cookie)
        sessions.end(cookie)
    assert (told, sessions._watchers) == (["one", "two"], {})
