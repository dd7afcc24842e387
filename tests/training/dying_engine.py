"""The fake task as an engine of a real job process that kills itself, as the system would, at a point that is told.

`DIE_AT` is "command N": when it is asked for a command the n-th time; or "save N": half-way through writing the
checkpoint after batch N of the second epoch. Checkpoints are written after every batch.
"""

from __future__ import annotations

import io
import os
import signal
from typing import Any

import torch

from app.schemas.events import Event
from app.schemas.job_context import JobContext
from app.schemas.jobs import JobCommand, JobRequest
from app.schemas.payloads import TrainPayload
from app.training.callbacks import steps
from app.training.run import train
from tests.training.fakes import build_parts

TABLE = {"train": "tests.training.dying_engine:run"}


class DyingContext:
    """A job's context that is asked for a command so many times and no more."""

    def __init__(self, context: JobContext, last: int | None) -> None:
        self._context, self._last, self._asked = context, last, 0
        self.output_dir = context.output_dir

    @property
    def request(self) -> JobRequest:
        return self._context.request

    def report(self, event: Event) -> None:
        self._context.report(event)

    def command(self) -> JobCommand | None:
        self._asked += 1
        if self._asked == self._last:
            die()
        return self._context.command()

    def next_message(self, timeout_s: float) -> dict[str, Any] | None:
        return self._context.next_message(timeout_s)


def die() -> None:
    """End as a process that runs out of memory: at once, without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def run(context: JobContext) -> dict[str, Any]:
    """Train until it is time to die."""
    torch.set_num_threads(1)
    point, number = os.environ["DIE_AT"].split()
    steps.CHECKPOINT_INTERVAL_S = 0.0
    if point == "save":
        die_in_save(int(number))
    dying = DyingContext(context, int(number) if point == "command" else None)
    return train(dying, TrainPayload.model_validate(context.request.payload), build_parts())


def die_in_save(batch: int) -> None:
    """Die when half of a checkpoint is written."""
    plain = torch.save

    def save(content: Any, file: Any) -> None:
        state = content["resume"]["state"]
        if (state["epoch"], state["batch"]) != (2, batch):
            plain(content, file)
            return
        whole = io.BytesIO()
        plain(content, whole)
        file.write(whole.getvalue()[: whole.tell() // 2])
        file.flush()
        die()

    torch.save = save  # type: ignore[assignment]
