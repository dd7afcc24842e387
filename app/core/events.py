"""The event bus: writes each event to its project's log, then hands it to whoever follows the project. Knows no HTTP.

A publisher never waits for a subscriber. A subscriber first reads the log, in threads, and joins the live events only
when it is nearly level with them; the log decides what it has seen, so there is neither a gap nor a duplicate.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Union

from app.core.exceptions import ConflictError, NotFoundError, ProjectGoneError
from app.schemas.common import without_non_finite
from app.schemas.events import Event, EventLine
from app.storage.event_log import EventLogClosedError, ProjectEventLog

REPLAY_PAGE = 500
QUEUE_LIMIT = 1000
OWED_LIMIT = 1000
# Facts that the next one supersedes; a power cut may take them, a crash of the process may not.
TRANSIENT_TYPES = frozenset(
    {
        "EVALUATION_PROGRESS",
        "EXPORT_PROGRESS",
        "JOB_PROGRESS",
        "LOG_LINE",
        "METRIC_SCALAR",
        "PROFILE_PROGRESS",
        "RESOURCE_STATS",
        "TRAIN_PROGRESS",
    }
)


@dataclass(frozen=True)
class CaughtUp:
    """Replay ended; what follows is live. `seq` is the last event before it."""

    seq: int


@dataclass(frozen=True)
class Resync:
    """The subscriber was too slow and its subscription ends; it should come back with `seq`, the last it was given."""

    seq: int


@dataclass(frozen=True)
class Gone:
    """The project was deleted: nothing follows, and coming back is of no use. `seq` is the last event handed out."""

    seq: int


@dataclass(frozen=True)
class Revoked:
    """The subscriber may no longer see the project: nothing follows. `seq` is the last event handed out."""

    seq: int


StreamItem = Union[EventLine, CaughtUp, Resync, Gone, Revoked]  # noqa: UP007 - evaluated at run time on Python 3.10


class EventBus:
    """All logs of a workspace and everyone who follows them."""

    def __init__(self, open_log: Callable[[str], ProjectEventLog], max_subscriptions: int = 2000) -> None:
        self._open_log = open_log
        self._max_subscriptions = max_subscriptions
        self._lock = threading.Lock()
        self._streams: dict[str, _ProjectStream] = {}
        self._opening: dict[str, threading.Lock] = {}
        self._owed: dict[str, deque[tuple[Event, dict[str, Any]]]] = {}
        self._deleting: set[str] = set()
        self._num_subscriptions = 0
        self._is_closed = False

    @property
    def num_subscriptions(self) -> int:
        """How many streams are open."""
        return self._num_subscriptions

    @property
    def max_subscriptions(self) -> int:
        """How many streams may be open."""
        return self._max_subscriptions

    def publish(
        self,
        project_id: str,
        event: Event,
        *,
        run_id: str | None = None,
        stage_id: str | None = None,
        node_id: str | None = None,
        job_id: str | None = None,
        job_seq: int | None = None,
    ) -> EventLine:
        """Write the event to the log and hand it on; raises NotFoundError for a deleted project, OSError."""
        if self._owed:
            self._publish_owed(project_id)
        payload = without_non_finite(event.model_dump(mode="json"))
        event_type = payload.pop("type")
        envelope = {
            "run_id": run_id or payload.get("run_id"),
            "stage_id": stage_id or payload.get("stage_id"),
            "node_id": node_id,
            "job_id": job_id,
            "job_seq": job_seq,
        }
        stream = self._stream(project_id)
        with stream.publishing:  # the order of the log is the order on every queue
            try:
                line = stream.log.append(event_type, payload, durable=event_type not in TRANSIENT_TYPES, **envelope)
            except (EventLogClosedError, FileNotFoundError) as error:
                raise _no_project(project_id) from error
            stream.fan_out(line)
        return line

    def owe(self, project_id: str, event: Event, envelope: dict[str, Any]) -> None:
        """Keep an event that the disk did not take, for when it takes the next one; the latest ones of many."""
        with self._lock:
            self._owed.setdefault(project_id, deque(maxlen=OWED_LIMIT)).append((event, envelope))

    def catch_up(self) -> None:
        """Publish what the disk did not take, as far as it takes it now."""
        with self._lock:
            owing = list(self._owed)
        for project_id in owing:
            with suppress(OSError, NotFoundError):  # it is kept, or the project is gone
                self._publish_owed(project_id)

    def read(self, project_id: str, after: int, limit: int) -> list[EventLine]:
        """Return up to `limit` events after a sequence number, oldest first."""
        return self._stream(project_id).log.read(after, limit)

    def last_seq(self, project_id: str) -> int:
        """Number of the newest event of the project, 0 for none."""
        return self._stream(project_id).log.last_seq

    def last_job_seq(self, project_id: str, job_id: str) -> int:
        """The newest line of the job's own log that was published, 0 for none."""
        return self._stream(project_id).log.last_job_seq(job_id)

    def subscribe(self, project_id: str, after: int) -> Subscription:
        """Follow a project from the event after `after`; to be iterated in the running event loop and then closed.

        Raises ConflictError when too many streams are open.
        """
        with self._lock:
            if self._num_subscriptions >= self._max_subscriptions:
                msg = f"{self._max_subscriptions} event streams are already open. Close one or raise the limit."
                raise ConflictError(msg)
            self._num_subscriptions += 1
        return Subscription(project_id, lambda: self._stream(project_id), after, self._release)

    @contextmanager
    def deleting(self, project_id: str) -> Iterator[None]:
        """Close the log of a project while its directory is moved away, then tell everyone who follows it.

        They are told that it is gone only once it is; when the block raises they are sent away to come back, for the
        project is still there. Nobody opens the log meanwhile.
        """
        with self._lock:
            self._deleting.add(project_id)
            stream = self._streams.pop(project_id, None)
            self._owed.pop(project_id, None)
        is_gone = False
        try:
            if stream is not None:
                stream.close_log()
            yield
            is_gone = True
        finally:
            with self._lock:
                self._deleting.discard(project_id)
                self._opening.pop(project_id, None)
            if stream is not None:
                stream.end(is_gone)

    def close(self) -> None:
        """Close every log and end every subscription."""
        with self._lock:
            self._is_closed = True
            streams = list(self._streams.values())
            self._streams.clear()
        for stream in streams:
            stream.close()

    def _publish_owed(self, project_id: str) -> None:
        with self._lock:
            owed = self._owed.pop(project_id, deque())
        while owed:
            event, envelope = owed.popleft()
            try:
                self.publish(project_id, event, **envelope)
            except OSError:
                with self._lock:
                    self._owed[project_id] = deque([(event, envelope), *owed], maxlen=OWED_LIMIT)
                raise

    def _stream(self, project_id: str) -> _ProjectStream:
        stream = self._streams.get(project_id)
        if stream is not None:
            return stream
        with self._lock:
            opening = self._opening.setdefault(project_id, threading.Lock())
            if self._is_closed:  # another server may own the workspace by now
                msg = "The server is stopping."
                raise NotFoundError(msg)
            if project_id in self._deleting:
                raise _no_project(project_id)
        with opening:  # indexing a long log must not hold up the other projects
            stream = self._streams.get(project_id)
            if stream is None:
                try:
                    stream = _ProjectStream(self._open_log(project_id))
                except FileNotFoundError as error:
                    with self._lock:
                        self._opening.pop(project_id, None)
                    raise _no_project(project_id) from error
                with self._lock:
                    is_deleting = project_id in self._deleting
                    if not is_deleting:
                        self._streams[project_id] = stream
                if is_deleting:
                    stream.close()
                    raise _no_project(project_id)
            return stream

    def _release(self) -> None:
        with self._lock:
            self._num_subscriptions -= 1


