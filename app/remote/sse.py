"""Parses server-sent events. The caller reconnects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StreamEvent:
    """One event of a stream; `id` is a log sequence number where the stream has one."""

    event: str
    data: dict[str, Any] = field(default_factory=dict)
    id: str | None = None


def parse_stream(chunks: Iterable[bytes]) -> Iterator[StreamEvent]:
    """Yield events. An incomplete last event is dropped, because it comes again after a reconnect."""
    fields: dict[str, list[str]] = {}
    for line in _split_lines(chunks):
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        if "data" in fields:
            yield _build_event(fields)
        fields = {}


def _build_event(fields: dict[str, list[str]]) -> StreamEvent:
    data = json.loads("\n".join(fields["data"]) or "{}")
    name = fields.get("event", ["message"])[-1]
    number = fields["id"][-1] if "id" in fields else None
    return StreamEvent(name, data if isinstance(data, dict) else {"value": data}, number)


def _split_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    # Not str.splitlines: it also splits at U+2028 and others, which are ordinary characters inside JSON text.
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")
