"""Everything about an experiment's current run in one reading, and which actions its state allows. Changes nothing."""

from __future__ import annotations

from app.core.collaborators import Collaborators
from app.core.exceptions import DatasetNotImportedError, SplitNotFoundError
from app.core.jobs.queue import required_slots
from app.core.runs.more_epochs import propose_epochs
from app.core.runs.resuming import describe_resume, find_resume_obstacle
from app.core.runs.training import RESUMABLE_STATUSES, say_nothing_to_keep
from app.core.views.shown_metrics import find_best, find_first_metric, find_monitored, find_shown_metrics
from app.schemas.experiments import (
    CheckpointInfo,
    CheckpointName,
    ExperimentRecord,
    QueueEntry,
    RunConfigRecord,
    RunRecord,
)
from app.schemas.jobs import JobCommand, JobRecord
from app.schemas.training_results import Blocker, QueueView, RunAction, RunFigures, TrainingResults
from app.storage.experiment_repository import CHECKPOINT_NAMES
from app.storage.json_store import CorruptDocumentError

# What a button says after it was pressed, and what those beside it say that cannot be pressed then; training_results.js
# says the same.
ASKED_FOR: dict[JobCommand, tuple[str, str]] = {
    "pause": ("It pauses after this batch.", "The run is pausing. Stop it when it is paused."),
    "stop_keep": ("It stops after this batch.", "The run is stopping."),
    "cancel": ("It ends after this batch.", "The run is being cancelled."),
}
ENDED_STATUSES = RESUMABLE_STATUSES | {"completed"}


