"""A job process from outside: its command line, its pipe, its ends, and what it does not import."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from app import job_process, worker
from app.job_process import limit_spinning
from app.schemas.events import JobProgressed, JobResult
from app.schemas.job_context import JobFailure
from app.schemas.jobs import JobRequest
from tests.core.jobs.conftest import HANDLERS

JOB = "job-00000001"
# Says only that something does not hang: on a busy machine a process takes its time to start and to end.
WAIT_S = 60.0
HEAVY = ("torch", "torchvision", "lightning", "numpy", "PIL", "onnx", "onnxruntime", "sklearn", "msgspec", "fastapi")
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def write_request(tmp_path: Path) -> Callable[..., Path]:
    """Write the request of a fake job; return its path."""

    def write(kind: str, job_dir: Path | None = None, **payload: Any) -> Path:
        directory = job_dir or tmp_path / "job"
        directory.mkdir(parents=True, exist_ok=True)
        request = JobRequest(
            job_id=JOB,
            kind=kind,
            project_id="proj-00000001",
            job_dir=str(directory),
            output_dir=str(tmp_path / "output"),
            payload=payload,
        )
        (directory / "request.json").write_text(request.model_dump_json())
        return directory / "request.json"

    return write


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a worker in a session of its own; whatever is left of it is killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start_worker(request: Path | str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-m", "app.worker", str(request), *options, *HANDLERS],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(tmp_path), **environment},
            start_new_session=True,
        )
        started.append(child)
        return child

    yield start_worker
    for child in started:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stderr):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def read_events(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "job" / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for_event(tmp_path: Path, event_type: str) -> dict[str, Any]:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        for line in read_events(tmp_path):
            if line["event"]["type"] == event_type:
                event: dict[str, Any] = line["event"]
                return event
        time.sleep(0.01)
    raise AssertionError(event_type)


def send(child: subprocess.Popen[bytes], *messages: object) -> None:
    assert child.stdin is not None
    child.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
    child.stdin.flush()


def test_importing_the_front_door_loads_nothing_heavy() -> None:
    code = f"import sys, app.worker; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_each_kind_names_a_handler() -> None:
    assert sorted(worker.HANDLERS) == ["augment", "check", "evaluate", "export", "import", "predict", "probe", "train"]
    for name in worker.HANDLERS.values():
        module, _, function = name.partition(":")
        assert module.startswith("app.")
        assert function == "run"


def test_a_saved_request_runs_from_a_shell(start: Start, write_request: Callable[..., Path], tmp_path: Path) -> None:
    child = start(write_request("succeed", steps=2))
    assert child.wait(WAIT_S) == 0
    lines = read_events(tmp_path)
    assert [line["seq"] for line in lines] == [1, 2, 3]
    assert [line["event"]["type"] for line in lines] == ["JOB_PROGRESS", "JOB_PROGRESS", "JOB_RESULT"]
    assert lines[-1]["event"]["outcome"] == "completed"
    assert (tmp_path / "output" / "result.txt").read_text() == "made"
    assert sorted(path.name for path in (tmp_path / "job").iterdir()) == ["events.jsonl", "request.json"]


def test_a_failure_has_exit_code_one_and_a_result(
    start: Start, write_request: Callable[..., Path], tmp_path: Path
) -> None:
    assert start(write_request("raise_failure")).wait(WAIT_S) == 1
    assert read_events(tmp_path)[-1]["event"]["error"]["type"] == "EmptySubset"


@pytest.mark.parametrize("content", ["", "{}", "[1]", None])
def test_an_unreadable_request_is_named(start: Start, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "request.json").write_text(content)
    child = start(tmp_path / "request.json")
    assert child.wait(WAIT_S) == 1
    assert child.stderr is not None
    assert b"request.json cannot be read" in child.stderr.read()


def test_a_request_of_a_later_version_says_what_it_needs(start: Start, tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text('{"version": 99, "novelty": 1}')
    child = start(tmp_path / "request.json")
    assert child.wait(WAIT_S) == 1
    assert child.stderr is not None
    assert b"version 99 and needs a later AI Studio; this one reads versions up to 1" in child.stderr.read()


def test_a_detached_worker_does_not_read_stdin(
    start: Start, write_request: Callable[..., Path], tmp_path: Path
) -> None:
    child = start(write_request("wait_for_file", path=str(tmp_path / "gate")))
    assert child.stdin is not None
    child.stdin.close()
    wait_for_event(tmp_path, "JOB_PROGRESS")
    (tmp_path / "gate").touch()
    assert child.wait(WAIT_S) == 0


def test_the_end_of_the_pipe_ends_the_whole_tree(
    start: Start, write_request: Callable[..., Path], tmp_path: Path
) -> None:
    child = start(write_request("have_grandchildren"), "--attached")
    wait_for_event(tmp_path, "LOG_LINE")
    family = psutil.Process(child.pid).children(recursive=True)
    assert len(family) == 2
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(WAIT_S) != 0
    assert psutil.wait_procs(family, timeout=WAIT_S)[1] == []
    assert read_events(tmp_path)[-1]["event"]["type"] == "LOG_LINE"


def test_a_child_whose_server_died_before_it_began_leaves_the_log_of_its_successor_alone(
    start: Start, write_request: Callable[..., Path]
) -> None:
    request = write_request("succeed")
    log = request.parent / "events.jsonl"
    log.write_text("what the next child reports\n")
    children = [start(request, "--attached") for _ in range(3)]
    for child in children:
        assert child.stdin is not None
        child.stdin.close()
    assert [child.wait(WAIT_S) != 0 for child in children] == [True] * 3
    assert log.read_text() == "what the next child reports\n"


def test_the_log_is_emptied_only_after_the_server_was_seen_alive(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    log.write_text("left by an earlier child\n")
    seen = []

    def has_lost_server() -> bool:
        seen.append(log.read_text())
        return False

    reporter = worker.Reporter(log, has_lost_server)
    assert (seen, log.read_text()) == (["left by an earlier child\n"], "")
    reporter.report(JobProgressed(job_id=JOB, done=1, total=1), is_last=True)
    assert [json.loads(line)["event"]["done"] for line in log.read_text().splitlines()] == [1]


def test_a_pipe_is_closed_when_its_last_writer_is_gone() -> None:
    reader, writer = os.pipe()
    other = os.dup(writer)
    try:
        os.write(writer, b"x")
        os.close(writer)
        assert not job_process.is_closed_at_the_other_end(reader)
        os.close(other)
        assert job_process.is_closed_at_the_other_end(reader)
        assert os.read(reader, 10) == b"x"
    finally:
        os.close(reader)


def test_sigterm_ends_the_whole_tree_quickly(start: Start, write_request: Callable[..., Path], tmp_path: Path) -> None:
    child = start(write_request("have_grandchildren"), "--attached")
    wait_for_event(tmp_path, "LOG_LINE")
    family = psutil.Process(child.pid).children(recursive=True)
    child.terminate()
    assert child.wait(WAIT_S) == -signal.SIGTERM
    assert psutil.wait_procs(family, timeout=WAIT_S)[1] == []


def test_a_command_reaches_the_job(start: Start, write_request: Callable[..., Path], tmp_path: Path) -> None:
    child = start(write_request("wait_for_command"), "--attached")
    wait_for_event(tmp_path, "JOB_PROGRESS")
    send(child, ["noise"], {"command": "pause"})
    assert child.wait(WAIT_S) == 0
    assert read_events(tmp_path)[-1]["event"]["outcome"] == "paused"


def test_the_strongest_command_wins_and_messages_keep_their_order() -> None:
    inbox = worker.Inbox()
    for message in ({"command": "pause"}, {"id": 1}, {"command": "stop_keep"}, {"command": "dance"}, "text"):
        inbox.take(json.dumps(message).encode())
    inbox.take(b"not json")
    assert inbox.command() == "pause"
    inbox.take(b'{"command": "cancel"}')
    inbox.take(b'{"command": "pause"}')
    assert inbox.command() == "cancel"
    assert [inbox.next_message(0.0) for _ in range(3)] == [{"id": 1}, {"command": "dance"}, None]


WARM = "tests.core.jobs.fake_jobs:"


@pytest.fixture
def start_spare(tmp_path: Path, start: Start) -> Callable[..., subprocess.Popen[bytes]]:
    """Start a spare; it prints to a file."""

    def start_one(warm_up: str = "warm_up") -> subprocess.Popen[bytes]:
        return start("--spare", "--attached", "--warm-up", WARM + warm_up)

    return start_one


def test_a_spare_does_the_job_that_it_is_given(
    start_spare: Callable[..., subprocess.Popen[bytes]], write_request: Callable[..., Path], tmp_path: Path
) -> None:
    spare = start_spare()
    request = write_request("describe_process")
    send(spare, {"request": str(request)})
    assert spare.wait(WAIT_S) == 0
    result = read_events(tmp_path)[-1]["event"]["result"]
    assert result["cwd"] == str(request.parent)
    assert result["arguments"][:2] == [str(request), "--attached"]
    assert result["tempdir"].startswith(str(request.parent))


def test_what_is_said_after_the_request_reaches_the_job(
    start_spare: Callable[..., subprocess.Popen[bytes]], write_request: Callable[..., Path], tmp_path: Path
) -> None:
    spare = start_spare("warm_up_for_long")
    send(spare, {"request": str(write_request("answer"))}, {"id": "a", "value": 4})
    deadline = time.monotonic() + WAIT_S
    while not (tmp_path / "output" / "a").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    send(spare, {"command": "stop_keep"})
    assert spare.wait(WAIT_S) == 0
    assert read_events(tmp_path)[-1]["event"]["result"] == {"answered": 1}


@pytest.mark.parametrize("warm_up", ["warm_up", "warm_up_for_long"])
def test_a_spare_ends_with_its_server(start_spare: Callable[..., subprocess.Popen[bytes]], warm_up: str) -> None:
    spare = start_spare(warm_up)
    assert spare.stdin is not None
    time.sleep(0.5)
    assert spare.poll() is None
    spare.stdin.close()
    assert spare.wait(WAIT_S) != 0


def test_a_spare_ends_at_sigterm_while_it_waits(start_spare: Callable[..., subprocess.Popen[bytes]]) -> None:
    spare = start_spare()
    time.sleep(1.0)
    spare.terminate()
    assert spare.wait(WAIT_S) == -signal.SIGTERM


@pytest.mark.parametrize("arguments", [[], ["--spare"], ["request.json", "--spare", "--attached"]])
def test_a_command_line_that_says_too_little_or_too_much_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        worker.parse_arguments(arguments)
    assert "--spare" in capsys.readouterr().err


def rank_command(request: Path, last: str) -> list[str]:
    """A first rank that starts a second one as Lightning does, with its own arguments, and then does `last`."""
    code = (
        "import subprocess, sys, time; "
        f"rank = subprocess.Popen([sys.executable, '-m', 'app.worker', *sys.argv[1:], *{HANDLERS!r}]); "
        f"print(rank.pid, flush=True); {last}"
    )
    return [sys.executable, "-c", code, str(request), "--attached"]


def test_a_further_rank_reports_nothing_and_leaves_stdin_alone(
    write_request: Callable[..., Path], tmp_path: Path
) -> None:
    command = rank_command(write_request("succeed"), "sys.exit(rank.wait())")
    environment = {**os.environ, "LOCAL_RANK": "1", "TMPDIR": str(tmp_path)}
    result = subprocess.run(command, input=b"", capture_output=True, env=environment, timeout=WAIT_S)
    assert result.returncode == 0
    assert (tmp_path / "output" / "result.txt").exists()
    assert read_events(tmp_path) == []


@pytest.mark.parametrize("is_up", [True, False])
def test_a_further_rank_ends_with_the_first(write_request: Callable[..., Path], tmp_path: Path, is_up: bool) -> None:
    request = write_request("wait_for_file", path=str(tmp_path / "never"))
    command = rank_command(request, "time.sleep(600)")
    environment = {**os.environ, "LOCAL_RANK": "1", "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as first:
        assert first.stdout is not None
        rank = psutil.Process(int(first.stdout.readline()))
        while is_up and not (tmp_path / "output").exists():
            time.sleep(0.02)
        first.kill()
    assert psutil.wait_procs([rank], timeout=WAIT_S)[1] == []


def test_sockets_get_a_short_directory_when_the_job_lies_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config: dict[str, Any] = {}
    monkeypatch.setattr(multiprocessing.current_process(), "_config", config)
    monkeypatch.setattr(tempfile, "tempdir", None)
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, "")
    deep = tmp_path / ("x" * 80)
    created = job_process.use_temporary_dir(deep)
    assert created == [deep, Path(config["tempdir"])]
    assert len(config["tempdir"]) < job_process.MAX_SOCKET_DIR_BYTES
    assert tempfile.gettempdir() == str(deep)
    Path(config["tempdir"]).rmdir()


def test_the_end_finds_room_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve, log = tmp_path / "reserve", tmp_path / "events.jsonl"
    reporter = worker.Reporter(log, lambda: False, reserve)
    assert reserve.stat().st_size == worker.RESERVE_BYTES
    plain = worker.Reporter._write

    def write(self: worker.Reporter, file: io.FileIO, text: str) -> None:
        if reserve.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(self, file, text)

    monkeypatch.setattr(worker.Reporter, "_write", write)
    with pytest.raises(OSError, match="No space left"):
        reporter.report(JobProgressed(job_id=JOB, done=1, total=2))
    reporter.report(JobResult(outcome="paused"), is_last=True)
    [line] = [json.loads(text) for text in log.read_text().splitlines()]
    assert (line["event"]["type"], line["event"]["outcome"]) == ("JOB_RESULT", "paused")
    assert not reserve.exists()


def test_a_line_torn_by_a_full_disk_does_not_spoil_the_next(tmp_path: Path) -> None:
    class FullDisk(io.FileIO):
        is_full = False

        def write(self, data: Any) -> int:
            if self.is_full and len(data) < 50:
                raise OSError(28, "No space left on device")
            return super().write(bytes(data)[:-30] if self.is_full else data)

    reporter = worker.Reporter(tmp_path / "events.jsonl", lambda: False)
    assert reporter._file is not None
    reporter._file.close()
    reporter._file = disk = FullDisk(tmp_path / "events.jsonl", "wb")
    event = JobProgressed(job_id=JOB, done=1, total=1)
    reporter.report(event)
    disk.is_full = True
    with pytest.raises(OSError, match="No space left"):
        reporter.report(event)
    disk.is_full = False
    reporter.report(event, is_last=True)
    first, torn, last = (tmp_path / "events.jsonl").read_text().splitlines()
    assert (json.loads(first)["seq"], json.loads(last)["seq"]) == (1, 2)
    with pytest.raises(ValueError, match=r".+"):
        json.loads(torn)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (MemoryError(), "OutOfMemory", "The computer ran out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "OutOfMemory", "The computer ran out"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), "OutOfMemory", "The GPU ran out of memory"),
        (RuntimeError("CUDA error: out of memory"), "OutOfMemory", "The GPU ran out of memory"),
        (JobFailure("No images."), "JobFailure", "No images."),
        (KeyError("a"), "KeyError", "'a'"),
        (ZeroDivisionError(), "ZeroDivisionError", "ZeroDivisionError"),
    ],
)
def test_errors_are_told_plainly(error: BaseException, kind: str, words: str) -> None:
    told = worker.describe_error(error)
    assert told.type == kind
    assert words in told.message


def test_the_handler_table_can_be_replaced_by_name() -> None:
    table = importlib.import_module("tests.core.jobs.fake_jobs").TABLE
    assert worker.load_handlers(HANDLERS[1]) is table
    assert worker.load_handlers(None) is worker.HANDLERS


def test_spinning_is_limited_unless_the_user_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    limit_spinning()
    assert os.environ["GOMP_SPINCOUNT"] == "5"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    limit_spinning()
    assert os.environ["GOMP_SPINCOUNT"] == "5000"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    limit_spinning()
    assert "GOMP_SPINCOUNT" not in os.environ


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_memory_stays_with_the_process() -> None:
    """Blocks of 20 MiB come from the heap, where the system gives each new one afresh by default."""
    program = (
        "import ctypes, sys\n"
        "from app.job_process import keep_freed_memory\n"
        "if sys.argv[1] == 'keep': keep_freed_memory()\n"
        "c = ctypes.CDLL(None)\n"
        "c.malloc.restype, c.malloc.argtypes, c.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]\n"
        "import resource\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "def touch():\n"
        "    block = c.malloc(20 * 2**20); ctypes.memset(block, 1, 20 * 2**20); c.free(block)\n"
        "c.mallopt(-3, 2**20) if sys.argv[1] != 'keep' else None\n"
        "touch(); before = faults()\n"
        "for _ in range(5): touch()\n"
        "print(faults() - before)\n"
    )
    counts = {}
    for mode in ("keep", "plain"):
        command = [sys.executable, "-c", program, mode]
        counts[mode] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert counts["keep"] < 100
    assert counts["plain"] > 1000
