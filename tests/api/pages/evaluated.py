"""An evaluated experiment without any training: records and files as the engines leave them, on numbers drawn here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from app.schemas.common import new_id, utc_now
from app.schemas.evaluation import EvaluationRecord, Progress
from app.schemas.experiments import CheckpointInfo, ExperimentRecord, RunRecord
from tests.api.live import LiveServer

WAIT_S = 60.0


def find_task(client: httpx.Client, kind: str) -> str:
    """Return the id of the task with an annotation kind."""
    tasks = client.get("/api/tasks").json()["data"]["tasks"]
    found: str = next(task["id"] for task in tasks if task["annotation_kind"] == kind)
    return found


def make_project(
    server: LiveServer, client: httpx.Client, folder: Path, kind: str = "label", classes: tuple[str, ...] = ("a", "b")
) -> str:
    """Return a project with ten images per class, or twenty with one value each, and a split named main."""
    body = {"name": "Measured", "task": find_task(client, kind)}
    project: str = client.post("/api/projects", json=body).json()["data"]["id"]
    names = classes if kind == "label" else ("",)
    for index, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(10 if kind == "label" else 20):
            Image.new("RGB", (12, 8), (index * 20 % 256, number * 10, 90 + index // 64)).save(
                folder / name / f"i{index}_{number}.png"
            )
    if kind != "label":
        lines = [f"i0_{number}.png,{number},{number * 10}" for number in range(20)]
        (folder / "values.csv").write_text("\n".join(["filename,width,weight", *lines]))
    source: dict[str, Any] = {"source_path": str(folder)}
    if kind != "label":
        source |= {"options": {"target_columns": ["width", "weight"]}}
    answer = client.post(f"/api/datasets/{project}/import/local", json=source).json()
    assert answer["status"] == "ok", answer
    assert server.studio.scheduler.wait(answer["data"]["job_id"], WAIT_S).status == "completed"
    assert client.post(f"/api/splits/{project}", json={"name": "main"}).status_code == 200
    return project


def make_experiment(
    server: LiveServer, client: httpx.Client, project: str, name: str = "First try", split: str = "main"
) -> str:
    """Return a completed experiment with both checkpoints."""
    body = {"name": name, "split_name": split}
    experiment: str = client.post(f"/api/training/{project}/experiments", json=body).json()["data"]["id"]
    stores = server.studio.evaluations._stores
    run = RunRecord(id=new_id("run"), experiment_id=experiment, status="completed", created_at=utc_now())
    directory = stores.experiments.create_run(project, run)
    checkpoints = {}
    for checkpoint in ("best", "last"):
        path = directory / "checkpoints" / f"{checkpoint}.ckpt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"weights")
        relative = f"runs/{run.id}/checkpoints/{checkpoint}.ckpt"
        checkpoints[checkpoint] = CheckpointInfo(path=relative, size_mb=1.5, epoch=3)
    changes = {"status": "completed", "completed_at": utc_now(), "current_run_id": run.id, "checkpoints": checkpoints}
    _update(server, project, experiment, changes)
    return experiment


def set_status(server: LiveServer, project: str, experiment: str, status: str) -> None:
    """Change the status of an experiment's record."""
    _update(server, project, experiment, {"status": status})


def write_evaluation(server: LiveServer, project: str, experiment: str, **changes: Any) -> Path:
    """Write an evaluation's record; return its directory."""
    record = EvaluationRecord(
        checkpoint="best",
        split_name="main",
        split_subsets=["val", "test"],
        batch_size=32,
        device="cpu",
        status="completed",
        progress=Progress(processed=20, total=20),
        created_at=utc_now(),
        completed_at=utc_now(),
    )
    stores = server.studio.evaluations._stores
    return stores.evaluations.create(project, experiment, record.model_copy(update=changes))