def _no_project(project_id: str) -> ProjectGoneError:
    return ProjectGoneError(f"There is no project {project_id}.")


class _ProjectStream:
    """One log and, per event loop, the subscriptions that are live on it."""

    def __init__(self, log: ProjectEventLog) -> None:
        self.log = log
        self.publishing = threading.Lock()
        self.is_closed = False
        self.is_gone = False
        self._lock = threading.Lock()
        self._channels: dict[asyncio.AbstractEventLoop, _LoopChannel] = {}

    def channel(self, loop: asyncio.AbstractEventLoop) -> _LoopChannel:
        """Return the channel of the running loop."""
        with self._lock:
            if loop not in self._channels:
                self._channels[loop] = _LoopChannel()
            return self._channels[loop]

    def fan_out(self, line: EventLine) -> None:
        """Hand a line to each loop, once per loop and not once per subscriber."""
        self._call_each(lambda channel: channel.deliver(line))

    def close(self) -> None:
        """Close the log and end all subscriptions."""
        self.close_log()
        self.end(is_gone=False)

    def close_log(self) -> None:
        """Let nothing more be written."""
        with self.publishing:
            self.log.close()

    def end(self, is_gone: bool) -> None:
        """End all subscriptions, those that join from now on too; `is_gone` when the project was deleted."""
        self.is_gone, self.is_closed = is_gone, True
        self._call_each(lambda channel: channel.end(is_gone))

    def _call_each(self, call: Callable[[_LoopChannel], None]) -> None:
        with self._lock:
            channels = list(self._channels.items())
        for loop, channel in channels:
            try:
                loop.call_soon_threadsafe(call, channel)
            except RuntimeError:  # that loop was closed and its subscribers with it
                with self._lock:
                    self._channels.pop(loop, None)


