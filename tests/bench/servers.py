"""Starts servers as child processes and measures them: time to the first page, memory, rate of answers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
MIB = 2**20
WARM_SPARE = "AI_STUDIO_WARM_SPARE"


@dataclass(frozen=True)
class RunningServer:
    """A server that answers."""

    url: str
    pid: int
    start_s: float

    def stop(self) -> float:
        """Ask it to end; return the seconds until it was gone."""
        process = psutil.Process(self.pid)
        started = time.perf_counter()
        process.terminate()
        process.wait(STOP_TIMEOUT_S)
        return time.perf_counter() - started

    def memory_mb(self) -> float:
        """Return its resident memory."""
        return psutil.Process(self.pid).memory_info().rss / MIB


def hello_command(port: int) -> list[str]:
    """Return the command of the plain server."""
    return [sys.executable, "-m", "uvicorn", "tests.bench.hello:app", "--port", str(port), "--log-level", "warning"]


def studio_command(port: int, workspace: Path) -> list[str]:
    """Return the command of AI Studio's server."""
    return [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--workspace", str(workspace)]


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_server(command: list[str], port: int, settings: Mapping[str, str] | None = None) -> Iterator[RunningServer]:
    """Run a server until the block ends; `settings` join its environment. Raises RuntimeError without an answer."""
    url = f"http://127.0.0.1:{port}"
    started = time.perf_counter()
    environment = {**os.environ, **(settings or {})}
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        _wait_for_page(url, child)
        yield RunningServer(url, child.pid, time.perf_counter() - started)
    finally:
        child.terminate()
        child.wait(20)


def _wait_for_page(url: str, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    with httpx.Client(trust_env=False, follow_redirects=True) as client:
        while time.monotonic() < deadline and child.poll() is None:
            try:
                if client.get(url).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.01)
    raise RuntimeError(f"No page at {url}.")
