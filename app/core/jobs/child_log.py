"""job.log: what a child printed, up to a cap, and its last lines for the reason of a failure."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from pathlib import Path

HEAD_BYTES = 8 * 2**20
TAIL_BYTES = 64 * 2**10
_CHUNK_BYTES = 2**16


class ChildLog:
    """Drains a child's output, so that it never blocks, and keeps the beginning and the end of it."""

    def __init__(self, descriptor: int, path: Path, head_bytes: int = HEAD_BYTES) -> None:
        self._descriptor = descriptor
        self._path = path
        self._room = head_bytes
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._left_out_bytes = 0
        self._thread = threading.Thread(target=self._drain, daemon=True, name=f"log of {path.parent.name}")

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the end of the output; a process that kept the pipe open is not waited for any longer."""
        self._thread.join(timeout_s)

    def last_lines(self, count: int) -> str:
        """The last lines that were printed."""
        return last_lines_of(b"".join(self._tail), count)

    def _drain(self) -> None:
        with self._path.open("ab", buffering=0) as log:
            while chunk := self._read():
                self._keep_tail(chunk)
                written = chunk[: self._room]
                self._room -= len(written)
                self._left_out_bytes += len(chunk) - len(written)
                with contextlib.suppress(OSError):  # a full disk must not stop the child
                    log.write(written)
            self._write_end(log.fileno())
        os.close(self._descriptor)

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK_BYTES)
        except OSError:
            return b""

    def _keep_tail(self, chunk: bytes) -> None:
        self._tail.append(chunk)
        self._tail_bytes += len(chunk)
        while self._tail_bytes - len(self._tail[0]) >= TAIL_BYTES:
            self._tail_bytes -= len(self._tail.popleft())

    def _write_end(self, descriptor: int) -> None:
        if self._left_out_bytes == 0:
            return
        tail = b"".join(self._tail)[-min(TAIL_BYTES, self._left_out_bytes) :]
        note = f"\n[... {self._left_out_bytes - len(tail)} bytes of output left out ...]\n"
        with contextlib.suppress(OSError):
            os.write(descriptor, note.encode("ascii") + tail)


def last_lines_of(data: bytes, count: int) -> str:
    """Return the last lines of a log as text; each is cut to 500 characters."""
    lines = data.decode("utf-8", "replace").splitlines()[-count:]
    return "\n".join(line[:500] for line in lines)


def last_lines_of_file(path: Path, count: int) -> str:
    """Return the last lines of a file, or nothing when it cannot be read."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return last_lines_of(stream.read(), count)
    except OSError:
        return ""
