"""A real server on a free port, in a thread, for tests."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from app.api.server import build_server
from app.config import Settings
from app.core.studio import Studio
from tests import forked_jobs

forked_jobs.install()


@dataclass(frozen=True)
class LiveServer:
    """Where it answers, and its application."""

    port: int
    app: FastAPI

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def studio(self) -> Studio:
        """Its services, to publish what a client should see."""
        studio: Studio = self.app.state.studio
        return studio


@contextmanager
def run_server(
    settings: Settings, open_studio: Callable[[Settings], Studio] = Studio, port: int = 0
) -> Iterator[LiveServer]:
    """Serve until the block ends; `port` 0 is a free one."""
    server = build_server(settings, open_studio)
    app = server.config.app
    assert isinstance(app, FastAPI)
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 60
        while not server.started and time.monotonic() < deadline:
            assert thread.is_alive(), "the server ended while it started"
            time.sleep(0.01)
        try:
            yield LiveServer(listener.getsockname()[1], app)
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()
