"""One child process: started, spoken to, measured and ended with its whole tree. Knows nothing of jobs' states."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from app.core.jobs.child_log import ChildLog
from app.core.jobs.process_tree import cpu_seconds, kill_tree, list_descendants, terminate_tree
from app.core.jobs.temporary import remove_temporary_files

logger = logging.getLogger(__name__)
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


class ChildProcess:
    """`python -m app.worker <job_dir>/request.json --attached` in a process group of its own."""

    def __init__(self, job_dir: Path, worker_arguments: Sequence[str] = ()) -> None:
        self._job_dir = job_dir
        self._arguments = list(worker_arguments)
        self._popen: subprocess.Popen[bytes] | None = None
        self._process: psutil.Process | None = None
        self._log: ChildLog | None = None
        self._descendants: dict[int, psutil.Process] = {}
        self._outbox = bytearray()
        self._outbox_lock = threading.Lock()
        self.created: float | None = None

    @property
    def pid(self) -> int | None:
        """The process id, None before the start."""
        return self._popen.pid if self._popen else None

    def start(self) -> None:
        """Start the process; raises OSError."""
        command = [sys.executable, "-m", "app.worker", str(self._job_dir / "request.json"), "--attached"]
        reader, writer = os.pipe()
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command + self._arguments,
                stdin=subprocess.PIPE,
                stdout=writer,
                stderr=writer,
                cwd=self._job_dir,
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
        self._log = ChildLog(reader, self._job_dir / "job.log")
        self._log.start()
        with contextlib.suppress(psutil.Error):
            self._process = psutil.Process(self._popen.pid)
            self.created = self._process.create_time()
        if os.name != "nt" and self._popen.stdin is not None:
            os.set_blocking(self._popen.stdin.fileno(), False)
        self.flush()

    def send(self, message: dict[str, Any]) -> None:
        """Queue a line for the child and write what its pipe takes; never waits for a child that does not read."""
        with self._outbox_lock:
            self._outbox += json.dumps(message).encode("utf-8") + b"\n"
        self.flush()

    def flush(self) -> None:
        """Write what is queued for the child as far as its pipe takes it."""
        with self._outbox_lock:
            if self._popen is None or self._popen.stdin is None or not self._outbox:
                return
            try:
                written = os.write(self._popen.stdin.fileno(), self._outbox)
            except BlockingIOError:
                return
            except (OSError, ValueError):  # it is gone
                self._outbox.clear()
                return
            del self._outbox[:written]

    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._popen.poll() if self._popen else None

    def sample_cpu_s(self) -> float:
        """Processor time of the tree so far; also remembers who belongs to the tree."""
        if self._process is None:
            return 0.0
        for each in list_descendants(self._process):
            self._descendants.setdefault(each.pid, each)
        return cpu_seconds([self._process, *self._descendants.values()])

    def terminate(self) -> None:
        """Ask the whole tree to end."""
        if self._process is not None:
            terminate_tree(self._process, list(self._descendants.values()))

    def kill(self) -> None:
        """Kill what is left of the tree, whether the child itself still runs or not."""
        if self._process is not None:
            kill_tree(self._process, list(self._descendants.values()))

    def last_lines(self, count: int) -> str:
        """The last lines that the child printed."""
        return self._log.last_lines(count) if self._log else ""

    def close(self) -> None:
        """Kill the tree, wait for the end of its output and remove its temporary files."""
        self.kill()
        if self._popen is not None:
            with self._outbox_lock, contextlib.suppress(OSError):
                if self._popen.stdin is not None:
                    self._popen.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(LOG_JOIN_S)
        if self._log is not None:
            self._log.join(LOG_JOIN_S)
        remove_temporary_files(self._job_dir)
