"""One child process: started, spoken to, measured and ended with its whole tree. Knows nothing of jobs' states."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from app.core.jobs.child_log import ChildLog
from app.core.jobs.process_tree import cpu_seconds, kill_tree, list_descendants, terminate_tree
from app.core.jobs.temporary import remove_temporary_files
from app.first_failure import forget_first_failure

LOG_JOIN_S = 2.0
# The server may itself be a rank of something, and a child has no business with its secret.
_NOT_INHERITED = frozenset(
    {"AI_STUDIO_TOKEN", "LOCAL_RANK", "RANK", "WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT"}
)


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child: output unbuffered, this application importable from any directory."""
    result = {key: value for key, value in environment.items() if key not in _NOT_INHERITED}
    root = str(Path(__file__).resolve().parents[3])
    inherited = result.get("PYTHONPATH")
    result["PYTHONPATH"] = f"{root}{os.pathsep}{inherited}" if inherited else root
    result["PYTHONUNBUFFERED"] = "1"
    return result


@dataclass(frozen=True)
class WorkerProcess:
    """A worker that was started. `created`: unix seconds, None when it was gone before anybody looked."""

    popen: subprocess.Popen[bytes]
    log: ChildLog
    process: psutil.Process | None
    created: float | None


def spawn_worker(
    arguments: Sequence[str], directory: Path, log_path: Path | None, on_end: Callable[[], None] = lambda: None
) -> WorkerProcess:
    """Start `python -m app.worker` in a process group of its own; raises OSError.

    `on_end` is called from another thread when the worker is gone. Without a log file its output is held in memory.
    """
    reader, writer = os.pipe()
    try:
        popen = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "app.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=writer,
            stderr=writer,
            cwd=directory,
            env=child_environment(os.environ),
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            bufsize=0,
        )
    except OSError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    log = ChildLog(reader, log_path, on_end=on_end)
    log.start()
    process, created = None, None
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(popen.pid)
        created = process.create_time()
    if os.name != "nt" and popen.stdin is not None:
        os.set_blocking(popen.stdin.fileno(), False)
    return WorkerProcess(popen, log, process, created)


class ChildProcess:
    """`python -m app.worker <job_dir>/request.json --attached`, or a spare that was given this request."""

    def __init__(
        self,
        job_dir: Path,
        worker_arguments: Sequence[str] = (),
        take_spare: Callable[[], WorkerProcess | None] = lambda: None,
    ) -> None:
        self._job_dir = job_dir
        self._arguments = list(worker_arguments)
        self._take_spare = take_spare
        self._worker: WorkerProcess | None = None
        self._is_adopted = False
        self._descendants: dict[int, psutil.Process] = {}
        self._outbox = bytearray()
        self._outbox_lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The process id, None before the start."""
        return self._worker.popen.pid if self._worker else None

    @property
    def created(self) -> float | None:
        """When the process began, unix seconds."""
        return self._worker.created if self._worker else None

    def start(self) -> None:
        """Give the job to a spare, or start a process for it; raises OSError."""
        with contextlib.suppress(FileNotFoundError, PermissionError):
            # Left by a child of a server that was killed before it could note the start; the child may still end.
            forget_first_failure(self._job_dir)
            self._events_path.unlink()
        spare = self._take_spare()
        if spare is None:
            self._worker = self._spawn()
        else:
            self._is_adopted = True
            spare.log.attach(self._job_dir / "job.log")
            with self._outbox_lock:
                self._outbox[:0] = _encode({"request": str(self._request_path)})
                self._worker = spare
        self.flush()

    def start_again(self) -> bool:
        """Start a process of its own for a job whose spare ended before it began the job; return whether it was so.

        Raises OSError.
        """
        spare = self._worker
        if spare is None or not self._is_adopted or self._events_path.exists():
            return False
        self._is_adopted = False
        with self._outbox_lock:
            _close_stdin(spare)
        end_worker(spare, [])
        self._worker = self._spawn()
        return True

    def _spawn(self) -> WorkerProcess:
        arguments = [str(self._request_path), "--attached", *self._arguments]
        return spawn_worker(arguments, self._job_dir, self._job_dir / "job.log")

    @property
    def _events_path(self) -> Path:
        return self._job_dir / "events.jsonl"

    @property
    def _request_path(self) -> Path:
        return self._job_dir / "request.json"

    def send(self, message: dict[str, Any]) -> None:
        """Queue a line for the child and write what its pipe takes; never waits for a child that does not read."""
        with self._outbox_lock:
            self._outbox += _encode(message)
        self.flush()

    def flush(self) -> None:
        """Write what is queued for the child as far as its pipe takes it."""
        with self._outbox_lock:
            if self._worker is None or self._worker.popen.stdin is None or not self._outbox:
                return
            try:
                written = os.write(self._worker.popen.stdin.fileno(), self._outbox)
            except BlockingIOError:
                return
            except (OSError, ValueError):  # it is gone
                self._outbox.clear()
                return
            del self._outbox[:written]

    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._worker.popen.poll() if self._worker else None

    def sample_cpu_s(self) -> float:
        """Processor time of the tree so far; also remembers who belongs to the tree."""
        if self._worker is None or self._worker.process is None:
            return 0.0
        for each in list_descendants(self._worker.process):
            self._descendants.setdefault(each.pid, each)
        return cpu_seconds([self._worker.process, *self._descendants.values()])

    def terminate(self) -> None:
        """Ask the whole tree to end."""
        if self._worker is not None and self._worker.process is not None:
            terminate_tree(self._worker.process, list(self._descendants.values()))

    def kill(self) -> None:
        """Kill what is left of the tree, whether the child itself still runs or not."""
        if self._worker is not None and self._worker.process is not None:
            kill_tree(self._worker.process, list(self._descendants.values()))

    def last_lines(self, count: int) -> str:
        """The last lines that the child printed."""
        return self._worker.log.last_lines(count) if self._worker else ""

    def close(self) -> None:
        """Kill the tree, wait for the end of its output and remove its temporary files."""
        if self._worker is not None:
            with self._outbox_lock:
                _close_stdin(self._worker)
            end_worker(self._worker, list(self._descendants.values()))
        remove_temporary_files(self._job_dir)


def end_worker(worker: WorkerProcess, descendants: list[psutil.Process]) -> None:
    """Kill a worker with everything below it, and wait for the end of its output."""
    if worker.process is not None:
        kill_tree(worker.process, descendants)
    _close_stdin(worker)
    with contextlib.suppress(subprocess.TimeoutExpired):
        worker.popen.wait(LOG_JOIN_S)
    worker.log.join(LOG_JOIN_S)


def _close_stdin(worker: WorkerProcess) -> None:
    if worker.popen.stdin is not None:
        with contextlib.suppress(OSError):
            worker.popen.stdin.close()


def _encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode("utf-8") + b"\n"
