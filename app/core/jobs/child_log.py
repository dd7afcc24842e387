"""job.log: what a child printed, up to a cap, and its last lines for the reason of a failure."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from app.storage.json_store import open_document

HEAD_BYTES = 8 * 2**20
TAIL_BYTES = 64 * 2**10
MAX_HELD_BYTES = 2**20
_CHUNK_BYTES = 2**16


class ChildLog:
    """Drains a child's output, so that it never blocks, and keeps the beginning and the end of it.

    Without a path the output is held here until `attach` names one.
    """

    def __init__(
        self,
        descriptor: int,
        path: Path | None = None,
        head_bytes: int = HEAD_BYTES,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_end` is called, from the thread that reads, when nobody can print any more."""
        self._descriptor = descriptor
        self._room = head_bytes
        self._on_end = on_end
        self._lock = threading.Lock()  # guards what follows
        self._file: io.FileIO | None = None
        self._held = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._left_out_bytes = 0
        self._has_ended = False
        self._thread = threading.Thread(target=self._drain, daemon=True, name="child log")
        if path is not None:
            self.attach(path)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def attach(self, path: Path) -> None:
        """Write to this file from now on, and first what was held until now; a full disk is borne."""
        with self._lock, contextlib.suppress(OSError):
            self._file = path.open("ab", buffering=0)
            self._write(bytes(self._held))
            self._held.clear()
            self._close_when_ended()

    def has_printed(self, text: bytes) -> bool:
        """Whether this is in what is held."""
        with self._lock:
            return text in self._held

    def join(self, timeout_s: float) -> None:
        """Wait for the end of the output; a process that kept the pipe open is not waited for any longer."""
        self._thread.join(timeout_s)

    def last_lines(self, count: int) -> str:
        """The last lines that were printed."""
        with self._lock:
            return last_lines_of(b"".join(self._tail), count)

    def _drain(self) -> None:
        while chunk := self._read():
            with self._lock:
                self._keep_tail(chunk)
                self._write(chunk)
        os.close(self._descriptor)
        with self._lock:
            self._has_ended = True
            self._close_when_ended()
        self._on_end()

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

    def _write(self, chunk: bytes) -> None:
        if self._file is None:
            self._held += chunk[: max(0, MAX_HELD_BYTES - len(self._held))]
            return
        written = chunk[: self._room]
        self._room -= len(written)
        self._left_out_bytes += len(chunk) - len(written)
        with contextlib.suppress(OSError):  # a full disk must not stop the child
            self._file.write(written)

    def _close_when_ended(self) -> None:
        if self._file is None or not self._has_ended:
            return
        if self._left_out_bytes:
            tail = b"".join(self._tail)[-min(TAIL_BYTES, self._left_out_bytes) :]
            note = f"\n[... {self._left_out_bytes - len(tail)} bytes of output left out ...]\n"
            with contextlib.suppress(OSError):
                self._file.write(note.encode("ascii") + tail)
        self._file.close()


def last_lines_of(data: bytes, count: int) -> str:
    """Return the last lines of a log as text; each is cut to 500 characters."""
    lines = data.decode("utf-8", "replace").splitlines()[-count:]
    return "\n".join(line[:500] for line in lines)


def last_lines_of_file(path: Path, count: int) -> str:
    """Return the last lines of a file, or nothing when it cannot be read."""
    try:
        with open_document(path) as stream:
            stream.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return last_lines_of(stream.read(), count)
    except OSError:
        return ""
