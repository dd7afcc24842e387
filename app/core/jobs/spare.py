"""The warm spare: one worker at most that has loaded the engines before anybody needs them. Knows nothing of jobs.

A spare costs a processor some seconds while it warms up and memory for as long as it waits. It is therefore made once
somebody looks at what can start a job, and ended when nobody has for a while; and only when no job has run for a
moment, or the processors have little to do, and when there is memory to spare.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from app.core.jobs.process import WorkerProcess, end_worker, spawn_worker
from app.schemas.jobs import SPARE_READY
from app.schemas.system import SpareHealth

logger = logging.getLogger(__name__)
MIB = 2**20
# After the start of the server, and after the last job.
CALM_S = 2.0
RETRY_S = 60.0
MIN_AVAILABLE_MB = 2048
LOAD_CHECK_S = 30.0
LOAD_SAMPLE_S = 1.0
MAX_LOAD_PCT = 50.0
LOG_LINES = 5
END_WAIT_S = 1.0
IDLE_LOOK_S = 0.05  # how soon at most it is looked again whether anybody wants one
NOT_WANTED = "It is started when a page is open that can start a job."
OFF = "Turned off by AI_STUDIO_WARM_SPARE."
OTHER_ENGINES = "It is not available with replaced engines."


class WarmSpare:
    """Keeps a spare ready and hands it over. Thread-safe."""

    def __init__(
        self, directory: Path, is_wanted: bool, worker_arguments: Sequence[str] = (), idle_s: float = 900.0
    ) -> None:
        """`directory` is where it waits; with `--handlers` the arguments need a `--warm-up` that goes with them.

        It is ended when nothing has called `want`, and no job has run, for `idle_s` seconds.
        """
        self._directory = directory
        self._idle_s = idle_s
        self._is_wanted = False
        self._wanted_at = 0.0
        self._arguments = list(worker_arguments)
        self._reason = "" if is_wanted else OFF
        if is_wanted and "--handlers" in self._arguments and "--warm-up" not in self._arguments:
            self._reason = OTHER_ENGINES
        self._is_off = bool(self._reason)
        self._changed = threading.Condition()  # guards everything below
        self._worker: WorkerProcess | None = None
        self._number = 0
        self._is_busy = False
        self._is_closed = False
        self._due_at = 0.0
        self._thread = threading.Thread(target=self._keep, name="warm spare", daemon=True)

    def start(self) -> None:
        """Begin to keep a spare; the first one is made when it is wanted."""
        if not self._is_off:
            self._reason = NOT_WANTED
            self._thread.start()

    def want(self) -> None:
        """Say that a job may come soon; cheap, so that every request can say it."""
        self._wanted_at = time.monotonic()
        if self._is_wanted or self._is_off:
            return
        with self._changed:
            self._is_wanted = True
            self._due_at = max(self._due_at, time.monotonic() + (LOAD_CHECK_S if self._is_busy else 0.0))
            self._changed.notify_all()

    def stop(self) -> None:
        """End the spare, and make no other."""
        with self._changed:
            self._is_closed = True
            worker, self._worker = self._worker, None
            self._changed.notify_all()
        if worker is not None:
            end_worker(worker, [])

    def set_busy(self, is_busy: bool) -> None:
        """Say whether jobs run. While they do, a spare is made only when the processors have little to do."""
        with self._changed:
            if self._is_busy != is_busy:
                self.want()
                self._is_busy = is_busy
                self._due_at = time.monotonic() + (LOAD_CHECK_S if is_busy else CALM_S)
                self._changed.notify_all()

    def take(self) -> WorkerProcess | None:
        """Return the spare, which from now on is the caller's, or None. One that still warms up has a head start."""
        with self._changed:
            worker = self._worker
            if worker is None or worker.popen.poll() is not None:
                return None
            self._worker = None
            self._due_at = time.monotonic() + (LOAD_CHECK_S if self._is_busy else CALM_S)
            self._changed.notify_all()
            return worker

    def describe(self) -> SpareHealth:
        """Return what there is, and its resident memory in MiB."""
        with self._changed:
            worker, reason = self._worker, self._reason
        if worker is None or worker.process is None:
            return SpareHealth(state="off" if self._is_off else "none", reason=reason)
        try:
            memory_mb = round(worker.process.memory_info().rss / MIB, 1)
        except psutil.Error:
            return SpareHealth(state="none")
        is_ready = worker.log.has_printed(SPARE_READY)
        return SpareHealth(state="ready" if is_ready else "warming", pid=worker.popen.pid, memory_mb=memory_mb)

    def _keep(self) -> None:
        while self._wait_until_due():
            obstacle = self._find_obstacle()
            with self._changed:
                self._reason = obstacle
                if obstacle:
                    self._due_at = time.monotonic() + (LOAD_CHECK_S if self._is_busy else RETRY_S)
                elif not self._is_closed:
                    self._make()

    def _wait_until_due(self) -> bool:
        """Return when a spare is to be made, False when no more are."""
        with self._changed:
            while not self._is_closed:
                wait_s = self._step()
                if wait_s is not None and wait_s <= 0:
                    return True
                self._changed.wait(wait_s)
            return False

    def _step(self) -> float | None:
        """End one that nobody wants any more; return how long to wait, 0 to make one now, None until somebody calls."""
        if not self._is_wanted:
            return None
        now = time.monotonic()
        idle_in_s = self._wanted_at + self._idle_s - now
        if idle_in_s <= 0 and not self._is_busy:
            self._is_wanted = False
            self._reason = NOT_WANTED
            worker, self._worker = self._worker, None
            if worker is not None:
                logger.info("Nobody has wanted the warm spare for %.0f s; it is ended", self._idle_s)
                end_worker(worker, [])
            return None
        if self._worker is None:
            return max(0.0, self._due_at - now)
        return max(idle_in_s, IDLE_LOOK_S)

    def _find_obstacle(self) -> str:
        available_mb = psutil.virtual_memory().available // MIB
        if available_mb < MIN_AVAILABLE_MB:
            return f"{available_mb} MiB of memory are available, less than {MIN_AVAILABLE_MB}."
        if self._is_busy and psutil.cpu_percent(LOAD_SAMPLE_S) > MAX_LOAD_PCT:
            return "Jobs keep the processors busy."
        return ""

    def _make(self) -> None:
        """Start one, while the lock is held; after a failure the next try is RETRY_S later."""
        self._number += 1
        number = self._number
        arguments = ["--spare", "--attached", *self._arguments]
        try:
            self._worker = spawn_worker(arguments, self._directory, None, lambda: self._see_end(number))
        except OSError as error:
            self._give_up(f"It could not be started: {error}")

    def _see_end(self, number: int) -> None:
        """Note that the spare of this number has ended; one that was handed over or stopped is no concern any more."""
        with self._changed:
            worker = self._worker
            if worker is None or number != self._number:
                return
            self._worker = None
            if worker.popen.stdin is not None:
                worker.popen.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.popen.wait(END_WAIT_S)
            self._give_up(f"It ended with code {worker.popen.returncode}. {worker.log.last_lines(LOG_LINES)}".strip())

    def _give_up(self, reason: str) -> None:
        logger.warning("There is no warm spare. %s", reason)
        self._reason = reason
        self._due_at = time.monotonic() + RETRY_S
        self._changed.notify_all()
