"""The server of the demo: a child process `ai-studio serve` that ends with the demo."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from app.client import StudioClient, StudioConnectionError
from app.commands.errors import CommandError

HOST = "127.0.0.1"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0


class DemoServer:
    """Context manager that runs the server; inside of it `url` answers."""

    def __init__(self, workspace: Path, port: int, log_path: Path, token: str | None = None) -> None:
        self.url = f"http://{HOST}:{port}"
        self.log_path = log_path
        self._command = [sys.executable, "-m", "app.cli", "serve", "--host", HOST, "--port", str(port)]
        self._command += ["--workspace", str(workspace)]
        self._token = token
        self._child: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> DemoServer:
        """Start it and wait until it answers; raises CommandError with the end of its log."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = self.log_path.open("wb")
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )
        try:
            self._wait_until_it_answers(self._child)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def wait(self) -> int:
        """Wait until the server ends by itself; returns its exit code."""
        return self._child.wait() if self._child else 0

    def stop(self) -> None:
        """Terminate the server, and kill it when it does not end."""
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        if self._log is not None:
            self._log.close()

    def _wait_until_it_answers(self, child: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        with StudioClient(self.url, self._token) as client:
            while time.monotonic() < deadline:
                if child.poll() is not None:
                    raise CommandError(f"The server did not start. {self._read_log_end()}")
                try:
                    client.system.health()
                except StudioConnectionError:
                    time.sleep(0.1)
                else:
                    return
        raise CommandError(f"The server did not respond within {START_TIMEOUT_S:.0f} s. {self._read_log_end()}")

    def _read_log_end(self) -> str:
        lines = self.log_path.read_text("utf-8", "replace").strip().splitlines()
        return "\n".join([f"The end of {self.log_path}:", *lines[-5:]])


def choose_port(wanted: int) -> int:
    """Return the port if it is free, else another one that is."""
    with socket.socket() as probe:
        # As uvicorn does: a port whose last connections are still being closed is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            pass
        else:
            return int(probe.getsockname()[1])
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
