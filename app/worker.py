"""The entry point of a job process: `python -m app.worker request.json [--attached]`, or `--spare --attached`.

Reads one request, finds the handler of its kind, and reports into the job's directory. Nothing heavy is imported here:
an engine comes in with its handler. With --attached the process lives and dies with the server behind its stdin. A
spare loads the engines first, waits for the line `{"request": path}`, and from there on is what the path would start.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import importlib
import io
import json
import logging
import os
import queue
import re
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from app.durable import FULL_DISK
from app.first_failure import note_first_failure, read_first_failure
from app.importing import quiet_imports
from app.job_process import (
    end_at_once,
    end_on_signal,
    forget_temporary_dir,
    is_closed_at_the_other_end,
    keep_freed_memory,
    kill_descendants,
    limit_spinning,
    start_thread,
    take_over_stdin,
    use_temporary_dir,
    watch_parent,
)
from app.schemas.common import utc_now, without_non_finite
from app.schemas.events import Event, JobResult
from app.schemas.experiments import ErrorInfo
from app.schemas.job_context import JobCancelled, JobContext, JobFailure
from app.schemas.jobs import SPARE_READY, JobCommand, JobRequest

logger = logging.getLogger("app.worker")

HANDLERS = {
    "import": "app.datasets.importing.importer:run",
    "check": "app.datasets.importing.checking:run",
    "train": "app.training.run:run",
    "evaluate": "app.evaluation.run:run",
    "export": "app.export.run:run",
    "predict": "app.evaluation.predict:run",
    "augment": "app.datasets.augmenting.preview:run",
    "probe": "app.training.forecast_probe:run",
}
WARM_UP = "app.warm_up:load_engines"
SPARE_POLL_S = 3600.0
RESERVE_BYTES = 2**18
COMMAND_STRENGTH: dict[JobCommand, int] = {"stop_keep": 1, "pause": 2, "cancel": 3}
_JSON_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class Reporter:
    """The job's own event log: one line per event, in the kernel's hands before `report` returns.

    Without a path nothing is written: what the further ranks of a distributed training see, the first one reports.
    `reserve` is a file that reserves disk space and is deleted before the last event, so that a job which met a full
    disk can still report how it ended.
    """

    def __init__(self, path: Path | None, has_lost_server: Callable[[], bool], reserve: Path | None = None) -> None:
        """Open the log and empty it; the process of a server that is gone ends here instead.

        The order matters. The next server removes this log before it starts another child for the job. So either the
        file was opened before that and is the job's log no more, or the former server was gone already and nothing is
        emptied.
        """
        self._file = path.open("ab", buffering=0) if path is not None else None
        if has_lost_server():
            end_at_once()
        if self._file is not None:
            self._file.truncate(0)
        self._lock = threading.Lock()
        self._seq = 0
        self._has_torn_end = False
        self._reserve = reserve
        if reserve is not None:
            with contextlib.suppress(OSError):  # without room there is nothing to keep
                reserve.write_bytes(bytes(RESERVE_BYTES))

    def report(self, event: Event, is_last: bool = False) -> None:
        """Append an event; the last one is synced to the disk and closes the log. Raises OSError."""
        text = json.dumps(without_non_finite(event.model_dump(mode="json")), ensure_ascii=False, allow_nan=False)
        if not event.is_sign_of_life:
            # The thread that reports it does nothing but watch, and its processor time is no work.
            text = f'{text}, "watch_s": {time.thread_time():.4f}'
        with self._lock:
            if self._file is None:
                return
            if is_last and self._reserve is not None:
                self._reserve.unlink(missing_ok=True)
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
    """The commands and messages that the server has sent."""

    def __init__(self, pipe: int | None = None) -> None:
        """`pipe` is what the server writes to, None without a server; it is read elsewhere."""
        self._pipe = pipe
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

    def has_lost_server(self) -> bool:
        """Whether there was a server and it is gone."""
        return self._pipe is not None and is_closed_at_the_other_end(self._pipe)

    def command(self) -> JobCommand | None:
        """The strongest command so far."""
        return self._command

    def has_message(self) -> bool:
        """Whether a message waits."""
        return not self._messages.empty()

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
        signal.signal(signal.SIGTERM, end_on_signal)
        if options.attached:  # a server cancels by its pipe; whatever sends this instead is the reason of the end
            signal.signal(signal.SIGINT, end_on_signal)
    is_follower = int(os.environ.get("LOCAL_RANK") or 0) > 0
    pipe = take_over_stdin() if options.attached and not is_follower else None
    inbox = Inbox(pipe)
    if is_follower:
        start_thread(watch_parent, str(options.request))
    elif pipe is not None:
        start_thread(_read_server, pipe, inbox)
    limit_spinning()
    keep_freed_memory()
    path = wait_as_spare(options, inbox) if options.spare else options.request
    try:
        request = read_request(path)
    except (OSError, ValueError) as error:  # pydantic's errors and those of UTF-8 are ValueErrors
        logger.error("The request %s cannot be read: %s", path, error)
        return 1
    return run_request(request, load_handlers(options.handlers), inbox, is_follower)


def read_request(path: Path) -> JobRequest:
    """Return the request of a job; raises OSError, ValueError for what is none or what a later version wrote."""
    data = path.read_bytes()
    content = json.loads(data)
    version = content.get("version") if isinstance(content, dict) else None
    newest = JobRequest.model_fields["version"].default
    if type(version) is int and version > newest:
        msg = f"It has version {version} and needs a later AI Studio; this one reads versions up to {newest}."
        raise ValueError(msg)
    return JobRequest.model_validate_json(data)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line: request or spare, attached, handlers, warm-up."""
    parser = argparse.ArgumentParser(prog="python -m app.worker", description="Run one job from its request.json.")
    parser.add_argument("request", type=Path, nargs="?", help="the request.json of the job")
    parser.add_argument("--spare", action="store_true", help="load the engines and wait for the request on stdin")
    parser.add_argument("--attached", action="store_true", help="take commands on stdin and end when it is closed")
    parser.add_argument("--handlers", metavar="MODULE:TABLE", help="another table from kind to MODULE:FUNCTION")
    parser.add_argument("--warm-up", metavar="MODULE:FUNCTION", default=WARM_UP, help="what a spare does first")
    options = parser.parse_args(arguments)
    if (options.request is None) != options.spare:
        parser.error("give either a request.json or --spare")
    if options.spare and not options.attached:
        parser.error("--spare needs --attached")
    return options


