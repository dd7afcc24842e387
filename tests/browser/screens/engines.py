"""Engines that stop where a picture is wanted: an import that goes on, a run in the middle of its epochs."""

from __future__ import annotations

import json
import math
import time
from typing import Any

from app.schemas.common import utc_now
from app.schemas.events import (
    CheckpointSaved,
    EpochFinished,
    JobProgressed,
    LogLine,
    ResourceStats,
    RunConfigResolved,
    TrainProgress,
    TrainRunStarted,
)
from app.schemas.experiments import EpochMetrics
from app.schemas.job_context import JobCancelled, JobContext, JobFailure
from app.schemas.payloads import ImportPayload, TrainPayload
from tests.core import fake_handlers

# Names of folders and a seed that a scene asks for.
ENDLESS_FOLDER, TORN_FOLDER = "endless", "torn"
ENDLESS_SEED, DONE_EPOCHS = 21, 11
_TOTAL_IMAGES, _STEPS = 4096, 24


def import_images(context: JobContext) -> dict[str, Any]:
    """Import as ever, but stop at a third of the endless folder and fail with the torn one."""
    from app.datasets.importing import importer

    payload = ImportPayload.model_validate(context.request.payload)
    if payload.source_path.endswith(TORN_FOLDER):
        msg = "The disk is full. Free up disk space, or store the files as hard links or references."
        raise JobFailure(msg, kind="DiskFull")
    if not payload.source_path.endswith(ENDLESS_FOLDER):
        return importer.run(context)
    done = _TOTAL_IMAGES // 3
    context.report(
        JobProgressed(job_id=context.request.job_id, done=done, total=_TOTAL_IMAGES, message="Importing images")
    )
    return _wait_for_command(context)


def train(context: JobContext) -> dict[str, Any]:
    """Train as the fake engine, with curves that look like some; the endless seed stops in its twelfth epoch."""
    payload = TrainPayload.model_validate(context.request.payload)
    seed, epochs = payload.hyperparameters["seed"], payload.hyperparameters["max_epochs"]
    if seed in {13, 16}:
        return fake_handlers.train(context)
    run_id = payload.run_id
    config = {"batch_size": payload.hyperparameters["batch_size"]}
    context.report(
        TrainRunStarted(run_id=run_id, model_id=payload.model.backbone, metric_primary="val_accuracy", config=config)
    )
    context.report(RunConfigResolved(run_id=run_id, resolved={"seed": seed}))
    accuracy = 0.0
    for epoch in range(1, min(epochs, DONE_EPOCHS if seed == ENDLESS_SEED else epochs) + 1):
        accuracy = _report_epoch(context, run_id, epoch, seed)
    if seed == ENDLESS_SEED:
        _report_middle(context, run_id, epochs)
        return _wait_for_command(context)
    metric = {"val_accuracy": accuracy}
    result = {"best_epoch": epochs, "best_metric": metric, "final_metrics": metric, "epochs_done": epochs}
    return {**result, "measurement": fake_handlers.measure(payload, "run")}


def _report_epoch(context: JobContext, run_id: str, epoch: int, seed: int) -> float:
    """Report an epoch and its checkpoints; return its accuracy."""
    slope = 4 + seed % 7
    loss, wobble = 2.3 * math.exp(-epoch / slope), 0.03 * math.sin(epoch * (1 + seed % 5))
    accuracy = min(0.99, 1 - 0.8 * math.exp(-epoch / slope) + wobble)
    metrics = {"epoch": epoch, "train_loss": loss + 0.05, "val_loss": loss + 0.15 + wobble, "lr": 1e-3 / epoch}
    metrics |= {"duration_s": 2.5, "val_accuracy": accuracy}
    context.report(EpochFinished(run_id=run_id, metrics=EpochMetrics.model_validate(metrics)))
    text = f"Epoch {epoch} ended: training loss {loss:.3f}, accuracy {accuracy:.3f}"
    with (context.output_dir / "logs" / "training.log").open("a") as log:
        log.write(f"{utc_now()} {text}\n")
    context.report(LogLine(run_id=run_id, level="info", text=text))
    for name in ("best", "last"):
        path = context.output_dir / "checkpoints" / f"{name}.ckpt"
        path.write_text(json.dumps({"epoch": epoch}))
        saved = {"run_id": run_id, "name": name, "path": f"checkpoints/{name}.ckpt", "epoch": epoch, "size_bytes": 12}
        context.report(CheckpointSaved.model_validate(saved))
    return accuracy


def _report_middle(context: JobContext, run_id: str, epochs: int) -> None:
    context.report(
        TrainProgress(
            run_id=run_id, epoch=DONE_EPOCHS + 1, epochs=epochs, step=9, steps=_STEPS, eta_s=48.0, phase="fit"
        )
    )
    context.report(
        ResourceStats(run_id=run_id, cpu_pct=87.0, ram_mb=1320.0, gpu_pct=None, vram_mb=None, step_per_sec=9.6)
    )


def _wait_for_command(context: JobContext) -> dict[str, Any]:
    while context.command() is None:
        time.sleep(0.1)
    raise JobCancelled


HANDLERS = {
    **fake_handlers.HANDLERS,
    "import": "tests.browser.screens.engines:import_images",
    "train": "tests.browser.screens.engines:train",
}
ARGUMENTS = ("--handlers", "tests.browser.screens.engines:HANDLERS")