class _LoopChannel:
    """The live subscriptions of one loop; touched in that loop's thread only."""

    def __init__(self) -> None:
        self.members: set[Subscription] = set()

    def deliver(self, line: EventLine) -> None:
        for member in tuple(self.members):
            member.offer(line)

    def end(self, is_gone: bool) -> None:
        for member in tuple(self.members):
            member.end(is_gone)


class Subscription:
    """What one client sees: replayed lines, one CaughtUp, live lines; at its end perhaps a Resync, Gone or Revoked.

    Belongs to the event loop that iterates it. Always close it, or use it in `async with`.
    """

    def __init__(
        self, project_id: str, find_stream: Callable[[], _ProjectStream], after: int, release: Callable[[], None]
    ) -> None:
        self._project_id = project_id
        self._find_stream = find_stream
        self._release: Callable[[], None] | None = release
        self._stream: _ProjectStream | None = None
        self._channel: _LoopChannel | None = None
        self._cursor = max(after, 0)  # the newest event that was handed out
        self._read_upto = self._cursor
        self._joined_at = 0
        self._replay: deque[EventLine] = deque()
        self._live: deque[EventLine] = deque()
        self._has_caught_up = False
        self._has_lagged = False
        self._is_ended = False
        self._is_gone = False
        self._is_revoked = False
        self._wake = asyncio.Event()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> StreamItem:
        """Return the next item; raises NotFoundError at the first when the server is stopping."""
        if self._release is None:
            raise StopAsyncIteration
        cursor = self._cursor
        item = None if self._is_revoked else await self._next_item()
        if item is not None and not self._is_revoked:
            return item
        self.close()
        return Revoked(cursor)

    async def _next_item(self) -> StreamItem | None:
        """Return the next item; None once the subscription is revoked."""
        if not self._has_caught_up:
            return await self._next_replayed()
        while not self._live:
            if self._is_revoked:
                return None
            if self._has_lagged:
                self.close()
                return Resync(self._cursor)
            if self._is_ended:
                self.close()
                if self._is_gone:
                    return Gone(self._cursor)
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        line = self._live.popleft()
        self._cursor = line.seq
        return line

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave; may be called twice."""
        if self._release is None:
            return
        if self._channel is not None:
            self._channel.members.discard(self)
        self._live.clear()
        self._is_ended = True
        self._wake.set()
        release, self._release = self._release, None
        release()

    def offer(self, line: EventLine) -> None:
        """Queue a live line; a subscriber whose queue is full loses it and is told to come back."""
        if line.seq <= self._joined_at:
            return
        if len(self._live) >= QUEUE_LIMIT:
            self._has_lagged = True
            self._live.clear()
            if self._channel is not None:
                self._channel.members.discard(self)
        else:
            self._live.append(line)
        self._wake.set()

    def end(self, is_gone: bool) -> None:
        """Let the subscriber finish what is queued and then stop; told that the project is gone, if it is."""
        self._is_gone, self._is_ended = is_gone, True
        self._wake.set()

    def revoke(self) -> None:
        """Hand out nothing more, what is queued included; the subscriber is told so and the subscription ends."""
        self._is_revoked = True
        self._wake.set()

    async def _next_replayed(self) -> StreamItem:
        if not self._replay:
            try:
                await self._refill()
            except ProjectGoneError:
                self.close()
                return Gone(self._cursor)
        if self._replay:
            line = self._replay.popleft()
            self._cursor = line.seq
            return line
        self._has_caught_up = True
        return CaughtUp(self._joined_at)

    async def _refill(self) -> None:
        """Read the next page, and go live when it was the last; afterwards nothing to replay means being level."""
        if self._stream is None:
            self._stream = await asyncio.to_thread(self._find_stream)
        if self._channel is not None:
            return
        page = await self._read(self._stream, REPLAY_PAGE)
        self._replay.extend(page)
        if len(page) < REPLAY_PAGE:
            self._join(self._stream)
            missed = await self._read(self._stream, self._joined_at - self._read_upto)
            self._replay.extend(line for line in missed if line.seq <= self._joined_at)

    def _join(self, stream: _ProjectStream) -> None:
        """Go live: every line after `_joined_at` is delivered from now on, the ones before are in the log already."""
        self._channel = stream.channel(asyncio.get_running_loop())
        self._channel.members.add(self)
        self._joined_at = stream.log.last_seq
        self._is_gone, self._is_ended = stream.is_gone, stream.is_closed

    async def _read(self, stream: _ProjectStream, limit: int) -> list[EventLine]:
        try:
            page = await asyncio.to_thread(stream.log.read, self._read_upto, limit)
        except FileNotFoundError:  # the project was deleted while it was read
            raise _no_project(self._project_id) from None
        if page:
            self._read_upto = page[-1].seq
        return page
