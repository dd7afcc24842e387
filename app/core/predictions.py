"""Predictions: a job process per experiment that keeps its model loaded and answers one image after the other."""

from __future__ import annotations

import secrets
import shutil
import threading
from pathlib import Path
from typing import BinaryIO

from app.config import Settings
from app.core.answers import wait_for_answer
from app.core.evaluations import cancel_and_wait
from app.core.exceptions import ConflictError, ValidationFailedError
from app.core.gate import ProjectGate
from app.core.jobs.scheduler import JobScheduler
from app.core.lookup import Lookup
from app.core.stores import Stores
from app.durable import make_directory
from app.schemas.common import new_id
from app.schemas.events import AnyEvent
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord
from app.schemas.payloads import ImportLimits, PredictPayload
from app.schemas.predict import Prediction

MAX_PREDICTORS = 2
TRAINED_STATUSES = frozenset({"completed", "paused", "cancelled", "interrupted", "failed"})


class PredictionService:
    """Answers images; observes jobs of the kind `predict`."""

    def __init__(self, stores: Stores, scheduler: JobScheduler, gate: ProjectGate, settings: Settings) -> None:
        self._stores = stores
        self._lookup = Lookup(stores)
        self._scheduler = scheduler
        self._gate = gate
        self._limits = ImportLimits(max_pixels=settings.max_pixels)
        self._mutex = threading.Lock()
        self._predictors: dict[tuple[str, str, int], str] = {}
        scheduler.register("predict", self)

    def predict(self, project_id: str, experiment_id: str, image: BinaryIO) -> Prediction:
        """Return what the best checkpoint says of an image; raises ConflictError without a trained model."""
        job_id, directory = self._ensure_predictor(project_id, experiment_id)
        request_id = secrets.token_hex(8)
        image_path = directory / f"{request_id}.image"
        try:
            with image_path.open("wb") as target:
                shutil.copyfileobj(image, target, 1 << 20)
            self._scheduler.message(job_id, {"id": request_id, "image_path": str(image_path)})
            answer = wait_for_answer(self._scheduler, job_id, directory / f"{request_id}.json")
        finally:
            image_path.unlink(missing_ok=True)
        if answer.pop("status") != "ok":
            raise ValidationFailedError(str(answer.get("message", "The image cannot be read.")))
        return Prediction(experiment_id=experiment_id, **answer)

    def stop_project(self, project_id: str) -> None:
        """End the predictors of a project that is going to be deleted."""
        with self._mutex:
            keys = [key for key in self._predictors if key[0] == project_id]
            jobs = [self._predictors.pop(key) for key in keys]
        for job_id in jobs:
            cancel_and_wait(self._scheduler, job_id)

    def on_started(self, job: JobRecord) -> None:
        """Nothing to record."""

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        """Keep the chatter of a predictor out of the project's log."""
        return False

    def on_finished(self, job: JobRecord) -> None:
        """Forget a predictor that ended, idle or not."""
        with self._mutex:
            for key in [key for key, job_id in self._predictors.items() if job_id == job.id]:
                del self._predictors[key]

    def _ensure_predictor(self, project_id: str, experiment_id: str) -> tuple[str, Path]:
        with self._gate.enter(project_id):
            record = self._lookup.find_experiment(project_id, experiment_id)
            if record.status not in TRAINED_STATUSES:
                msg = f"The experiment {record.name!r} is {record.status}; there is no finished model to ask."
                raise ConflictError(msg)
            checkpoint = self._lookup.find_checkpoint(project_id, record, "best")
            key = (project_id, experiment_id, checkpoint.stat().st_mtime_ns)
            directory = self._stores.paths.predictor_dir(project_id, experiment_id)
            with self._mutex:
                job_id = self._predictors.get(key)
            if job_id is not None and self._scheduler.get(job_id).status not in TERMINAL_JOB_STATUSES:
                return job_id, directory
            make_directory(directory)
            self._make_room()
            payload = PredictPayload(
                task=self._lookup.find_spec(project_id).id,
                experiment_id=experiment_id,
                checkpoint_path=str(checkpoint),
                limits=self._limits,
            )
            job_id = new_id("job")
            with self._mutex:
                self._predictors[key] = job_id
            self._scheduler.submit(
                "predict",
                project_id,
                payload,
                directory,
                subject={"experiment_id": experiment_id},
                devices=[],
                job_id=job_id,
                is_service=True,
            )
            return job_id, directory

    def _make_room(self) -> None:
        with self._mutex:
            surplus = list(self._predictors.items())[: max(0, len(self._predictors) - MAX_PREDICTORS + 1)]
            for key, _ in surplus:
                del self._predictors[key]
        for _, job_id in surplus:
            self._scheduler.cancel(job_id)
