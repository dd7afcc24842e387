"""How often the loss is read: it makes the host wait for a GPU, and costs nothing on the CPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from app.throttle import Throttle
from app.training.batch import Batch
from app.training.callbacks import steps
from app.training.callbacks.steps import StepFollower
from app.training.lightning_module import TrainingModule
from tests.training.fakes import Workplace, run_fake

NUM_BATCHES = 6


@pytest.mark.parametrize(
    ("device", "interval_s", "expected"),
    [("cpu", 3600.0, NUM_BATCHES), ("cuda", 3600.0, 1), ("cuda", 0.0, NUM_BATCHES)],
)
def test_the_device_of_the_start_of_training_decides_how_often_the_loss_is_read(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, device: str, interval_s: float, expected: int
) -> None:
    """The module is on the CPU when the callback is built, and moves before training starts."""
    monkeypatch.setattr(steps, "LOSS_CHECK_INTERVAL_S", interval_s)
    reads: list[int] = []

    def follow(follower: StepFollower, trainer: Any, module: Any, outputs: Any, batch: Batch, number: int) -> None:
        if not reads and number == 0:
            follower.on_train_start(trainer, SimpleNamespace(device=torch.device(device)))  # type: ignore[arg-type]
        plain(follower, trainer, module, outputs, batch, number)

    plain = StepFollower.on_train_batch_end
    monkeypatch.setattr(StepFollower, "on_train_batch_end", follow)
    payload = workplace.payload({"max_epochs": 1})
    check = TrainingModule.check_loss

    def note(module: TrainingModule, total: float | None = None) -> float:
        if module.trainer.training and module.run_state.batch > 0 and not module.run_state.is_epoch_trained:
            reads.append(module.run_state.batch)
        return check(module, total)

    monkeypatch.setattr(TrainingModule, "check_loss", note)
    run_fake(workplace.context("run", payload), payload)
    assert len(reads) == expected
    assert reads[0] == 1


def test_a_run_on_the_cpu_reads_its_loss_after_each_step(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    def build(interval_s: float) -> Any:
        seen.append(interval_s)
        return Throttle(interval_s)

    monkeypatch.setattr("app.training.callbacks.steps.Throttle", build)
    payload = workplace.payload({"max_epochs": 1})
    run_fake(workplace.context("run", payload), payload)
    assert 0.0 in seen
