"""The front door of a job process: `python -m app.worker request.json [--attached]`.

Reads one request, finds the handler of its kind, and reports into the job's directory. Nothing heavy is imported here:
an engine comes in with its handler. With --attached the process lives and dies with the server behind its stdin.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import importlib
import io
import json
import logging
import multiprocessing.process
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

import psutil
from pydantic import TypeAdapter, ValidationError

from app.schemas.common import utc_now, without_non_finite
from app.schemas.events import Event, JobResult
from app.schemas.experiments import ErrorInfo
from app.schemas.job_context import JobCancelled, JobContext, JobFailure
from app.schemas.jobs import JobCommand, JobRequest

logger = logging.getLogger("app.worker")

HANDLERS = {
    "import": "app.datasets.importer:run",
    "train": "app.training.run:run",
    "evaluate": "app.evaluation.run:run",
    "export": "app.export.run:run",
    "predict": "app.evaluation.predict:run",
}
COMMAND_STRENGTH: dict[JobCommand, int] = {"stop_keep": 1, "pause": 2, "cancel": 3}
EXIT_SERVER_GONE = 3
PARENT_POLL_S = 0.5
# A UNIX socket's path has at most 108 bytes and multiprocessing appends about 40 to its directory.
MAX_SOCKET_DIR_BYTES = 64
_JSON_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class Reporter:
    """The job's own event log: one line per event, in the kernel's hands before `report` returns.

    Without a path nothing is written: what the further ranks of a distributed training see, the first one reports.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("wb", buffering=0) if path is not None else None
        self._lock = threading.Lock()
        self._seq = 0
        self._has_torn_end = False

    def report(self, event: Event, is_last: bool = False) -> None:
        """Append an event; the last one is synced to the disk and closes the log. Raises OSError."""
        text = json.dumps(without_non_finite(event.model_dump(mode="json")), ensure_ascii=False, allow_nan=False)
        with self._lock:
            if self._file is None:
                return
            self._write(self._file, text)
            if is_last:
                os.fsync(self._file.fileno())
                self._file.close()
                self._file = None

    def _write(self, file: io.FileIO, text: str) -> None:
        line = f'{{"seq": {self._seq + 1}, "ts": "{utc_now()}", "event": {text}}}\n'
        view = memoryview(("\n" if self._has_torn_end else "").encode() + line.encode("utf-8"))
        self._has_torn_end = True  # until all of it is written
        while view:
            view = view[file.write(view) :]
        self._has_torn_end = False
        self._seq += 1


class Inbox:
    """What the server said so far."""

    def __init__(self) -> None:
        self._command: JobCommand | None = None
        self._messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def take(self, line: bytes) -> None:
        """Keep the strongest command, queue everything else; an unreadable line is logged."""
        try:
            message = json.loads(line)
        except ValueError:
            logger.warning("Ignored an unreadable message of %d bytes", len(line))
            return
        command = message.get("command") if isinstance(message, dict) else None
        if command in COMMAND_STRENGTH:
            if self._command is None or COMMAND_STRENGTH[command] > COMMAND_STRENGTH[self._command]:
                self._command = command
        elif isinstance(message, dict):
            self._messages.put(message)

    def command(self) -> JobCommand | None:
        """The strongest command so far."""
        return self._command

    def next_message(self, timeout_s: float) -> dict[str, Any] | None:
        """The next message, or None after the timeout."""
        try:
            return self._messages.get(timeout=max(timeout_s, 0.0))
        except queue.Empty:
            return None


class WorkerContext:
    """The JobContext of a real job process."""

    def __init__(self, request: JobRequest, reporter: Reporter, inbox: Inbox) -> None:
        self._request = request
        self._reporter = reporter
        self._inbox = inbox

    @property
    def request(self) -> JobRequest:
        """The request as it was read."""
        return self._request

    @property
    def output_dir(self) -> Path:
        """The directory that artefacts go to."""
        return Path(self._request.output_dir)

    def report(self, event: Event) -> None:
        """Append one event to the job's log."""
        self._reporter.report(event)

    def command(self) -> JobCommand | None:
        """The strongest command given so far."""
        return self._inbox.command()

    def next_message(self, timeout_s: float) -> dict[str, Any] | None:
        """The next message that is not a command, or None after the timeout."""
        return self._inbox.next_message(timeout_s)


def main(arguments: list[str] | None = None) -> int:
    """Run one job; returns 0 when it ended as asked for (completed, paused, cancelled), 1 when it failed."""
    options = parse_arguments(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    faulthandler.enable()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end_on_signal)
    is_follower = int(os.environ.get("LOCAL_RANK") or 0) > 0
    inbox = Inbox()
    if is_follower:
        _start_thread(_watch_parent, str(options.request))
    elif options.attached:
        _start_thread(_read_server, _take_over_stdin(), inbox)
    try:
        request = JobRequest.model_validate_json(options.request.read_bytes())
    except (OSError, ValidationError) as error:
        logger.error("The request %s cannot be read: %s", options.request, error)
        return 1
    job_dir = Path(request.job_dir)
    job_dir.mkdir(parents=True, exist_ok=True)
    Path(request.output_dir).mkdir(parents=True, exist_ok=True)
    temporary_dirs = use_temporary_dir(job_dir / "tmp")
    limit_spinning()
    reporter = Reporter(None if is_follower else job_dir / "events.jsonl")
    result = run_job(load_handlers(options.handlers), WorkerContext(request, reporter, inbox))
    reporter.report(result, is_last=True)
    logger.info("The job ended as %s%s", result.outcome, f": {result.error.message}" if result.error else "")
    if not is_follower:
        kill_descendants()
    for directory in temporary_dirs[is_follower:]:  # the first is shared by all ranks
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if result.outcome == "failed" else 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line: request, attached, handlers."""
    parser = argparse.ArgumentParser(prog="python -m app.worker", description="Run one job from its request.json.")
    parser.add_argument("request", type=Path, help="the request.json of the job")
    parser.add_argument("--attached", action="store_true", help="take commands on stdin and end when it is closed")
    parser.add_argument("--handlers", metavar="MODULE:TABLE", help="another table from kind to MODULE:FUNCTION")
    return parser.parse_args(arguments)


def load_handlers(name: str | None) -> dict[str, str]:
    """Return the table from kind to `module:function`, by default the application's own."""
    return HANDLERS if name is None else cast("dict[str, str]", _load(name))


