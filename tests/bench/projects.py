"""A project with photographs and a split on a running server, and a run in it: what a user does around a click."""

from __future__ import annotations

from pathlib import Path

from app.client import StudioClient
from app.schemas.experiments import ExperimentRecord, RunRecord
from tests.bench.photos import TASK, write_photos

BACKBONE = "mobilenet_v3_small"
BATCH_SIZE = 32
RATIOS = {"train": 0.8, "val": 0.1, "test": 0.1}
TIMEOUT_S = 300.0


def prepare_project(client: StudioClient, folder: Path, num_images: int, size: tuple[int, int]) -> str:
    """Write photographs of this size, import and split them; return the id of their project."""
    write_photos(folder, num_images, size)
    project = client.projects.create("Benchmark", TASK)
    started = client.datasets.import_local(project.id, folder)
    client.wait_for_job(started.model_dump()["job_id"])
    client.splits.create(project.id, "main", RATIOS)
    return project.id


def create_experiment(
    client: StudioClient, project_id: str, name: str, side_px: int, max_epochs: int
) -> ExperimentRecord:
    """Return an experiment from scratch, with defaults for everything else, that only has to be started."""
    return client.experiments.create(
        project_id,
        name,
        "main",
        model={"backbone": BACKBONE, "pretrained": False},
        hyperparameters={"image_size": side_px, "batch_size": BATCH_SIZE, "max_epochs": max_epochs},
    )


def train_to_end(client: StudioClient, project_id: str, experiment_id: str) -> RunRecord:
    """Train and return the run; raises RuntimeError when it does not complete."""
    run = client.experiments.train(project_id, experiment_id)
    ended = client.follow_training(project_id, experiment_id, timeout_s=TIMEOUT_S)
    if ended.status != "completed":
        raise RuntimeError(f"The run ended as {ended.status}: {ended.error}")
    return next(record for record in client.experiments.runs(project_id, experiment_id) if record.id == run.run_id)