def wait_as_spare(options: argparse.Namespace, inbox: Inbox) -> Path:
    """Warm up and return the path of the request once it comes; the process then stands where that path starts one."""
    warm_up = cast("Callable[[dict[str, str]], Iterator[None]]", _load(options.warm_up))
    try:
        with forget_temporary_dir(), quiet_imports():
            for _ in warm_up(load_handlers(options.handlers)):
                if inbox.has_message():
                    break
    except Exception:  # the job entry: the job that comes will meet the same error and report it
        logger.exception("The spare is not warm")
    if not inbox.has_message():
        os.write(1, SPARE_READY)
    while (message := inbox.next_message(SPARE_POLL_S)) is None:
        continue
    path = Path(message["request"])
    os.chdir(path.parent)
    # Lightning starts further ranks with these arguments.
    sys.argv = [str(path) if argument == "--spare" else argument for argument in sys.argv]
    return path


def run_request(request: JobRequest, handlers: dict[str, str], inbox: Inbox, is_follower: bool) -> int:
    """Run the job in its directory and report its end; returns the exit code."""
    job_dir = Path(request.job_dir)
    job_dir.mkdir(parents=True, exist_ok=True)
    Path(request.output_dir).mkdir(parents=True, exist_ok=True)
    temporary_dirs = use_temporary_dir(job_dir / "tmp")
    reserve = None if is_follower else temporary_dirs[0] / "reserve"
    reporter = Reporter(None if is_follower else job_dir / "events.jsonl", inbox.has_lost_server, reserve)
    result = run_job(handlers, WorkerContext(request, reporter, inbox))
    if result.outcome == "failed" and result.error is not None:
        if is_follower:
            note_first_failure(job_dir, result.error)
        # What failed here may only follow from what another rank left.
        result = result.model_copy(update={"error": read_first_failure(job_dir) or result.error})
    reporter.report(result, is_last=True)
    logger.info("The job ended as %s%s", result.outcome, f": {result.error.message}" if result.error else "")
    if not is_follower:
        kill_descendants()
    for directory in temporary_dirs[is_follower:]:  # the first is shared by all ranks
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if result.outcome == "failed" else 0