def run_job(handlers: dict[str, str], context: JobContext) -> JobResult:
    """Call the handler and turn whatever comes of it into the explicit end of the job."""
    try:
        if context.request.kind not in handlers:
            msg = f"There is no job of kind {context.request.kind!r}; there are {', '.join(sorted(handlers))}."
            raise JobFailure(msg, "UnknownKind")
        handler = cast("Callable[[JobContext], dict[str, Any]]", _load(handlers[context.request.kind]))
        result = _JSON_OBJECT.dump_python(_JSON_OBJECT.validate_python(handler(context)), mode="json")
        paused = result.get("outcome") == "paused"
        return JobResult(outcome="paused" if paused else "completed", result=without_non_finite(result))
    except (JobCancelled, KeyboardInterrupt):
        return JobResult(outcome="cancelled")
    except BaseException as error:  # noqa: BLE001 - the job entry: whatever ended the job is what must be reported
        traceback.print_exc()
        return JobResult(outcome="failed", error=describe_error(error))


def describe_error(error: BaseException) -> ErrorInfo:
    """Return what the user is told: a plain sentence where the cause is known, else type, message and traceback."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, JobFailure):
        return ErrorInfo(type=error.kind, message=str(error))
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        message = "The computer ran out of memory. Use a smaller batch, smaller images or fewer workers."
        return ErrorInfo(type="OutOfMemory", message=message, traceback=traceback.format_exc())
    if "OutOfMemoryError" in names or "CUDA out of memory" in str(error):
        message = "The GPU ran out of memory. Use a smaller batch, smaller images or a smaller model."
        return ErrorInfo(type="OutOfMemory", message=message, traceback=traceback.format_exc())
    message = str(error) or type(error).__name__
    return ErrorInfo(type=type(error).__name__, message=message, traceback=traceback.format_exc())


def limit_spinning() -> None:
    """Let threads of OpenMP spin only briefly while they wait; read when a handler loads the library.

    Spinning long (the default) costs a busy machine three to seven times the time, not spinning at all an idle one up
    to 40 %; a short spin is within 10 % of the better in both cases. What the user set stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def use_temporary_dir(path: Path) -> list[Path]:
    """Send temporary files into the job's directory; return what is to be removed at the end."""
    path.mkdir(parents=True, exist_ok=True)
    created = [path]
    multiprocessing_config: dict[str, Any] = cast("Any", multiprocessing.process.current_process())._config
    if os.name != "nt" and len(os.fsencode(path)) > MAX_SOCKET_DIR_BYTES and "tempdir" not in multiprocessing_config:
        # Sockets between data loading processes would not fit; only they go to the system's short directory.
        short = tempfile.mkdtemp(prefix="pymp-")
        multiprocessing_config["tempdir"] = short
        created.append(Path(short))
        with contextlib.suppress(OSError):  # tells the server what to remove should this process be killed
            (path / "sockets").symlink_to(short)
    for name in ("TMPDIR", "TEMP", "TMP"):
        os.environ[name] = str(path)
    tempfile.tempdir = None
    return created


def kill_descendants() -> None:
    """Kill every process below this one."""
    try:
        descendants = psutil.Process().children(recursive=True)
    except psutil.Error:
        return
    for process in descendants:
        try:
            process.kill()
        except psutil.Error:
            continue


def _load(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _start_thread(target: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=target, args=arguments, daemon=True, name=target.__name__).start()


def _take_over_stdin() -> int:
    """Move the pipe away from descriptor 0, so that no library and no process started later reads from it."""
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return pipe


def _read_server(pipe: int, inbox: Inbox) -> None:
    """Read the server's lines; when it is gone, so is this process with everything below it."""
    rest = b""
    while True:
        try:
            chunk = os.read(pipe, 65536)
        except OSError:
            chunk = b""
        if not chunk:
            _end_at_once()
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            inbox.take(line)


def _watch_parent(request: str) -> None:
    """End when the first rank is gone: its stdin pipe is not ours to read.

    The parent was started with the same request; one that was not has adopted this process already.
    """
    try:
        parent = psutil.Process(os.getppid())
        is_first_rank = any(request in argument for argument in parent.cmdline())
    except psutil.Error:
        _end_at_once()
    while is_first_rank and os.getppid() == parent.pid and parent.is_running():
        time.sleep(PARENT_POLL_S)
    _end_at_once()


def _end_at_once() -> NoReturn:
    kill_descendants()
    if os.name != "nt" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # also what outlived its own parent
    os._exit(EXIT_SERVER_GONE)


def _end_on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the shape of a handler
    kill_descendants()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    sys.exit(main())
