"""The request loop of a long-lived job: each message is answered with a file. Knows no kind of request."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from app.schemas.events import JobProgressed
from app.schemas.job_context import JobContext, raise_if_cancelled

POLL_S = 0.25
_ID = re.compile(r"[0-9a-f]{8,32}")


def serve_messages(context: JobContext, idle_timeout_s: float, answer: Callable[[dict[str, Any]], int]) -> int:
    """Answer messages until none has come for the idle time; returns the sum of what `answer` returned.

    Says "ready" first. Raises JobCancelled.
    """
    report_note(context, "ready")
    answered = 0
    last_s = time.monotonic()
    while time.monotonic() - last_s < idle_timeout_s:
        raise_if_cancelled(context)
        asked_s = time.monotonic()
        message = context.next_message(POLL_S)
        if message is None:
            # Where nothing can come any more, the wire answers at once; do not spin until the idle time is over.
            time.sleep(max(0.0, POLL_S - (time.monotonic() - asked_s)))
            continue
        answered += answer(message)
        last_s = time.monotonic()
    return answered


def find_message_id(message: dict[str, Any]) -> str | None:
    """Return the id of a message, which becomes a file name; None when it is no valid one."""
    message_id = message.get("id")
    return message_id if isinstance(message_id, str) and _ID.fullmatch(message_id) else None


def report_note(context: JobContext, note: str) -> None:
    """Send the server a message that no page shows."""
    context.report(JobProgressed(job_id=context.request.job_id, done=0, total=0, message=note))
