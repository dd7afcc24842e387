"""The processes that train one run together: what they must agree on, and what became of the others.

They meet once after each batch, on the CPU. What one of them finds there is known to all, so that none goes on alone.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import torch
import torch.distributed
from lightning.pytorch import Callback, LightningModule, Trainer

from app.first_failure import note_first_failure
from app.kernel_memory import watch_oom_kills
from app.schemas.experiments import ErrorInfo
from app.schemas.jobs import JobCommand
from app.training.recovery import RunBroken

POLL_S = 0.2
# After an error of the first process: how long another one may take to be gone, whose end was the cause.
LOST_WAIT_S = 2.0
_COMMANDS: tuple[JobCommand | None, ...] = (None, "stop_keep", "pause", "cancel")


class Meeting:
    """Where the processes of a run agree; a run of one process agrees with itself."""

    def __init__(self) -> None:
        self._broken: RunBroken | None = None
        self._group: Any = None

    @contextmanager
    def keep_break(self) -> Iterator[None]:
        """Keep what breaks inside until the processes meet, where all of them learn it; alone it is raised at once."""
        try:
            yield
        except RunBroken as broken:
            if not are_connected():
                raise
            self._broken = self._broken or broken

    def agree(self, command: JobCommand | None, broken_elsewhere: RunBroken) -> JobCommand | None:
        """Return the strongest command that any has; raises RunBroken in all when the run broke in any of them."""
        if not are_connected():
            return command
        if self._group is None:
            # A group on the CPU, so that meeting after each batch does not wait for the GPUs.
            self._group = torch.distributed.new_group(backend="gloo")
        said = torch.tensor([_COMMANDS.index(command), int(self._broken is not None)])
        torch.distributed.all_reduce(said, torch.distributed.ReduceOp.MAX, group=self._group)
        if said[1]:
            raise self._broken or broken_elsewhere
        return _COMMANDS[int(said[0])]


def are_connected() -> bool:
    """Whether several processes train together."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


class RankWatcher(Callback):
    """In the first process, leaves the reason when another one dies without a word; Lightning then kills the first."""

    def __init__(self, job_dir: Path) -> None:
        self._job_dir = job_dir
        self._processes: Sequence[Popen[Any]] = ()
        self._has_oom_kill = watch_oom_kills()
        self._ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, name="ranks", daemon=True)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to watch the processes that Lightning has started from here, if any."""
        self._processes = getattr(trainer.strategy.launcher, "procs", ())
        if self._processes:
            self.thread.start()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Find out whether this error only follows from the end of another process."""
        self._ended.set()
        if isinstance(exception, RuntimeError) and self._processes:
            deadline = time.monotonic() + LOST_WAIT_S
            while not self._note_lost() and time.monotonic() < deadline:
                time.sleep(POLL_S / 4)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """The others end, too."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(POLL_S):
            if self._note_lost():
                return

    def _note_lost(self) -> bool:
        for rank, process in enumerate(self._processes, start=1):
            if code := process.poll():
                note_first_failure(
                    self._job_dir, describe_lost(rank, len(self._processes) + 1, code, self._has_oom_kill())
                )
                return True
        return False


def describe_lost(rank: int, count: int, exit_code: int, is_oom_kill: bool) -> ErrorInfo:
    """Return what to say of a process that ended by itself; one that could speak has left its own reason.

    `is_oom_kill`: the kernel has killed a process for memory while the run went on.
    """
    who = f"Process {rank + 1} of {count} of the run"
    if exit_code > 0:
        return ErrorInfo(type="ProcessExit", message=f"{who} ended with exit code {exit_code}.")
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    if name == "SIGKILL":
        if is_oom_kill:
            message = f"{who} was killed (SIGKILL) by the kernel, because the computer ran out of memory."
            return ErrorInfo(type="OutOfMemory", message=message)
        message = f"{who} was killed from outside (SIGKILL); the kernel counts no kill for lack of memory."
        return ErrorInfo(type="Killed", message=message)
    return ErrorInfo(type="Crash", message=f"{who} was ended by {name}.")
