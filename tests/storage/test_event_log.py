"""The event log: numbers without gaps, repair, reading by number, what each job forwarded."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from app.storage import event_log
from app.storage.documents import DocumentStore
from app.storage.event_log import EventLogClosedError, ProjectEventLog, is_event
from app.storage.json_store import UnreadableDocumentError
from app.storage.paths import WorkspacePaths
from app.storage.survey import Survey

PROJECT = "proj-00000001"


def open_log(tmp_path: Path) -> ProjectEventLog:
    return ProjectEventLog(tmp_path / "events.jsonl", PROJECT)


def append_many(log: ProjectEventLog, count: int) -> None:
    for index in range(count):
        log.append("SPLIT_SUMMARY", {"index": index}, durable=False)


def seqs(log: ProjectEventLog, after: int = 0, limit: int = 1000) -> list[int]:
    return [line.seq for line in log.read(after, limit)]


def test_numbers_start_at_one_and_have_no_gap_over_a_reopening(tmp_path: Path) -> None:
    append_many(open_log(tmp_path), 3)
    log = open_log(tmp_path)
    assert log.append("LOG_LINE", {"a": "ä\n"}, stage_id="TRAIN").seq == 4
    lines = log.read(0, 100)
    assert [line.seq for line in lines] == [1, 2, 3, 4]
    assert lines[3].payload == {"a": "ä\n"}
    assert lines[3].stage_id == "TRAIN"
    assert len({line.id for line in lines}) == 4


@pytest.mark.parametrize(
    ("after", "limit", "expected"),
    [(0, 2, [1, 2]), (3, 2, [4, 5]), (5, 9, []), (99, 9, []), (-1, 1, [1]), (0, 0, [])],
)
def test_reads_after_a_number(tmp_path: Path, after: int, limit: int, expected: list[int]) -> None:
    log = open_log(tmp_path)
    append_many(log, 5)
    assert seqs(log, after, limit) == expected


@pytest.mark.parametrize("cut", [1, 7, 60])
def test_cuts_off_a_torn_last_line(tmp_path: Path, cut: int) -> None:
    append_many(open_log(tmp_path), 3)
    path = tmp_path / "events.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    log = open_log(tmp_path)
    assert log.last_seq == 2
    append_many(log, 1)
    assert seqs(open_log(tmp_path)) == [1, 2, 3]


def test_skips_a_corrupt_line_and_keeps_its_number(tmp_path: Path) -> None:
    append_many(open_log(tmp_path), 5)
    path = tmp_path / "events.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[1] = b'{"seq": 2, "broken'
    lines[2] = b"\x00\xff\x00"
    path.write_bytes(b"\n".join(lines))
    log = open_log(tmp_path)
    assert log.last_seq == 5
    assert seqs(log) == [1, 4, 5]
    assert seqs(log, after=2, limit=1) == [4]
    assert log.append("X", {}).seq == 6


NO_EVENTS: dict[str, dict[str, Any]] = {
    "a time without a zone": {"ts": "2026-01-01T00:00:00"},
    "a time that is none": {"ts": "2026-13-45T99:00:00Z"},
    "no time": {"ts": 12},
    "another's project": {"project_id": "../up"},
    "a number of a job below 0": {"job_seq": -1},
    "an unknown stage": {"stage_id": "DREAM"},
    "an unknown field": {"novelty": 1},
    "a payload that is none": {"payload": []},
    "a payload of another event": {"type": "STAGE_STATUS", "payload": {"stage_id": "DREAM"}},
    "a payload without its artefact": {"type": "ARTIFACT_ADDED", "payload": {}},
}


@pytest.mark.parametrize("changes", NO_EVENTS.values(), ids=NO_EVENTS)
def test_a_line_with_wrong_values_is_skipped_and_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    append_many(open_log(tmp_path), 3)
    path = tmp_path / "projects" / PROJECT / "events.jsonl"
    path.parent.mkdir(parents=True)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | changes).encode()
    path.write_bytes(b"\n".join([*lines, b""]))
    assert [is_event(line) for line in lines] == [True, False, True]
    log = ProjectEventLog(path, PROJECT)
    assert (seqs(log), log.last_seq) == ([1, 3], 3)
    problems = Survey(DocumentStore(WorkspacePaths(tmp_path))).list_problems()
    named = {item.path: item.reason for item in problems if not item.is_set_aside}
    assert named[f"projects/{PROJECT}/events.jsonl"] == "1 of its 3 lines cannot be read, the first is 2"


def test_a_corrupt_last_line_keeps_its_number(tmp_path: Path) -> None:
    append_many(open_log(tmp_path), 2)
    with (tmp_path / "events.jsonl").open("ab") as stream:
        stream.write(b"garbage\n")
    log = open_log(tmp_path)
    assert log.append("X", {}).seq == 4
    assert seqs(open_log(tmp_path)) == [1, 2, 4]


def test_a_repeated_line_is_read_once(tmp_path: Path) -> None:
    append_many(open_log(tmp_path), 2)
    path = tmp_path / "events.jsonl"
    first, second, _ = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([first, second, second, first, b""]))
    log = open_log(tmp_path)
    append_many(log, 1)
    assert seqs(log) == [1, 2, 3]


def test_remembers_what_each_job_forwarded(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.append("X", {}, job_id="job-00000001", job_seq=3)
    log.append("X", {}, job_id="job-00000002", job_seq=9)
    log.append("X", {}, job_id="job-00000001")
    reopened = open_log(tmp_path)
    assert [reopened.last_job_seq(f"job-0000000{n}") for n in (1, 2, 3)] == [3, 9, 0]


def test_a_failed_write_leaves_the_log_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = open_log(tmp_path)
    append_many(log, 2)
    size = (tmp_path / "events.jsonl").stat().st_size

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            log.append("X", {}, durable=True)
    assert (tmp_path / "events.jsonl").stat().st_size == size
    assert log.append("X", {}).seq == 3
    assert seqs(open_log(tmp_path)) == [1, 2, 3]


def test_a_deleted_log_does_not_come_back(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    (tmp_path / "events.jsonl").unlink()
    with pytest.raises(FileNotFoundError):
        log.append("X", {})
    assert not (tmp_path / "events.jsonl").exists()
    log.close()
    with pytest.raises(EventLogClosedError):
        log.append("X", {})


def test_writers_in_threads_get_one_number_each(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    threads = [threading.Thread(target=append_many, args=(log, 200)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seqs(log, limit=5000) == list(range(1, 1001))


def test_reading_near_the_end_of_a_long_log_is_fast(tmp_path: Path) -> None:
    line = {"id": "evt-1", "ts": "2026-01-01T00:00:00Z", "type": "X", "project_id": PROJECT, "payload": {"a": 1}}
    text = "".join(json.dumps({**line, "seq": seq}) + "\n" for seq in range(1, 100_001))
    (tmp_path / "events.jsonl").write_text(text)
    log = open_log(tmp_path)
    began = time.perf_counter()
    assert len(seqs(log, limit=100_000)) == 100_000
    everything_s = time.perf_counter() - began
    quickest_s = everything_s
    for _ in range(20):
        began = time.perf_counter()
        assert seqs(log, after=99_990) == list(range(99_991, 100_001))
        quickest_s = min(quickest_s, time.perf_counter() - began)
    assert quickest_s < everything_s / 10  # the quickest of some: other work on the machine only takes time


def test_a_number_that_cannot_be_right_is_no_gap(tmp_path: Path) -> None:
    append_many(open_log(tmp_path), 2)
    with (tmp_path / "events.jsonl").open("ab") as stream:
        stream.write(b'{"id": "evt-1", "seq": 9000000000000000}\n')
    log = open_log(tmp_path)
    append_many(log, 1)
    assert log.last_seq == 4
    assert seqs(open_log(tmp_path)) == [1, 2, 4]


@pytest.mark.slow
def test_zeros_at_the_end_are_cut_off_without_being_kept(tmp_path: Path) -> None:
    append_many(open_log(tmp_path), 2)
    path = tmp_path / "events.jsonl"
    size = path.stat().st_size
    os.truncate(path, size + 2**30)  # what a crash makes of a file that was about to grow
    began = time.process_time()
    log = open_log(tmp_path)
    assert time.process_time() - began < 10.0  # copying the zeros anew with each piece took minutes
    assert (log.last_seq, path.stat().st_size) == (2, size)


def test_a_line_longer_than_any_event_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "MAX_LINE_BYTES", 1000)
    append_many(open_log(tmp_path), 40)
    path = tmp_path / "events.jsonl"
    lines = path.read_bytes().splitlines()
    lines[1] = lines[1].replace(b'"index":1', b'"index":"' + b"x" * 3 * 2**20 + b'"')
    path.write_bytes(b"\n".join(lines) + b"\n")
    log = open_log(tmp_path)
    assert log.last_seq == 40
    assert seqs(log) == [1, *range(3, 41)]
    assert seqs(log, after=1, limit=2) == [3, 4]


def test_a_pipe_in_the_place_of_an_open_log_holds_up_nobody(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    append_many(log, 2)
    path = tmp_path / "events.jsonl"
    whole = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UnreadableDocumentError):
        log.read(0, 10)
    with pytest.raises(OSError, match=r"events\.jsonl"):
        log.append("X", {})
    path.unlink()
    path.write_bytes(whole)
    assert log.append("X", {}).seq == 3
    assert seqs(log) == [1, 2, 3]
