"""Reads server-sent events as a browser does, up to an end that the test names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Message:
    """One event of a stream."""

    event: str
    data: Any
    id: str | None


def parse_messages(lines: Iterator[str]) -> Iterator[Message]:
    """Yield the events among the lines; comments and waits are skipped."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name in {"event", "data", "id"}:
            fields[name] = value
        elif not line and "data" in fields:
            yield Message(fields.get("event", "message"), json.loads(fields["data"]), fields.get("id"))
            fields = {}


def read_until(
    url: str,
    is_last: Callable[[Message], bool],
    headers: dict[str, str] | None = None,
    on_message: Callable[[Message], None] = lambda message: None,
) -> list[Message]:
    """Return the events up to the last one, or all of a stream that ends by itself."""
    messages = []
    with httpx.stream("GET", url, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        for message in parse_messages(answer.iter_lines()):
            messages.append(message)
            on_message(message)
            if is_last(message):
                break
    return messages