def load_handlers(name: str | None) -> dict[str, str]:
    """Return the table from kind to `module:function`, by default the application's own."""
    return HANDLERS if name is None else cast("dict[str, str]", _load(name))


def run_job(handlers: dict[str, str], context: JobContext) -> JobResult:
    """Call the handler, and report its result or its failure as the end of the job."""
    try:
        if context.request.kind not in handlers:
            msg = f"There is no job of kind {context.request.kind!r}; there are {', '.join(sorted(handlers))}."
            raise JobFailure(msg, "UnknownKind")
        handler = cast("Callable[[JobContext], dict[str, Any]]", _load(handlers[context.request.kind]))
        result = _JSON_OBJECT.dump_python(_JSON_OBJECT.validate_python(handler(context)), mode="json")
        if result.get("outcome") != "paused":
            return JobResult(outcome="completed", result=without_non_finite(result))
        # A pause that nobody asked for says why.
        error = ErrorInfo.model_validate(result.pop("error")) if "error" in result else None
        return JobResult(outcome="paused", result=without_non_finite(result), error=error)
    except (JobCancelled, KeyboardInterrupt):
        return JobResult(outcome="cancelled")
    except BaseException as error:  # noqa: BLE001 - the job entry: whatever ended the job is what must be reported
        traceback.print_exc()
        return JobResult(outcome="failed", error=describe_error(error))


def describe_error(error: BaseException) -> ErrorInfo:
    """Return the error for the user: a plain sentence where the cause is known, else type, message and traceback."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, JobFailure):
        return ErrorInfo(type=error.kind, message=str(error))
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        message = "The computer ran out of memory. Use a smaller batch, smaller images or fewer workers."
        return ErrorInfo(type="OutOfMemory", message=message, traceback=traceback.format_exc())
    if "OutOfMemoryError" in names or re.search("CUDA ((driver )?error: )?out of memory", str(error)):
        message = "The GPU ran out of memory. Use a smaller batch, smaller images or a smaller model."
        return ErrorInfo(type="OutOfMemory", message=message, traceback=traceback.format_exc())
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        message = "The disk is full. Free up disk space and try again."
        return ErrorInfo(type="DiskFull", message=message, traceback=traceback.format_exc())
    if isinstance(error, SystemExit):
        message = f"A library ended the job's process with exit code {error.code}."
        return ErrorInfo(type="ProcessExit", message=message, traceback=traceback.format_exc())
    message = str(error) or type(error).__name__
    return ErrorInfo(type=type(error).__name__, message=message, traceback=traceback.format_exc())


def _load(name: str) -> Any:
    module, _, attribute = name.partition(":")
    with contextlib.nullcontext() if module in sys.modules else quiet_imports():
        return getattr(importlib.import_module(module), attribute)


def _read_server(pipe: int, inbox: Inbox) -> None:
    """Read the server's lines; when the server is gone, end this process and its children."""
    rest = b""
    while True:
        try:
            chunk = os.read(pipe, 65536)
        except OSError:
            chunk = b""
        if not chunk:
            end_at_once()
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            inbox.take(line)


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All is reported and closed. Taking the libraries apart in order would keep the device occupied for seconds.
    os._exit(exit_code)
