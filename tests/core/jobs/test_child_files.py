"""The two files that a child leaves: its events, read as they grow, and its output, capped."""

from __future__ import annotations

import json
import os
from pathlib import Path

from app.core.jobs.child_log import TAIL_BYTES, ChildLog, last_lines_of_file
from app.core.jobs.event_tail import EventTail
from app.schemas.events import JobProgressed


def event_line(seq: int, **event: object) -> str:
    values = {"type": "JOB_PROGRESS", "job_id": "job-00000001", "done": seq, "total": 9, **event}
    return json.dumps({"seq": seq, "ts": "2026-01-01T00:00:00Z", "event": values}) + "\n"


def test_only_complete_lines_are_events(tmp_path: Path) -> None:
    tail = EventTail(tmp_path / "events.jsonl")
    assert tail.read_new() == []
    text = event_line(1) + event_line(2, message="größer")
    seen: list[int] = []
    with tail.path.open("wb", buffering=0) as stream:
        for start in range(0, len(text.encode()), 7):
            stream.write(text.encode()[start : start + 7])
            seen += [event.seq for event in tail.read_new()]
    assert seen == [1, 2]


def test_what_is_no_event_is_left_out(tmp_path: Path) -> None:
    tail = EventTail(tmp_path / "events.jsonl")
    lines = [event_line(1), "{}\n", "\n", "\x00\x00\n", event_line(2, type="NO_SUCH"), event_line(3, done="x")]
    tail.path.write_text("".join([*lines, event_line(4)]))
    events = tail.read_rest()
    assert [event.seq for event in events] == [1, 4]
    assert events[1].event == JobProgressed(job_id="job-00000001", done=4, total=9)


def write_log(tmp_path: Path, data: bytes, head_bytes: int) -> tuple[ChildLog, bytes]:
    reader, writer = os.pipe()
    log = ChildLog(reader, tmp_path / "job.log", head_bytes)
    log.start()
    with os.fdopen(writer, "wb") as stream:
        stream.write(data)
    log.join(10)
    return log, (tmp_path / "job.log").read_bytes()


def test_a_short_output_is_kept_as_it_is(tmp_path: Path) -> None:
    log, kept = write_log(tmp_path, b"one\ntwo \xff\nthree\n", 1000)
    assert kept == b"one\ntwo \xff\nthree\n"
    assert log.last_lines(2) == "two \N{REPLACEMENT CHARACTER}\nthree"
    assert last_lines_of_file(tmp_path / "job.log", 1) == "three"
    assert last_lines_of_file(tmp_path / "nothing", 1) == ""


def test_of_a_long_output_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    data = b"".join(b"%07d\n" % number for number in range(100_000))
    log, kept = write_log(tmp_path, data, 4096)
    assert kept.startswith(data[:4096] + b"\n[... ")
    assert kept.endswith(data[-TAIL_BYTES // 2 :])
    assert len(kept) < 4096 + 100 + TAIL_BYTES + 2**16
    assert log.last_lines(1) == "0099999"
