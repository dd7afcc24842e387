"""What a child reported is read line by line, however it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.jobs import event_tail
from app.core.jobs.event_tail import EventTail

LINE = (
    '{"seq": %d, "ts": "2026-01-01T00:00:00Z", "event": '
    '{"type": "JOB_PROGRESS", "job_id": "job-00000001", "done": %d, "total": 9, "message": "%s"}}'
)


def line(number: int, message: str = "") -> bytes:
    return (LINE % (number, number, message)).encode()


def read_numbers(tail: EventTail) -> list[int]:
    return [reported.seq for reported in tail.read_rest()]


def test_a_line_counts_once_it_is_complete(tmp_path: Path) -> None:
    tail = EventTail(tmp_path / "events.jsonl")
    assert read_numbers(tail) == []
    written = line(1) + b"\n" + line(2) + b"\n" + line(3)
    found = []
    for end in range(0, len(written) + 1, 7):
        tail.path.write_bytes(written[:end])
        found += read_numbers(tail)
    tail.path.write_bytes(written + b"\n")
    assert found == [1, 2]
    assert read_numbers(tail) == [3]


def test_a_line_longer_than_any_event_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_tail, "MAX_LINE_BYTES", 2000)
    tail = EventTail(tmp_path / "events.jsonl")
    tail.path.write_bytes(b"\n".join((line(1), line(2, "x" * 3 * 2**20), line(3), b"")))
    assert read_numbers(tail) == [1, 3]
