"""Makes what has been trained for real: images, a run of a few epochs and all that follows. Takes about a minute."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from app.client import StudioClient
from app.core.studio import Studio
from app.datasets.digits import write_digits
from app.schemas.datasets import ImportStarted
from app.schemas.projects import ProjectCreate

NUM_PER_CLASS = 24
HYPERPARAMETERS = {
    "image_size": 32,
    "batch_size": 32,
    "learning_rate": 2e-3,
    "max_epochs": 4,
    "warmup_epochs": 0,
    "early_stopping_patience": 0,
}


def build_trained(url: str, folder: Path) -> dict[str, str]:
    """Fill a server's workspace; return the ids by name. `other_id` is trained and evaluated as the first."""
    with StudioClient(url) as client:
        task = next(task for task in client.tasks.all() if task.annotation_kind == "label")
        empty = client.projects.create("An empty project", task.id)
        project = client.projects.create("Digits", task.id, "Handwritten digits, 8x8 pixels.").id
        started = client.datasets.import_local(project, _few_digits(folder))
        if isinstance(started, ImportStarted):
            client.wait_for_job(started.job_id)
        client.splits.create(project, "main", {"train": 0.7, "val": 0.15, "test": 0.15})
        model = {"backbone": "resnet18", "pretrained": False}
        experiment = client.experiments.create(
            project, "Small network", "main", model=model, hyperparameters=HYPERPARAMETERS
        ).id
        client.experiments.train(project, experiment)
        record = client.follow_training(project, experiment)
        client.evaluations.start(project, experiment, split_subsets=["test"])
        _wait(lambda: _evaluation_status(client, project, experiment))
        other = client.experiments.create(
            project, "Slower steps", "main", model=model, hyperparameters=HYPERPARAMETERS | {"learning_rate": 3e-4}
        ).id
        client.experiments.train(project, other)
        client.follow_training(project, other)
        client.evaluations.start(project, other, split_subsets=["test"])
        _wait(lambda: _evaluation_status(client, project, other))
        export = client.exports.create(project, experiment, format="onnx").id
        _wait(lambda: client.exports.get(project, export).status)
        changed = client.exports.create(project, experiment, format="torchscript").id
        _wait(lambda: client.exports.get(project, changed).status)
        _change_file(folder / "workspace-studio" / "projects" / project / "exports" / changed)
        if record.status != "completed":
            msg = f"The run ended as {record.status}: {record.error}"
            raise RuntimeError(msg)
        return {
            "empty_id": empty.id,
            "project_id": project,
            "experiment_id": experiment,
            "other_id": other,
            "export_id": export,
            "changed_export_id": changed,
            **_build_leaky(client, task.id, folder),
        }


def _build_leaky(client: StudioClient, task: str, folder: Path) -> dict[str, str]:
    """Make a project of one common and one rare class, whose test images are mostly copies of training images."""
    source = folder / "leaky"
    for name, digit, numbers in (("common", "0", range(24)), ("rare", "1", range(4))):
        images = sorted((folder / "all" / digit).iterdir())
        for subset, shown in (("train", numbers), ("val", range(24, 28)), ("test", [*range(6), *range(28, 31)])):
            for number in shown:
                target = source / subset / name / f"{subset}-{images[number].name}"
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(images[number], target)
    project = client.projects.create("Copies and one rare class", task).id
    started = client.datasets.import_local(project, source)
    if isinstance(started, ImportStarted):
        client.wait_for_job(started.job_id)
    model = {"backbone": "resnet18", "pretrained": False}
    settings = HYPERPARAMETERS | {"max_epochs": 1, "checkpoint_metric": "val_accuracy"}
    experiment = client.experiments.create(project, "By accuracy", "original", model=model, hyperparameters=settings).id
    client.experiments.train(project, experiment)
    client.follow_training(project, experiment)
    client.evaluations.start(project, experiment, split_subsets=["test"])
    _wait(lambda: _evaluation_status(client, project, experiment))
    untrained = client.experiments.create(project, "Not trained", "original", model=model, hyperparameters=settings).id
    return {"leaky_id": project, "leaky_experiment_id": experiment, "uneven_experiment_id": untrained}


def _change_file(directory: Path) -> None:
    for path in directory.glob("model.*"):
        path.write_bytes(path.read_bytes() + b"changed")


def create_empty(studio: Studio) -> str:
    """Create a project with nothing in it; return its id."""
    task = studio.tasks.list_tasks().tasks[0].id
    return studio.projects.create_project(ProjectCreate(name="Behind a token", task=task)).id


def _wait(read_status: Callable[[], str]) -> None:
    while (status := read_status()) in {"pending", "running"}:
        time.sleep(0.3)
    if status != "completed":
        msg = f"A step ended as {status}."
        raise RuntimeError(msg)


def _evaluation_status(client: StudioClient, project: str, experiment: str) -> str:
    evaluation = client.evaluations.get(project, experiment).evaluation
    return "pending" if evaluation is None else evaluation.status


def _few_digits(folder: Path) -> Path:
    write_digits(folder / "all")
    for source in sorted((folder / "all").iterdir()):
        for image in sorted(source.iterdir())[:NUM_PER_CLASS]:
            target = folder / "digits" / source.name / image.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(image, target)
    return folder / "digits"