class TrainingResultsService:
    """Reads what the results column shows."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._bus = shared.bus
        self._scheduler = shared.scheduler
        self._live = shared.live
        self._views = shared.views
        self._source_names = shared.source_names

    def get_results(self, project_id: str, experiment_id: str) -> TrainingResults:
        """Return an experiment with its current run; raises NotFoundError, ExperimentNotFoundError.

        The newest event is read first, so that a follower who begins there misses nothing of what is read after it.
        """
        self._lookup.find_project(project_id)
        seq = self._bus.last_seq(project_id)
        record = self._lookup.find_experiment(project_id, experiment_id)
        experiments, spec = self._stores.experiments, self._lookup.find_spec(project_id)
        run = self._name_skipped(project_id, self._read_run(project_id, record))
        found = experiments.list_checkpoints(project_id, record)
        checkpoints = {name: found[name] for name in CHECKPOINT_NAMES if name in found}
        figures = self._live.get(run.job_id if run else None)
        ids = project_id, experiment_id
        epochs = experiments.read_metrics(*ids, run.id).epochs if run else []
        config = experiments.read_run_config(*ids, run.id) if run else None
        monitored = find_monitored(spec, config, epochs)
        direction = spec.direction(monitored)
        best_epoch, best_metric = find_best(record, epochs, monitored, direction)
        return TrainingResults(
            project_id=project_id,
            seq=seq,
            experiment=record,
            run=run,
            epochs=epochs,
            config=config,
            figures=figures,
            queue=self._read_queue(project_id, run),
            runs=experiments.read_runs(*ids),
            checkpoints=checkpoints,
            log_bytes=self._measure_log(project_id, run),
            reasons=self._find_reasons(project_id, record, checkpoints, figures, config),
            resume_changes=describe_resume(record, config) if record.status in RESUMABLE_STATUSES else "",
            metrics=find_shown_metrics(spec, monitored),
            primary_metric=find_first_metric(spec, monitored),
            monitored_metric=monitored,
            monitored_direction=direction,
            best_epoch=best_epoch,
            best_metric=best_metric,
            hyperparameter_schema=spec.hyperparameters.model_json_schema(),
            num_images=self._lookup.count_subsets(project_id, record.split_name) if record.status == "created" else {},
            more_epochs=propose_epochs(self._stores, project_id, record) if record.status == "completed" else 0,
            num_val_copies=self._count_val_copies(project_id, record),
        )

    def _find_reasons(
        self,
        project_id: str,
        record: ExperimentRecord,
        checkpoints: dict[CheckpointName, CheckpointInfo],
        figures: RunFigures,
        config: RunConfigRecord | None,
    ) -> dict[RunAction, str]:
        missing = self._lookup.explain_missing_images(project_id, record.split_name)
        reasons = find_reasons(record, checkpoints, figures, missing)
        if "resume" not in reasons:
            obstacle = find_resume_obstacle(self._lookup, project_id, record, config)
            reasons |= {"resume": obstacle} if obstacle else {}
        return reasons

    def _name_skipped(self, project_id: str, run: RunRecord | None) -> RunRecord | None:
        """Return the run with the names that skipped images have in the source."""
        if run is None or not run.skipped:
            return run
        return run.model_copy(update={"skipped": self._source_names.add_to(project_id, run.skipped)})

    def _read_run(self, project_id: str, record: ExperimentRecord) -> RunRecord | None:
        if record.current_run_id is None:
            return None
        try:
            return self._stores.experiments.read_run(project_id, record.id, record.current_run_id)
        except (FileNotFoundError, CorruptDocumentError):
            return None

    def _measure_log(self, project_id: str, run: RunRecord | None) -> int:
        if run is None:
            return 0
        path = self._stores.paths.run_dir(project_id, run.experiment_id, run.id) / "logs" / "training.log"
        return path.stat().st_size if path.is_file() else 0

    def _count_val_copies(self, project_id: str, record: ExperimentRecord) -> int:
        try:
            table, index = self._lookup.find_split(project_id, record.split_name)
        except (DatasetNotImportedError, SplitNotFoundError):
            return 0
        return self._views.view(project_id, table).leaks_of(index).identical.val_in_train

    def _read_queue(self, project_id: str, run: RunRecord | None) -> QueueView:
        names = {record.id: record.name for record in self._stores.experiments.read_all(project_id)}
        waiting = self._scheduler.list_queue()
        ours = [job for job in waiting if job.project_id == project_id and job.kind == "train"]
        entries = [
            QueueEntry(
                run_id=job.subject["run_id"],
                experiment_id=job.subject["experiment_id"],
                experiment_name=names.get(job.subject["experiment_id"], job.subject["experiment_id"]),
                job_id=job.id,
                position=position,
                created_at=job.created_at,
            )
            for position, job in enumerate(ours)
        ]
        place = next((at for at, job in enumerate(waiting) if run is not None and job.id == run.job_id), None)
        if place is None:
            return QueueView(entries=entries)
        wanted = set(required_slots(waiting[place]))
        before = [job for job in waiting[:place] if wanted & set(required_slots(job))]
        blockers = [self._describe_blocker(job, project_id, names) for job in self._find_running(wanted)]
        return QueueView(entries=entries, blockers=blockers, num_before=len(before))

    def _find_running(self, slots: set[str]) -> list[JobRecord]:
        running = [job for job in self._scheduler.list_jobs() if job.status == "running"]
        return [job for job in running if slots & set(required_slots(job))]

    def _describe_blocker(self, job: JobRecord, project_id: str, names: dict[str, str]) -> Blocker:
        name = names.get(job.subject.get("experiment_id", "")) if job.project_id == project_id else None
        return Blocker(kind=job.kind, devices=list(job.devices), experiment_name=name)


def find_reasons(
    record: ExperimentRecord,
    checkpoints: dict[CheckpointName, CheckpointInfo],
    figures: RunFigures,
    missing_images: str = "",
) -> dict[RunAction, str]:
    """Return why each action is not possible now; the services refuse the same.

    `missing_images` says that the dataset or the split is gone, and holds for all that reads images.
    """
    status = record.status
    reasons = _find_reasons_against_ending(record, "best" in checkpoints, figures)
    if missing_images:
        reasons |= dict.fromkeys(("resume", "restart", "more", "evaluate", "export"), missing_images)
    if status not in RESUMABLE_STATUSES:
        reasons["resume"] = reasons["keep"] = f"An experiment that is {status} has no run to continue."
    else:
        why = "The run stopped before its first checkpoint" if record.started_at else "The run was never started"
        if "last" not in checkpoints:
            reasons["resume"] = f"{why}, so it cannot be resumed."
        if "best" not in checkpoints:
            reasons["keep"] = say_nothing_to_keep(record)
    if status not in ENDED_STATUSES:
        reasons["restart"] = "There is no run to restart." if status == "created" else "Stop the run first."
    if not checkpoints:
        reasons["fork"] = reasons["more"] = "There is no checkpoint to start from."
    if status != "completed":
        reasons["evaluate"] = reasons["export"] = "Only a completed experiment can be evaluated and exported."
    elif not checkpoints:
        reasons["evaluate"] = reasons["export"] = "The checkpoints of this run were deleted."
    return reasons


def _find_reasons_against_ending(record: ExperimentRecord, has_best: bool, figures: RunFigures) -> dict[RunAction, str]:
    actions: tuple[RunAction, ...] = ("pause", "stop_keep", "cancel")
    if record.status == "pending":
        return dict.fromkeys(actions[:2], "The run is still queued.")
    if record.status != "training":
        return dict.fromkeys(actions, f"No run is active; the experiment is {record.status}.")
    if figures.asked is not None:
        blocked = actions if figures.asked == "cancel" else actions[:2]
        return {action: ASKED_FOR[figures.asked][action != figures.asked] for action in blocked}
    return {} if has_best else {"stop_keep": "There is no best checkpoint to keep until the first epoch is finished."}
