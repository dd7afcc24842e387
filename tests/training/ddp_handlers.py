"""Handlers of a worker that trains the fake task on two CPU processes, the second of which gets into trouble."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from app.schemas.job_context import JobContext
from app.tasks.base import DataPart, MetricsPart, ModulePart, TaskContext
from app.training.arithmetic.hardware import Hardware
from app.training.inputs import TaskParts, read_payload
from app.training.reporting import read_local_rank
from app.training.run import train
from tests.ports import pick_port
from tests.training.fakes import SPEC, FakeTask, TinyNet

if TYPE_CHECKING:
    from app.tasks.base import Outputs

SECOND_BATCH = 2


class TroubledNet(TinyNet):
    """Learns one batch, and in the second process meets its trouble at the next one."""

    def __init__(self, trouble: str, num_classes: int) -> None:
        super().__init__(num_classes, 0.0)
        self.trouble = trouble if read_local_rank() == 1 else ""
        self.times_learned = 0

    def loss(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Outputs]:
        loss, outputs = super().loss(images, targets)
        self.times_learned += self.training
        if self.training and self.times_learned == SECOND_BATCH:
            if self.trouble == "raise":
                raise ValueError("The second process is unwell.")
            if self.trouble == "run out of memory":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
            if self.trouble == "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            if self.trouble == "lose the loss":
                return loss.detach() * float("nan") + 0.0 * loss, outputs
        return loss, outputs


class TroubledTask(FakeTask):
    """The fake task with a model in trouble."""

    def __init__(self, trouble: str) -> None:
        super().__init__()
        self.trouble = trouble

    def build_model(self, context: TaskContext, weights_dir: Path | None) -> nn.Module:
        return TroubledNet(self.trouble, len(context.classes))


def train_in_trouble(context: JobContext) -> dict[str, Any]:
    """Train with the trouble that the kind of the job names."""
    torch.set_num_threads(1)
    os.environ.setdefault("MASTER_PORT", str(pick_port()))
    task = TroubledTask(context.request.kind)
    parts = TaskParts(SPEC, cast("DataPart", task), cast("ModulePart", task), cast("MetricsPart", task))
    return train(context, read_payload(context), parts, Hardware("cpu", 2, ("cpu", "cpu"), "32-true", "ddp"))


TROUBLES = ("none", "raise", "run out of memory", "crash", "lose the loss")
TABLE = dict.fromkeys(TROUBLES, f"{__name__}:train_in_trouble")
