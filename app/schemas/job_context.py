"""The interface of a job for the engine that runs it. The worker implements it, tests fake it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from app.schemas.events import Event
from app.schemas.jobs import JobCommand, JobRequest


class JobFailure(Exception):  # noqa: N818 - an outcome that was foreseen, not a programming error
    """Ends a job as failed with a sentence for the user and no traceback on the page."""

    def __init__(self, message: str, kind: str = "JobFailure") -> None:
        super().__init__(message)
        self.kind = kind


class JobCancelled(Exception):  # noqa: N818 - an outcome, not an error
    """Ends a job as cancelled; raised by an engine at a safe point after the command was seen."""


class JobContext(Protocol):
    """The job's request, the directory it may write to, and its channels: events out, commands and messages in."""

    @property
    def request(self) -> JobRequest:
        """The request as it was read."""
        ...

    @property
    def output_dir(self) -> Path:
        """The directory that artefacts go to."""
        ...

    def report(self, event: Event) -> None:
        """Append one event to the job's log; cheap, thread-safe, durable against a crash of the process."""
        ...

    def command(self) -> JobCommand | None:
        """Return the strongest command given so far (cancel before pause before stop_keep), without waiting."""
        ...

    def next_message(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the next message that is not a command, or None after the timeout or when the server is gone."""
        ...


def raise_if_cancelled(context: JobContext) -> None:
    """Raise JobCancelled when the job was asked to cancel."""
    if context.command() == "cancel":
        raise JobCancelled
