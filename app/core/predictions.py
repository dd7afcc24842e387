"""Predictions: a job process per experiment that keeps its model loaded and answers one image after the other."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO, Literal

from app.core.collaborators import Collaborators
from app.core.exceptions import ConflictError, ValidationFailedError
from app.core.loaded_jobs import LoadedJob, LoadedJobs, LoadPlan, ask_until_answered
from app.core.views.names_apart import tell_apart
from app.durable import make_directory
from app.schemas.events import AnyEvent
from app.schemas.experiments import ExperimentRecord
from app.schemas.jobs import JobRecord
from app.schemas.payloads import ImportLimits, PredictPayload
from app.schemas.predict import AskableModel, Prediction, PredictorState, PredictQuery

MAX_PREDICTORS = 2
PredictorKey = tuple[str, str, int]
"""Project, experiment, and the time of its checkpoint: another checkpoint is another model."""
TRAINED_STATUSES = frozenset({"completed", "paused", "cancelled", "interrupted", "failed"})


class PredictionService:
    """Answers images; observes jobs of the kind `predict`."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._gate = shared.gate
        self._limits = ImportLimits(max_pixels=shared.settings.max_pixels)
        self._loaded: LoadedJobs[PredictorKey] = LoadedJobs(shared.scheduler, "predict", MAX_PREDICTORS)
        shared.scheduler.register("predict", self)

    def predict(
        self, project_id: str, experiment_id: str, image: BinaryIO, query: PredictQuery | None = None
    ) -> Prediction:
        """Return what the best checkpoint says of an image; raises ConflictError without a trained model."""
        wanted = query or PredictQuery()
        answer = ask_until_answered(lambda: self._ask(project_id, experiment_id, image, wanted))
        if answer.pop("status") != "ok":
            if answer.get("kind") == "model":  # the image is all right
                raise ConflictError(str(answer["message"]))
            raise ValidationFailedError(str(answer.get("message", "The image cannot be read.")))
        return Prediction(experiment_id=experiment_id, **answer)

    def unload(self, project_id: str, experiment_id: str) -> PredictorState:
        """End the process that has a model loaded, or is loading it; the next image starts another."""
        with self._gate.enter(project_id):  # none is being submitted meanwhile
            self._lookup.find_experiment(project_id, experiment_id)
            self._loaded.cancel(lambda key: key[:2] == (project_id, experiment_id))
        return PredictorState(experiment_id=experiment_id, status="off", job_id=None)

    def _ask(self, project_id: str, experiment_id: str, image: BinaryIO, query: PredictQuery) -> dict[str, Any] | None:
        """Return the answer to one image, None when the process had nothing to do for so long that it has ended."""
        job = self._load(project_id, experiment_id)
        request_id = secrets.token_hex(8)
        image.seek(0)  # it may have been read for a process that has ended since
        image_path = job.directory / f"{request_id}.image"
        try:
            with image_path.open("wb") as target:
                shutil.copyfileobj(image, target, 1 << 20)
            message = {"id": request_id, "image_path": str(image_path), **query.model_dump(exclude_none=True)}
            return self._loaded.ask(job, message)
        finally:
            image_path.unlink(missing_ok=True)

    def list_models(self, project_id: str) -> list[AskableModel]:
        """Return the experiments of a project, oldest first, each with the reason why it cannot be asked."""
        self._lookup.find_project(project_id)
        records = self._stores.experiments.read_all(project_id)
        names = tell_apart(records)
        return [
            AskableModel(
                id=record.id,
                name=names[record.id],
                split_name=record.split_name,
                best_metric=record.best_metric,
                reason=self._find_reason(project_id, record),
            )
            for record in records
        ]

    def _find_reason(self, project_id: str, record: ExperimentRecord) -> str:
        if record.status not in TRAINED_STATUSES:
            return "not trained yet" if record.status == "created" else f"still {record.status}"
        has_model = self._stores.experiments.checkpoint_path(project_id, record, "best") is not None
        if has_model:
            return ""
        if record.best_epoch is not None:
            return "its best checkpoint no longer exists"
        return "no epoch finished" if record.started_at else "not trained yet"

    def get_state(self, project_id: str, experiment_id: str) -> PredictorState:
        """Return whether a process has the model of an experiment loaded; raises ExperimentNotFoundError."""
        self._lookup.find_experiment(project_id, experiment_id)
        job = self._loaded.find(lambda key: key[:2] == (project_id, experiment_id))
        if job is None:
            return PredictorState(experiment_id=experiment_id, status="off", job_id=None)
        status: Literal["ready", "starting"] = "ready" if job.is_ready else "starting"
        return PredictorState(experiment_id=experiment_id, status=status, job_id=job.id)

    def recover(self, living_jobs: Collection[str]) -> None:
        """Remove what a server that died while it predicted has left: no process outlives its server."""
        for project_id in self._stores.projects.list_ids():
            for record in self._stores.experiments.read_all(project_id):
                shutil.rmtree(self._stores.paths.predictor_dir(project_id, record.id), ignore_errors=True)

    def stop_project(self, project_id: str) -> None:
        """End the predictors of a project that is going to be deleted."""
        self._loaded.end(lambda key: key[0] == project_id)

    def on_started(self, job: JobRecord) -> None:
        """Nothing to record."""

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        """Note that the model is loaded, and keep the chatter of a predictor out of the project's log."""
        self._loaded.saw_event(job, event)
        return False

    def on_finished(self, job: JobRecord) -> None:
        """Forget a predictor that ended, idle or not, and remove answers that nobody fetched."""
        place = job.project_id, job.subject["experiment_id"]
        self._loaded.forget(job.id)
        if self._loaded.has(lambda key: key[:2] == place):
            return
        for path in self._stores.paths.predictor_dir(*place).glob("*.json"):
            path.unlink(missing_ok=True)

    def _load(self, project_id: str, experiment_id: str) -> LoadedJob:
        with self._gate.enter(project_id):
            record = self._lookup.find_experiment(project_id, experiment_id)
            if record.status not in TRAINED_STATUSES:
                msg = f"The experiment {record.name!r} is {record.status}; it has no trained model."
                raise ConflictError(msg)
            checkpoint = self._lookup.find_checkpoint(project_id, record, "best")
            key = (project_id, experiment_id, checkpoint.stat().st_mtime_ns)
            return self._loaded.load(project_id, key, lambda _: self._plan(project_id, experiment_id, checkpoint))

    def _plan(self, project_id: str, experiment_id: str, checkpoint: Path) -> LoadPlan:
        directory = self._stores.paths.predictor_dir(project_id, experiment_id)
        make_directory(directory)
        payload = PredictPayload(
            task=self._lookup.find_spec(project_id).id,
            experiment_id=experiment_id,
            checkpoint_path=str(checkpoint),
            limits=self._limits,
        )
        return LoadPlan(payload, directory, subject={"experiment_id": experiment_id})
