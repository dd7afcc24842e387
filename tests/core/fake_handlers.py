"""Engines that need no torch: they report and write what the real ones do, on tiny numbers that they make up.

What only one of them needs is imported there: hundreds of tests start a process for one job.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Literal

from app.checksum import find_checksum
from app.datasets.table import decode_dataset, hash_split, select_subset
from app.schemas.arithmetic import Arithmetic, ArithmeticChoice, RunMeasurement
from app.schemas.common import utc_now
from app.schemas.events import (
    BestModelUpdated,
    CheckpointSaved,
    EpochFinished,
    EvaluationProgressed,
    JobProgressed,
    RunConfigResolved,
    RunRecovered,
    SamplesSkipped,
    SkippedSample,
    TrainRunStarted,
)
from app.schemas.experiments import EpochMetrics
from app.schemas.job_context import JobCancelled, JobContext, JobFailure, raise_if_cancelled
from app.schemas.measurement_keys import build_measurement_key, count_devices, find_device_name
from app.schemas.payloads import EvaluatePayload, ExportPayload, TrainPayload

HANDLERS = {
    "import": "app.datasets.importing.importer:run",
    "check": "tests.core.fake_handlers:check",
    "train": "tests.core.fake_handlers:train",
    "evaluate": "tests.core.fake_handlers:evaluate",
    "export": "tests.core.fake_handlers:export",
    "predict": "tests.core.fake_handlers:predict",
    "augment": "tests.core.fake_handlers:augment",
    "probe": "tests.core.fake_handlers:probe",
}
EPOCH_S = 0.02
SLOW_EPOCH_S = 0.2


def check(context: JobContext) -> dict[str, Any]:
    """Look at a source as the real job does; one whose name begins with `endless` until it is cancelled."""
    from app.datasets.importing import checking

    source = Path(context.request.payload["source_path"])
    done = 0
    while source.name.startswith("endless"):
        raise_if_cancelled(context)
        done += 1
        context.report(JobProgressed(job_id=context.request.job_id, done=done, total=0, message="Looking"))
        time.sleep(SLOW_EPOCH_S)
    if source.name.startswith("crashing"):
        msg = "The look failed."
        raise JobFailure(msg)
    return checking.run(context)


def train(context: JobContext) -> dict[str, Any]:
    """Report `max_epochs` epochs; a seed of 13 fails at once, 14 never ends by itself, 17 waits after two epochs,
    19 takes its time, 20 never tells of its best checkpoint, 21 waits in its first epoch.

    What waits does so until a command comes; the resumed run goes on to its end.
    """
    payload = TrainPayload.model_validate(context.request.payload)
    run_id, seed = payload.run_id, payload.hyperparameters["seed"]
    config = {"batch_size": payload.hyperparameters["batch_size"]}
    context.report(
        TrainRunStarted(run_id=run_id, model_id=payload.model.backbone, metric_primary="val_accuracy", config=config)
    )
    split_hash = hash_split(decode_dataset(Path(payload.dataset.dataset_json).read_bytes()), payload.split_name)
    context.report(RunConfigResolved(run_id=run_id, resolved={"seed": seed, "split_hash": split_hash}))
    if seed == 13:
        msg = "The seed is unlucky."
        raise JobFailure(msg)
    while seed == 21 and payload.resume_from is None and context.command() is None:
        time.sleep(EPOCH_S)
    epochs = 10**6 if seed == 14 else payload.hyperparameters["max_epochs"]
    first = 1
    if payload.resume_from is not None:
        first += json.loads(Path(payload.resume_from).read_text())["epoch"]
    epoch = first - 1
    for epoch in range(first, epochs + 1):
        if (command := context.command()) == "cancel":
            raise JobCancelled
        if command is not None:
            epoch -= 1
            break
        _report_epoch(context, run_id, epoch, ("last",) if seed == 20 else ("best", "last"))
        time.sleep(SLOW_EPOCH_S if seed == 19 else EPOCH_S)
        while seed == 17 and epoch == 2 and payload.resume_from is None and context.command() is None:
            time.sleep(EPOCH_S)
    metric = {"val_accuracy": epoch / (epoch + 1)}
    paused: dict[str, Any] = {"outcome": "paused"} if context.command() == "pause" else {}
    if seed == 16 and payload.resume_from is None:  # the disk is full, and an image was bad
        context.report(SamplesSkipped(run_id=run_id, count=1, images=[SkippedSample(filename="a.png", message="Bad.")]))
        paused = {
            "outcome": "paused",
            "error": {"type": "DiskFull", "message": "The disk is full. Free up disk space."},
        }
    if seed == 18 and payload.resume_from is None:  # it broke, went back to its first epoch, and is paused there
        _report_recovery(context, run_id)
        paused = {"outcome": "paused"}
    result = {"best_epoch": epoch, "best_metric": metric, "final_metrics": metric, "epochs_done": epoch, **paused}
    files = ((path, json.loads(path.read_text())) for path in (context.output_dir / "checkpoints").glob("*.ckpt"))
    result["checkpoints"] = {
        path.stem: {"path": f"checkpoints/{path.name}", "size_mb": 0.001, "epoch": content["epoch"]}
        for path, content in files
    }
    return {**result, "measurement": measure(payload, "run")}


def probe(context: JobContext) -> dict[str, Any]:
    """Measure at once; a seed of 13 fails, 14 never ends by itself, 15 measures nonsense."""
    payload = TrainPayload.model_validate(context.request.payload)
    seed = payload.hyperparameters["seed"]
    context.report(JobProgressed(job_id=context.request.job_id, done=1, total=2, message="Measuring"))
    if seed == 13:
        msg = "The seed is unlucky."
        raise JobFailure(msg)
    while seed == 14:
        raise_if_cancelled(context)
        time.sleep(EPOCH_S)
    context.report(TrainRunStarted(run_id="", model_id="", metric_primary="", config={}))  # must not be logged
    return {"measurement": {"speed": "fast"} if seed == 15 else measure(payload, "probe")}


def measure(payload: TrainPayload, source: Literal["run", "probe"]) -> dict[str, Any]:
    """Return a measurement under the key that the web process looks for; a run is twice as fast as a probe."""
    from app.datasets.source_scale import plan_source_scale
    from app.tasks.registry import get_spec

    hyperparameters = get_spec(payload.task).hyperparameters.model_validate(payload.hyperparameters)
    selected = payload.hardware.selected_devices
    size = (hyperparameters.image_size,) * 2
    name = find_device_name(selected, [])
    assert name is not None
    num_devices = count_devices(selected)
    scale = plan_source_scale(payload, num_devices, is_fill=False)
    key = build_measurement_key(payload, hyperparameters, size, name, num_devices, scale)
    chosen = Arithmetic(precision="32-true", batch_size=key.batch_size, micro_batch_size=key.batch_size)
    measurement = RunMeasurement(
        key=key,
        choice=ArithmeticChoice(chosen=chosen, source="probe", probe_s=3.0),
        source=source,
        measured_at=utc_now(),
        train_images_per_s=2.0 if source == "run" else 1.0,
        eval_images_per_s=8.0,
        decode_megapixels_per_s=0.001,
        startup_s=5.0,
        epoch_overhead_s=0.5,
        peak_ram_mb=900.0,
    )
    return measurement.model_dump(mode="json")


def evaluate(context: JobContext) -> dict[str, Any]:
    """Call every image by its own class, but the last one; a batch of 13 never ends by itself."""
    payload = EvaluatePayload.model_validate(context.request.payload)
    while payload.batch_size == 13:
        raise_if_cancelled(context)
        time.sleep(EPOCH_S)
    table = decode_dataset(Path(payload.dataset.dataset_json).read_bytes())
    rows: list[dict[str, Any]] = []
    for subset in payload.split_subsets:
        for image in select_subset(table, payload.split_name, subset):
            name = image.annotations[0].class_label
            truth: dict[str, Any] = {"class_id": 0, "class_name": name}
            prediction = {**truth, "confidence": 1 - len(rows) / 100}
            rows.append({"filename": image.filename, "subset": subset, "ground_truth": truth})
            rows[-1] |= {"prediction": prediction, "correct": True, "loss": len(rows) / 100}
    rows[-1]["correct"] = False
    context.report(EvaluationProgressed(experiment_id=payload.experiment_id, processed=len(rows), total=len(rows)))
    if context.command() == "cancel":
        raise JobCancelled
    headline = {"accuracy": 1 - 1 / len(rows), "num_images": len(rows)}
    aggregate: dict[str, Any] = dict(headline)
    if payload.redrawn_splits:
        aggregate["leaks"] = {"num_images": len(rows), "redrawn_splits": payload.redrawn_splits}
    (context.output_dir / "results.json").write_text(json.dumps({"results": rows}))
    (context.output_dir / "aggregate.json").write_text(json.dumps(aggregate))
    return {"headline": headline, "num_images": len(rows)}


def export(context: JobContext) -> dict[str, Any]:
    """Write three bytes as a model; opset 13 does not pass its certificate, opset 21 never ends by itself."""
    payload = ExportPayload.model_validate(context.request.payload)
    while payload.options.opset_version == 21:
        raise_if_cancelled(context)
        time.sleep(EPOCH_S)
    passed = payload.options.opset_version != 13
    certificate = {
        "passed": passed,
        "tolerance": 1e-4,
        "num_images": 2,
        "max_diff": 1e-6 if passed else 0.5,
        "mean_diff": 1e-7,
        "agreement": 1.0,
        "metric_torch": {item.metric: item.value for item in payload.measurements},
        "metric_exported": {item.metric: item.value for item in payload.measurements},
        "worst": [],
        "runtime": "fake",
    }
    (context.output_dir / "parity.json").write_text(json.dumps(certificate))
    if not passed:
        msg = "The exported file differs from the model by 0.5, more than the tolerance 0.0001."
        raise JobFailure(msg, "ParityError")
    (context.output_dir / "model.onnx").write_bytes(b"abc")
    (context.output_dir / "bundle.zip").write_bytes(b"PK")
    return {
        "output_file": "model.onnx",
        "output_size_mb": 0.001,
        "validation": {key: certificate[key] for key in ("passed", "max_diff", "mean_diff")},
        "checksum": find_checksum(context.output_dir / "model.onnx"),
        "bundle_checksum": find_checksum(context.output_dir / "bundle.zip"),
        "contents": ["model.onnx"],
    }


def predict(context: JobContext) -> dict[str, Any]:
    """Answer with the number of bytes of each image; an empty one cannot be read, 13 are never answered.

    Of 14 bytes the first process that sees them has enough.
    """
    while context.command() != "cancel":
        message = context.next_message(0.05)
        if message is None:
            continue
        size = Path(message["image_path"]).stat().st_size
        if size == 13:
            continue
        mark = context.output_dir.parent / "seen"
        if size == 14 and not mark.exists():
            mark.touch()
            return {}
        answer: dict[str, Any] = {"status": "error", "message": "This is not an image."}
        if size:
            answer = {"status": "ok", "width": size, "height": 1, "annotation_kind": "label"}
            answer |= {"predictions": {"size": size}, "duration_ms": 0.1, "runtime": "fake"}
        temporary = context.output_dir / "answer.tmp"
        temporary.write_text(json.dumps(answer))
        temporary.replace(context.output_dir / f"{message['id']}.json")
    raise JobCancelled


def _report_recovery(context: JobContext, run_id: str) -> None:
    (context.output_dir / "checkpoints" / "last.ckpt").write_text(json.dumps({"epoch": 1}))
    context.report(
        RunRecovered(
            run_id=run_id, reason="loss_not_finite", message="Broken.", epoch=2, batch=0, learning_rate=0.025,
            micro_batch_size=4,
        )
    )  # fmt: skip


def augment(context: JobContext) -> dict[str, Any]:
    """Answer with the seed in place of pixels; a size of 16 cannot be reached."""
    while context.command() != "cancel":
        message = context.next_message(0.05)
        if message is None:
            continue
        answer: dict[str, Any] = {"status": "error", "message": "Too small."}
        if message["image_size"] != 16:
            names = [{"filename": s["filename"], "source_name": s["source_name"]} for s in message["sources"]]
            images = [{**name, "data_url": f"data:,{message['seed']}"} for name in names]
            answer = {"status": "ok", "images": images, "width": 32, "height": 32, "duration_ms": 0.1}
        temporary = context.output_dir / "answer.tmp"
        temporary.write_text(json.dumps(answer))
        temporary.replace(context.output_dir / f"{message['id']}.json")
    raise JobCancelled


def _report_epoch(context: JobContext, run_id: str, epoch: int, named: tuple[str, ...]) -> None:
    value = epoch / (epoch + 1)
    metrics = {"epoch": epoch, "train_loss": 1 / epoch, "lr": 0.1, "duration_s": EPOCH_S, "val_accuracy": value}
    context.report(EpochFinished(run_id=run_id, metrics=EpochMetrics.model_validate(metrics)))
    for name in ("best", "last"):
        path = context.output_dir / "checkpoints" / f"{name}.ckpt"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"epoch": epoch}))
        temporary.replace(path)
        if name not in named:
            continue
        context.report(
            CheckpointSaved.model_validate(
                {
                    "run_id": run_id,
                    "name": name,
                    "path": f"checkpoints/{name}.ckpt",
                    "epoch": epoch,
                    "size_bytes": 12,
                }
            )
        )
    context.report(BestModelUpdated(run_id=run_id, model_id="fake", metric={"val_accuracy": value}))
