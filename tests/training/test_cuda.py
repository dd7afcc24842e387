"""A small run with automatic arithmetic, paused and resumed, on a GPU; on the CPU the same test shows that it tests."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from app.schemas.events import EpochFinished, LogLine, RunConfigResolved
from app.schemas.payloads import TrainPayload
from app.tasks.trained import load_trained
from app.training.run import run
from tests.training.fakes import FakeContext, load_checkpoint
from tests.training.test_tasks import TASKS, make_context

DEVICES = ["cpu", pytest.param("gpu:0", marks=pytest.mark.gpu)]


def open_context(root: Path, device: str, is_frozen: bool) -> FakeContext:
    """Return the context of a run of two epochs on a device, with everything that takes a step apart."""
    context = make_context(root, TASKS[0], ema=True, gradient_clip=1.0, batch_multiplier=2, warmup_epochs=0)
    context.request.payload["hardware"]["selected_devices"] = [device]
    context.request.payload["model"]["freeze_backbone"] = is_frozen
    return context


def resume(paused: FakeContext) -> FakeContext:
    """Return the context of the same run, going on."""
    context = FakeContext(paused.output_dir, TrainPayload.model_validate(paused.request.payload))
    last = paused.output_dir / "checkpoints/last.ckpt"
    recorded = len(paused.of(EpochFinished))
    context.request.payload |= {"resume_from": str(last), "recorded_epochs": recorded}
    return context


def losses_of(*contexts: FakeContext) -> dict[int, float | None]:
    """Return the training loss of each epoch that was reported."""
    events = [event.metrics for context in contexts for event in context.of(EpochFinished)]
    return {metrics.epoch: metrics.train_loss for metrics in events}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_run_learns_is_paused_and_goes_on(tmp_path: Path, device: str, is_frozen: bool) -> None:
    if device != "cpu" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    paused = open_context(tmp_path, device, is_frozen)
    paused.decide = lambda each: "pause" if each.of(EpochFinished) else None
    assert run(paused)["outcome"] == "paused"
    saved = load_checkpoint(tmp_path)["resume"]
    assert saved["state"]["batch"] == 1
    context = resume(paused)
    result = run(context)
    assert (result["epochs_done"], result.get("outcome")) == (2, None)
    losses = losses_of(paused, context)
    assert sorted(losses) == [1, 2]
    assert all(loss is not None and math.isfinite(loss) for loss in losses.values())
    records: list[dict[str, Any]] = [
        event.resolved for each in (paused, context) for event in each.of(RunConfigResolved)
    ]
    assert [record["hardware"]["devices"] for record in records] == [[device], [device]]
    assert records[0]["precision"] == records[1]["precision"] == saved["arithmetic"]["precision"]
    assert any(event.text.startswith("Resumed in epoch 2") for event in context.of(LogLine))
    trained = load_trained(tmp_path / "checkpoints/best.ckpt")
    outputs = trained.model(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    assert len(outputs) >= 1
    assert all(bool(torch.isfinite(value).all()) for value in outputs.values())
