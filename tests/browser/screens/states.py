"""Makes what is in the middle of something, waits, or went wrong, on engines that need no torch. Takes seconds."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import httpx

from app.core.studio import Studio
from app.schemas.common import utc_now
from app.schemas.datasets import CheckState, ImportLocal
from app.schemas.evaluation import Progress
from app.schemas.events import ExportProgress
from app.schemas.experiments import ErrorInfo
from app.schemas.export import ExportOptions, ExportRecord, ExportRequest
from app.schemas.projects import ProjectCreate, ProjectPage
from app.storage.json_store import CorruptDocumentError
from tests.api.live import LiveServer
from tests.api.pages.evaluated import (
    find_task,
    make_experiment,
    make_project,
    set_status,
    write_evaluation,
    write_label_results,
    write_value_results,
)
from tests.browser.every_problem import with_every_kind
from tests.browser.screens.engines import DONE_EPOCHS, ENDLESS_FOLDER, ENDLESS_SEED, TORN_FOLDER
from tests.core.conftest import WAIT_S, create_experiment, train_to_end

CLASSES = ["ball", "cube", "ring"]
EPOCHS = 30


def build_states(server: LiveServer, folder: Path) -> dict[str, str]:
    """Fill a server that has the engines of this folder; return the ids by name."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        project = make_project(server, client, folder / "shapes", classes=tuple(CLASSES))
        values = make_project(server, client, folder / "values", "values")
        write_value_results(server, values, make_experiment(server, client, values))
        task = find_task(client, "label")
    ids = {"states_id": project, "values_id": values}
    ids |= _build_imports(server.studio, task, folder)
    ids |= _build_ended_runs(server, project)
    ids["completed_id"] = ids["measured_ids"].split(",")[0]
    ids |= _build_exports(server.studio, project, ids["completed_id"])
    ids |= _build_refusals(server.studio, task)
    return ids | _build_going_runs(server.studio, project)


def _build_imports(studio: Studio, task: str, folder: Path) -> dict[str, str]:
    ids = {}
    for key, name in (("importing_id", ENDLESS_FOLDER), ("import_failed_id", TORN_FOLDER)):
        (folder / name).mkdir()
        project = studio.projects.create_project(ProjectCreate(name=f"From {name}", task=task)).id
        job = studio.imports.import_local(project, ImportLocal(source_path=str(folder / name)))
        if name == TORN_FOLDER:
            studio.scheduler.wait(job.job_id, WAIT_S)
        ids[key] = project
    return ids


def _build_refusals(studio: Studio, task: str) -> dict[str, str]:
    """Make projects that the disk gives no more, and one whose preview of an import has every kind of problem."""
    ids = {
        key: studio.projects.create_project(ProjectCreate(name=name, task=task)).id
        for key, name in (
            ("problems_id", "Every problem"),
            ("damaged_id", "Damaged"),
            ("unreadable_id", "Bad disk"),
        )
    }
    root = studio.settings.workspace_root
    read_page, read_check = studio.pages.get_project_page, studio.import_checks.get_state

    def read_page_of_disk(project_id: str) -> ProjectPage:
        if project_id == ids["unreadable_id"]:
            raise OSError(errno.EIO, "Input/output error", str(root))
        if project_id == ids["damaged_id"]:
            raise CorruptDocumentError(root / "dataset.json", "JSON is malformed: it ends too early")
        return read_page(project_id)

    def read_every_problem(project_id: str, job_id: str) -> CheckState:
        state = read_check(project_id, job_id)
        return with_every_kind(state) if project_id == ids["problems_id"] else state

    studio.pages.get_project_page = read_page_of_disk  # type: ignore[method-assign]
    studio.import_checks.get_state = read_every_problem  # type: ignore[method-assign]
    return ids


def _build_ended_runs(server: LiveServer, project: str) -> dict[str, str]:
    studio, ids, measured = server.studio, {}, []
    for number, share in enumerate((0.9, 0.75, 0.6)):
        name = f"Learning rate 1e-{number + 2}"
        record = create_experiment(studio, project, name, seed=number, max_epochs=EPOCHS)
        measured.append(train_to_end(studio, project, record).id)
        write_label_results(server, project, measured[-1], CLASSES, 30, share)
    ids["measured_ids"] = ",".join(measured)
    for key, name, seed in (("failed_id", "Broken", 13), ("paused_id", "Disk full", 16), ("trained_id", "Trained", 5)):
        ids[key] = train_to_end(studio, project, create_experiment(studio, project, name, seed=seed)).id
    for key, name in (("evaluating_id", "Being measured"), ("unmeasured_id", "Not measured well")):
        ids[key] = train_to_end(studio, project, create_experiment(studio, project, name, seed=6)).id
    progress = Progress(processed=12, total=20)
    write_evaluation(server, project, ids["evaluating_id"], status="running", progress=progress, completed_at=None)
    error = ErrorInfo(type="OutOfMemory", message="The images of one batch do not fit into memory.", traceback="…")
    write_evaluation(server, project, ids["unmeasured_id"], status="failed", error=error)
    ids["interrupted_id"] = train_to_end(
        studio, project, create_experiment(studio, project, "Left alone", seed=8, max_epochs=9)
    ).id
    set_status(server, project, ids["interrupted_id"], "interrupted")
    return ids


def _build_exports(studio: Studio, project: str, experiment: str) -> dict[str, str]:
    failing = ExportRequest(experiment_id=experiment, options=ExportOptions(opset_version=13))
    failed = studio.exports.create_export(project, failing)
    job = studio.scheduler.wait(failed.job_id or "", WAIT_S)
    running = ExportRecord(
        id="export-0000000a",
        experiment_id=experiment,
        checkpoint="best",
        format="onnx",
        options=ExportOptions(),
        status="running",
        created_at=utc_now(),
        started_at=utc_now(),
        job_id="job-0000000a",
    )
    studio.exports._stores.exports.create(project, running)
    going_on = job.model_copy(update={"id": "job-0000000a"})
    studio.export_observer.on_event(going_on, ExportProgress(pct=72, message="certify: 12 of 32 images"))
    return {"export_failed_id": failed.id, "exporting_id": running.id}


def _build_going_runs(studio: Studio, project: str) -> dict[str, str]:
    untrained = create_experiment(studio, project, "Not trained", seed=2, max_epochs=EPOCHS)
    going, waiting = (
        create_experiment(studio, project, name, seed=ENDLESS_SEED, max_epochs=EPOCHS) for name in ("Going", "Waiting")
    )
    studio.training.start_training(project, going.id)
    studio.training.start_training(project, waiting.id)
    deadline = time.monotonic() + WAIT_S
    while len(studio.experiments.read_metrics(project, going.id).epochs) < DONE_EPOCHS:
        if time.monotonic() > deadline:
            raise RuntimeError("The run that goes on reported nothing.")
        time.sleep(0.05)
    return {"untrained_id": untrained.id, "running_id": going.id, "pending_id": waiting.id}
