"""The server as a process: it stops in time with streams open, and gives up on connections that say nothing."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from app.api import server as server_module
from app.api.security.addresses import UnsafeListenError
from app.api.server import build_server, serve
from app.config import Settings
from app.schemas.projects import ProjectList
from tests.api.fakes import studio_with
from tests.api.live import run_server

SCRIPT = """
import sys
from pathlib import Path
from app.api.server import serve
from app.config import Settings
serve(Settings(workspace_root=Path(sys.argv[1]), port=0), lambda port: print(port, flush=True))
"""


@contextmanager
def run_process(workspace: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the server in a process of its own; yields it and its address."""
    command = [sys.executable, "-c", SCRIPT, str(workspace)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{url}/api/system/health", timeout=30)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield process, url
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def create_project(url: str) -> str:
    task = httpx.get(f"{url}/api/tasks").json()["data"]["tasks"][0]["id"]
    identifier: str = httpx.post(f"{url}/api/projects", json={"name": "x", "task": task}).json()["data"]["id"]
    return identifier


def test_sigterm_stops_soon_with_streams_open(tmp_path: Path) -> None:
    with run_process(tmp_path) as (process, url):
        project_id = create_project(url)
        events = f"{url}/api/projects/{project_id}/events"
        with httpx.stream("GET", events) as stream, connect(f"ws{url[4:]}/ws/projects/{project_id}") as ws:
            ws.recv(timeout=60)
            lines = stream.iter_lines()
            while "caught-up" not in next(lines):
                pass
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            duration_s = time.monotonic() - started
    assert duration_s < 20  # an open stream would hold it up for good; of the 5 s it takes 1 s for streams at most
    assert server_module.GRACEFUL_STOP_S <= 1
    # uvicorn hands the signal on when all is done, so that a shell sees why it ended.
    assert process.returncode in {0, -signal.SIGTERM}


def read_until_closed(connection: socket.socket) -> bytes:
    connection.settimeout(20)
    content = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            content += piece
    return content


def send_slowly(connection: socket.socket, pieces: list[bytes], pause_s: float) -> None:
    """Send what the other side takes before it gives up."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause_s)


HALF_OPEN = {
    "nothing": [b""],
    "half a head": [b"GET /projects HTTP/1.1\r\nHost: localhost\r\n"],
    "half a second head": [b"GET /static/favicon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HTTP/1.1\r\nHo"],
    "a head that trickles": [b"GET /projects HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 8],
}


@pytest.mark.parametrize("pieces", HALF_OPEN.values(), ids=HALF_OPEN.keys())
def test_half_open_connection_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]) -> None:
    monkeypatch.setattr(server_module, "READ_TIMEOUT_S", 0.6)
    with run_server(Settings(workspace_root=tmp_path), studio_with()) as live:
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", live.port)) as connection:
            send_slowly(connection, pieces, pause_s=0.25)
            read_until_closed(connection)
        assert time.monotonic() - started < 20
        monkeypatch.undo()  # a request of a thread that gets no core for a moment is not the subject
        assert httpx.get(f"{live.url}/static/favicon.svg").status_code == 200


def test_answer_that_takes_longer_than_a_head_may_is_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    protocols: list[server_module.ImpatientProtocol] = []
    await_head = server_module.ImpatientProtocol._await_head

    def record(protocol: server_module.ImpatientProtocol) -> None:
        protocols.append(protocol)
        await_head(protocol)

    def list_slowly() -> ProjectList:
        """Take so long that the time for the head has passed."""
        [protocol] = protocols
        has_passed = threading.Event()
        protocol.loop.call_soon_threadsafe(protocol._close_if_headless)
        protocol.loop.call_soon_threadsafe(has_passed.set)
        assert has_passed.wait(60)
        return ProjectList(projects=[])

    monkeypatch.setattr(server_module.ImpatientProtocol, "_await_head", record)

    slow = studio_with(projects={"list_projects": list_slowly})
    with run_server(Settings(workspace_root=tmp_path), slow) as live:
        assert httpx.get(f"{live.url}/api/projects", timeout=60).status_code == 200


def test_small_answers_are_not_held_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options: list[int] = []
    await_head = server_module.ImpatientProtocol._await_head

    def record(protocol: server_module.ImpatientProtocol) -> None:
        connection = protocol.transport.get_extra_info("socket")
        options.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await_head(protocol)

    monkeypatch.setattr(server_module.ImpatientProtocol, "_await_head", record)
    with run_server(Settings(workspace_root=tmp_path), studio_with()) as live:
        httpx.get(f"{live.url}/static/favicon.svg")
    assert options
    assert all(options)


def test_half_a_body_is_answered_with_408(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.security.bodies.READ_TIMEOUT_S", 0.3)
    head = b"POST /api/projects HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with run_server(Settings(workspace_root=tmp_path), studio_with()) as live:
        with socket.create_connection(("127.0.0.1", live.port)) as connection:
            connection.sendall(head + b"Content-Length: 50\r\n\r\n{")
            answer = read_until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"REQUEST_TIMEOUT"' in answer


def test_serve_refuses_to_listen_beyond_this_machine_without_a_token(tmp_path: Path) -> None:
    settings = Settings(workspace_root=tmp_path, host="0.0.0.0")
    with pytest.raises(UnsafeListenError):
        serve(settings)
    with pytest.raises(UnsafeListenError):
        build_server(settings)


def test_taken_port_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OSError, match="in use"):
            serve(Settings(workspace_root=tmp_path, port=taken.getsockname()[1]))


def test_more_connections_than_files_fill_no_log(tmp_path: Path) -> None:
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); {SCRIPT}"
    log = tmp_path / "log"
    with log.open("wb") as output, contextlib.ExitStack() as connections:
        command = [sys.executable, "-c", limited, str(tmp_path / "workspace")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=output, text=True)
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            httpx.get(f"http://127.0.0.1:{port}/api/system/health", timeout=60).raise_for_status()
            for _ in range(100):
                connections.enter_context(socket.create_connection(("127.0.0.1", port)))
            deadline = time.monotonic() + 30
            while b"No further connection" not in log.read_bytes():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            connections.close()
            httpx.get(f"http://127.0.0.1:{port}/api/system/health", timeout=60).raise_for_status()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    assert log.read_bytes().count(b"No further connection") == 1
    assert b"Traceback" not in log.read_bytes()


def test_garbage_and_oversized_heads_do_not_hurt(tmp_path: Path) -> None:
    with run_server(Settings(workspace_root=tmp_path), studio_with()) as live:
        for garbage in (
            b"\x00\xff\r\n\r\n",
            b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
            b"GET  HTTP/9.9\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", live.port)) as connection:
                connection.sendall(garbage)
                assert not read_until_closed(connection).startswith(b"HTTP/1.1 5")
        assert httpx.get(f"{live.url}/static/favicon.svg").status_code == 200
