"""The append-only event log of one project: JSON lines on disk, an index of offsets in memory, no subscribers.

Line N of a healthy log has seq N. A torn last line (a crash in the middle of a write) is cut off at open. A corrupt
line in the middle keeps its number and is left out when reading, so clients that saw it go on from where they were.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import secrets
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from pydantic import ValidationError

from app.regular_files import check_regular
from app.schemas.common import id_pattern, parse_time, utc_now
from app.schemas.events import FOLDED_EVENTS, EventLine, StageId
from app.storage.documents import DocumentStore
from app.storage.json_store import (
    CorruptDocumentError,
    UnreadableDocumentError,
    open_document,
    unreadable,
)
from app.storage.log_lines import MAX_LINE_BYTES, LineAssembler
from app.storage.writability import READ_ONLY_ERRORS

logger = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 20
_FIRST_BYTES = b'{"id":"evt-'
# A gap so wide is no gap: to take it for what it says would cost more memory than there is.
MAX_GAP = 1_000_000


def _open_existing(path: str, flags: int) -> int:
    """Open for appending without creating: the log of a deleted project must not come back."""
    return _open_regular(path, flags & ~os.O_CREAT)


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file; raises NotRegularError for anything else, without blocking on a pipe."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    try:
        check_regular(Path(path), os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_event_log(documents: DocumentStore, project_id: str) -> ProjectEventLog:
    """Open the log of a project. A file that is no log is moved to `.corrupt/`, and a new log begins.

    Raises FileNotFoundError for a project that is gone, UnreadableDocumentError for a log that cannot be read.
    """
    path = documents.paths.events_file(project_id)
    try:
        with documents.naming(path):
            try:
                return ProjectEventLog(path, project_id)
            except (FileNotFoundError, CorruptDocumentError):
                raise
            except OSError as error:
                raise unreadable(path, error) from error
    except UnreadableDocumentError:
        raise
    except CorruptDocumentError:
        return ProjectEventLog(path, project_id)


class EventLogClosedError(Exception):
    """The log was closed, because its project was deleted or the server stops."""


class _LineHead(msgspec.Struct):
    """The fields of a line that opening a log needs; the decoder skips the others."""

    seq: int
    job_id: str | None = None
    job_seq: int | None = None


class _LineShape(msgspec.Struct, forbid_unknown_fields=True):
    """The fields that every `EventLine` has. Checking only these takes a tenth of the time on a whole log."""

    id: str
    seq: Annotated[int, msgspec.Meta(ge=1)]
    ts: str
    type: str
    project_id: Annotated[str, msgspec.Meta(pattern=id_pattern("proj"))]
    payload: dict[str, msgspec.Raw]
    run_id: str | None = None
    stage_id: StageId | None = None
    node_id: str | None = None
    job_id: str | None = None
    job_seq: Annotated[int, msgspec.Meta(ge=0)] | None = None


_LINE_DECODER = msgspec.json.Decoder(_LineShape)


def is_event(raw: bytes) -> bool:
    """Return whether a line of a log is an event that can be read."""
    try:
        line = _LINE_DECODER.decode(raw)
        parse_time(line.ts)
        if line.type in FOLDED_EVENTS:
            EventLine.model_validate_json(raw)
    except (ValueError, RecursionError):  # the errors of msgspec, pydantic and UTF-8 are ValueErrors
        return False
    return True


class ProjectEventLog:
    """One open log. Thread-safe; only one may be open per file.

    No file stays open between two calls: a workspace has more projects than a process may have files, and a deleted
    directory must neither be held nor come back.
    """

    def __init__(self, path: Path, project_id: str) -> None:
        """Open or create the file, repair its end, and index it; raises OSError, e.g. when its directory is gone.

        Raises CorruptDocumentError for a file that is no log at all.
        """
        self._path = path
        self._project_id = project_id
        self._lock = threading.Lock()
        self._offsets = array("Q")  # entry seq - 1: where the line begins
        self._end = 0
        self._has_torn_end = False
        self._job_seqs: dict[str, int] = {}
        self._is_closed = False
        try:
            with open(path, "ab+", buffering=0, opener=_open_regular) as stream:
                self._index_file(stream)
        except OSError as error:
            if error.errno not in READ_ONLY_ERRORS:
                raise
            self._index_read_only()

    @property
    def last_seq(self) -> int:
        """Number of the newest event, 0 for an empty log."""
        return len(self._offsets)

    def last_job_seq(self, job_id: str) -> int:
        """Number of the newest line of this job's own log that was copied to this log, 0 for none."""
        with self._lock:
            return self._job_seqs.get(job_id, 0)

    def append(
        self,
        event_type: str,
        payload: dict[str, Any],
        *,
        durable: bool = True,
        **envelope: Any,
    ) -> EventLine:
        """Write one event and return its line; with `durable` it survives a power cut as well.

        `envelope` takes run_id, stage_id, node_id, job_id and job_seq. Raises EventLogClosedError, FileNotFoundError
        when the log was deleted, or another OSError, after which the log is as it was.
        """
        with self._lock:
            if self._is_closed:
                raise EventLogClosedError(self._project_id)
            line = EventLine(
                id=f"evt-{secrets.token_hex(8)}",
                seq=len(self._offsets) + 1,
                ts=utc_now(),
                type=event_type,
                project_id=self._project_id,
                payload=payload,
                **envelope,
            )
            self._write(line.model_dump_json().encode("utf-8") + b"\n", durable)
            self._note_job(line.job_id, line.job_seq)
            return line

    def read(self, after: int, limit: int) -> list[EventLine]:
        """Return up to `limit` events with a seq above `after`, oldest first."""
        cursor = max(after, 0)
        lines: list[EventLine] = []
        while len(lines) < limit and cursor < self.last_seq:
            upto = min(cursor + limit - len(lines), self.last_seq)
            lines += self._read_range(cursor, upto)
            cursor = upto
        return lines

    def close(self) -> None:
        """Refuse further appends, after waiting for a write in progress."""
        with self._lock:
            self._is_closed = True

    def _read_range(self, after: int, upto: int) -> Iterator[EventLine]:
        """Read the events after < seq <= upto through a handle of its own, so that no writer waits."""
        with self._lock:
            start = self._offsets[after]
            end = self._offsets[upto] if upto < len(self._offsets) else self._end
        if end - start > MAX_LINE_BYTES:
            if upto - after > 1:  # a single line of this length is none
                middle = (after + upto) // 2
                yield from self._read_range(after, middle)
                yield from self._read_range(middle, upto)
            return
        with open_document(self._path) as stream:
            stream.seek(start)
            data = stream.read(end - start)
        for raw in data.split(b"\n"):
            line = self._parse(raw) if raw else None
            if line is not None and after < line.seq <= upto:
                after = line.seq
                yield line

    def _parse(self, raw: bytes) -> EventLine | None:
        try:
            return EventLine.model_validate_json(raw)
        except ValidationError:
            logger.warning("Skipped an unreadable line of %s", self._path)
            return None

    def _write(self, data: bytes, durable: bool) -> None:
        with open(self._path, "ab", buffering=0, opener=_open_existing) as stream:
            self._cut_torn_end(stream)
            self._has_torn_end = True
            try:
                view = memoryview(data)
                while view:
                    view = view[stream.write(view) or 0 :]
                if durable:
                    os.fsync(stream.fileno())
            except OSError:
                with contextlib.suppress(OSError):  # tried again before the next line
                    self._cut_torn_end(stream)
                raise
        self._has_torn_end = False
        self._offsets.append(self._end)
        self._end += len(data)

    def _cut_torn_end(self, stream: io.FileIO) -> None:
        if self._has_torn_end:
            stream.truncate(self._end)
            self._has_torn_end = False

    def _note_job(self, job_id: str | None, job_seq: int | None) -> None:
        if job_id is not None and job_seq is not None:
            self._job_seqs[job_id] = max(job_seq, self._job_seqs.get(job_id, 0))

    def _index_read_only(self) -> None:
        """Index the readable lines without changing the file; a torn last line is skipped."""
        if not self._path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._path))
        if self._path.is_file():
            with self._path.open("rb", buffering=0) as stream:
                self._index_file(stream)

    def _index_file(self, stream: io.FileIO) -> None:
        corrupt: list[int] = []  # offsets of unreadable lines since the last readable one
        for offset, raw in self._full_lines(stream):
            try:
                head = msgspec.json.decode(raw, type=_LineHead)
            except (ValueError, RecursionError):  # msgspec's errors are ValueErrors, and those of UTF-8
                corrupt.append(offset)
                continue
            self._index_line(head, offset, corrupt)
        if corrupt and not self._offsets:
            raise CorruptDocumentError(self._path, "not one of its lines is an event")
        for offset in corrupt:
            logger.warning("An event of %s at byte %d is unreadable", self._path, offset)
            self._offsets.append(offset)

    def _index_line(self, head: _LineHead, offset: int, corrupt: list[int]) -> None:
        expected = len(self._offsets) + 1
        if head.seq - expected > MAX_GAP:
            logger.warning("The number of an event of %s at byte %d cannot be right", self._path, offset)
            corrupt.append(offset)
            return
        if head.seq < expected:
            logger.warning("Ignored a second event %d of %s at byte %d", head.seq, self._path, offset)
            return
        if head.seq > expected:
            logger.warning("Events %d to %d of %s are unreadable", expected, head.seq - 1, self._path)
            first_lost = corrupt[0] if corrupt else offset
            self._offsets.extend([first_lost] * (head.seq - expected))
        self._offsets.append(offset)
        self._note_job(head.job_id, head.job_seq)
        corrupt.clear()

    def _full_lines(self, stream: io.FileIO) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, line) for each complete line, then cut off what follows the last of them.

        A line longer than MAX_LINE_BYTES comes as an empty one, which is unreadable too.
        """
        offset = 0
        torn = LineAssembler(MAX_LINE_BYTES)
        stream.seek(0)
        while chunk := stream.read(_CHUNK_BYTES):
            for length, line in torn.feed(chunk):
                yield offset, line or b""
                offset += length + 1
        if torn.length and not self._offsets and not _begins_like_an_event(b"".join(torn.pieces[:1])):
            raise CorruptDocumentError(self._path, "it does not begin like an event")
        if torn.length:
            self._has_torn_end = True  # of a log that is only read it is cut off before the next line is written
            if stream.writable():
                logger.warning("Cut off a torn line of %d bytes at the end of %s", torn.length, self._path)
                stream.truncate(offset)
                os.fsync(stream.fileno())
                self._has_torn_end = False
        self._end = offset


def _begins_like_an_event(data: bytes) -> bool:
    return data.startswith(_FIRST_BYTES[: len(data)])