def write_label_results(
    server: LiveServer, project: str, experiment: str, classes: list[str], num_images: int, share_right: float = 0.7
) -> list[dict[str, Any]]:
    """Write a completed evaluation of labels; return its rows."""
    draw = np.random.default_rng(7)
    server.studio.evaluations._stores.evaluations.reset(project, experiment)  # a new one would wait beside it
    directory = write_evaluation(server, project, experiment)
    rows = []
    confusion = np.zeros((len(classes), len(classes)), dtype=int)
    for index in range(num_images):
        truth = index % len(classes)
        said = truth if draw.random() < share_right else int(draw.integers(len(classes)))
        confidence = float(draw.uniform(0.4, 0.99))
        confusion[truth, said] += 1
        rest = (1 - confidence) / max(1, len(classes) - 1)
        rows.append(
            {
                "filename": f"i{truth}_{index // len(classes)}.png",
                "subset": "test" if index % 3 else "val",
                "ground_truth": {"class_id": truth, "class_name": classes[truth]},
                "prediction": {"class_id": said, "class_name": classes[said], "confidence": confidence},
                "correct": truth == said,
                "loss": float(draw.uniform(0, 3)),
                "probabilities": {name: confidence if at == said else rest for at, name in enumerate(classes)},
            }
        )
    accuracy = float(np.trace(confusion) / num_images)
    bins = [
        {"lower": low / 10, "upper": (low + 1) / 10, "count": low, "confidence": low / 10 + 0.05, "accuracy": 0.7}
        if low
        else {"lower": 0.0, "upper": 0.1, "count": 0, "confidence": None, "accuracy": None}
        for low in range(10)
    ]
    scores = {"precision": 0.8, "recall": 0.75, "f1": 0.77}
    aggregate = {
        **dict.fromkeys(("accuracy", "f1_macro", "precision_macro", "recall_macro"), accuracy),
        "num_images": num_images,
        "classes": classes,
        "confusion_matrix": confusion.tolist(),
        "per_class": {name: {**scores, "support": int(confusion[at].sum())} for at, name in enumerate(classes)},
        "calibration": {"ece": 0.1, "num_bins": 10, "bins": bins},
        "intervals": {
            "accuracy": {"low": accuracy - 0.1, "high": min(1.0, accuracy + 0.1), "level": 0.95, "resamples": 1000}
        },
        "skipped": {"count": 1, "images": [{"filename": "gone.png", "message": "It is not there."}]},
    }
    _write(directory, rows, aggregate)
    return rows


def write_value_results(server: LiveServer, project: str, experiment: str) -> list[dict[str, Any]]:
    """Write a completed evaluation of two values per image; return its rows. The error of image n is n / 10."""
    server.studio.evaluations._stores.evaluations.reset(project, experiment)  # a new one would wait beside it
    directory = write_evaluation(server, project, experiment)
    rows = []
    for number in range(20):
        truth, error = [float(number), number * 10.0], [number / 10, -number / 10]
        rows.append(
            {
                "filename": f"i0_{number}.png",
                "subset": "test",
                "ground_truth": truth,
                "prediction": [t + e for t, e in zip(truth, error, strict=True)],
                "error": error,
                "absolute_error": [abs(e) for e in error],
                "max_absolute_error": number / 10,
            }
        )
    figures = {"mae": 0.95, "mse": 1.2, "rmse": 1.1, "r_squared": 0.9, "median_absolute_error": 0.9, "max_error": 1.9}
    residuals = {"mean": 0.95, "deviation": 0.5, "bins": [{"lower": -2.0, "upper": 2.0, "count": 20}]}
    aggregate = {**figures, "num_images": 20, "per_value": [figures, figures], "residuals": [residuals, residuals]}
    aggregate["intervals"] = {"mae": {"low": 0.7, "high": 1.2, "level": 0.95, "resamples": 1000}}
    _write(directory, rows, aggregate)
    return rows


def _write(directory: Path, rows: list[dict[str, Any]], aggregate: dict[str, Any]) -> None:
    (directory / "results.json").write_text(json.dumps({"results": rows}))
    (directory / "aggregate.json").write_text(json.dumps(aggregate))


def _update(server: LiveServer, project: str, experiment: str, changes: dict[str, Any]) -> None:
    stores = server.studio.evaluations._stores

    def change(record: ExperimentRecord) -> ExperimentRecord:
        return record.model_copy(update=changes)

    stores.experiments.update(project, experiment, change)
