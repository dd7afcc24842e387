"""Evaluations: one per experiment, each in a job of its own."""

from __future__ import annotations

from typing import Any

from app.core.announcing import announce_change
from app.core.collaborators import Collaborators
from app.core.devices import require_devices
from app.core.evaluation_observer import ACTIVE_STATUSES, EvaluationObserver
from app.core.evaluation_reports import find_headline
from app.core.exceptions import ConflictError, NotFoundError, invalid_field
from app.core.jobs.cancelling import cancel_and_wait
from app.core.payloads import locate_dataset
from app.core.runs.trained_splits import find_trained_splits, find_untrained
from app.schemas.common import new_id, utc_now
from app.schemas.evaluation import (
    CheckpointList,
    EvaluationDeleted,
    EvaluationRecord,
    EvaluationRequest,
    EvaluationView,
    NamedCheckpoint,
)
from app.schemas.jobs import TERMINAL_JOB_STATUSES
from app.schemas.payloads import EvaluatePayload


class EvaluationService:
    """Starts, shows and resets evaluations."""

    def __init__(self, shared: Collaborators, observer: EvaluationObserver) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._bus = shared.bus
        self._scheduler = shared.scheduler
        self._gate = shared.gate
        self._views = shared.views
        self._settings = shared.settings
        self._source_names = shared.source_names
        self._observer = observer

    def start_evaluation(self, project_id: str, experiment_id: str, request: EvaluationRequest) -> EvaluationRecord:
        """Queue an evaluation; a completed one stays until this has completed, too.

        Raises ConflictError, CheckpointNotFoundError, or OSError, after which nothing has changed.
        """
        with self._gate.enter(project_id):
            record = self._lookup.find_completed(project_id, experiment_id, "evaluated")
            checkpoint = self._lookup.find_checkpoint(project_id, record, request.checkpoint)
            self._refuse_active(project_id, experiment_id)
            self._check_subsets(project_id, record.split_name, list(request.split_subsets))
            require_devices([request.device])
            evaluation = EvaluationRecord(
                **request.model_dump(),
                split_name=record.split_name,
                created_at=utc_now(),
                job_id=new_id("job"),
                run_id=record.current_run_id,
            )
            learned = find_trained_splits(self._stores, self._views, project_id, record)
            directory = self._stores.evaluations.create(project_id, experiment_id, evaluation)
            payload = EvaluatePayload(
                task=self._lookup.find_spec(project_id).id,
                experiment_id=experiment_id,
                run_id=record.current_run_id or "",
                checkpoint_path=str(checkpoint),
                dataset=locate_dataset(self._stores, project_id, self._settings),
                split_name=record.split_name,
                split_subsets=request.split_subsets,
                batch_size=request.batch_size,
                device=request.device,
                trained_splits=learned.names,
                redrawn_splits=learned.redrawn,
            )
            try:
                self._scheduler.submit(
                    "evaluate",
                    project_id,
                    payload,
                    directory,
                    subject={"experiment_id": experiment_id, "run_id": record.current_run_id or ""},
                    devices=[request.device],
                    job_id=evaluation.job_id,
                )
            except OSError:
                self._stores.evaluations.withdraw(directory)
                raise
        return evaluation

    def get_evaluation(self, project_id: str, experiment_id: str) -> EvaluationView:
        """Return the evaluation with its aggregate, nulls where there is none."""
        experiment = self._lookup.find_experiment(project_id, experiment_id)
        record = self._read(project_id, experiment_id)
        trained = find_trained_splits(self._stores, self._views, project_id, experiment)
        redrawn = trained.redrawn
        if record is None:
            return EvaluationView(evaluation=None, aggregate=None, redrawn_splits=redrawn)
        if record.status in ACTIVE_STATUSES:
            live = record.model_copy(update={"progress": self._observer.find_progress(record)})
            return EvaluationView(evaluation=live, aggregate=None, redrawn_splits=redrawn)
        has_result = record.status == "completed"
        aggregate = self._stores.evaluations.read_aggregate(project_id, experiment_id) if has_result else None
        attempt = self._stores.evaluations.read_attempt(project_id, experiment_id)
        failed = self._with_end(attempt) if attempt is not None and attempt.status != "completed" else None
        untrained = find_untrained(self._stores, self._views, project_id, trained) if aggregate is not None else []
        return EvaluationView(
            evaluation=record,
            aggregate=self._complete(project_id, aggregate) if aggregate is not None else None,
            failed_attempt=failed,
            untrained_classes=untrained,
            redrawn_splits=redrawn,
        )

    def _complete(self, project_id: str, aggregate: dict[str, Any]) -> dict[str, Any]:
        """Return an aggregate with its headline, which files of earlier versions lack, and the names of the source."""
        headline = find_headline(self._lookup.find_spec(project_id), aggregate)
        written = {name: figure.model_dump(exclude_none=True) for name, figure in headline.items()}
        return {**self._source_names.name_skipped(project_id, aggregate), "headline": written}

    def reset_evaluation(self, project_id: str, experiment_id: str) -> EvaluationDeleted:
        """Delete the evaluation at once; one that runs is cancelled first."""
        with self._gate.enter(project_id):
            self._lookup.find_experiment(project_id, experiment_id)
            record = self._stores.evaluations.read(project_id, experiment_id)
            if record is not None and record.status in ACTIVE_STATUSES and record.job_id is not None:
                cancel_and_wait(self._scheduler, record.job_id)
            self._stores.evaluations.reset(project_id, experiment_id)
        announce_change(self._bus, project_id, "evaluation", experiment_id, "deleted")
        return EvaluationDeleted(project_id=project_id, experiment_id=experiment_id)

    def list_checkpoints(self, project_id: str, experiment_id: str) -> CheckpointList:
        """Return the checkpoints of the current run whose files exist."""
        record = self._lookup.find_experiment(project_id, experiment_id)
        present = self._stores.experiments.list_checkpoints(project_id, record)
        return CheckpointList(
            checkpoints=[NamedCheckpoint(name=name, **info.model_dump()) for name, info in present.items()]
        )

    def _read(self, project_id: str, experiment_id: str) -> EvaluationRecord | None:
        record = self._stores.evaluations.read(project_id, experiment_id)
        ended = self._with_end(record) if record is not None else None
        if ended is not None and ended.status not in ACTIVE_STATUSES:
            return self._stores.evaluations.read_completed(project_id, experiment_id) or ended
        return ended

    def _with_end(self, record: EvaluationRecord) -> EvaluationRecord:
        """Return the record as its job ended, where a full disk kept the end from being written."""
        if record.status not in ACTIVE_STATUSES or record.job_id is None:
            return record
        try:
            job = self._scheduler.get(record.job_id)
        except NotFoundError:
            return record
        if job.status not in TERMINAL_JOB_STATUSES:
            return record
        changes = {"status": job.status, "error": job.error, "completed_at": job.completed_at}
        return record.model_copy(update=changes)

    def _refuse_active(self, project_id: str, experiment_id: str) -> None:
        record = self._read(project_id, experiment_id)
        if record is not None and record.status in ACTIVE_STATUSES:
            msg = "This experiment is already being evaluated. Wait for the result, or delete the evaluation."
            raise ConflictError(msg)

    def _check_subsets(self, project_id: str, split_name: str, subsets: list[str]) -> None:
        if len(set(subsets)) != len(subsets):
            raise invalid_field("split_subsets", "Each subset can be given only once.")
        table, index = self._lookup.find_split(project_id, split_name)
        present = {image.split[index] for image in table.images}
        for subset in subsets:
            if subset not in present:
                raise invalid_field("split_subsets", f"The split {split_name!r} has no {subset} images.")
