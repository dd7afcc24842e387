"""Records what a run reports: experiment.json, run.json, config.json and metrics.json follow its events.

Every handler can be repeated: after a crash of the server the rest of a job's log is handled again from where the
project's log ends.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from app.core.announcing import announce
from app.core.boundaries import skipping
from app.core.collaborators import Collaborators
from app.core.measurements import keep_measurement
from app.core.runs.resuming import IGNORED, settings_of_run
from app.schemas.common import format_time, utc_now
from app.schemas.events import (
    AnyEvent,
    BestModelUpdated,
    CheckpointSaved,
    EpochFinished,
    ExperimentStatusChanged,
    FinishedStatus,
    RunConfigResolved,
    RunRecovered,
    SamplesSkipped,
    StageStatus,
    StageStatusValue,
    TrainRunFinished,
)
from app.schemas.experiments import (
    REQUESTED,
    CheckpointInfo,
    ExperimentRecord,
    ExperimentStatus,
    RunConfigRecord,
    RunRecord,
    RunRecovery,
)
from app.schemas.jobs import JobRecord, JobStatus

logger = logging.getLogger(__name__)
MIB = 2**20
MAX_NAMED_SKIPPED = 20
FINISHED: dict[JobStatus, FinishedStatus] = {
    "completed": "success",
    "failed": "failed",
    "cancelled": "cancelled",
    "paused": "paused",
    "interrupted": "interrupted",
}
STAGE: dict[JobStatus, StageStatusValue] = {"completed": "COMPLETED", "paused": "PENDING", "cancelled": "SKIPPED"}


class RunObserver:
    """Observes jobs of the kind `train`."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._bus = shared.bus
        self._live = shared.live
        self._first_event_at: dict[str, str] = {}
        shared.scheduler.register("train", self)

    def on_started(self, job: JobRecord) -> None:
        """The run has begun."""
        now = utc_now()
        self._update_run(job, {"status": "running", "started_at": now})
        record = self._update_experiment(job, {"status": "training"}, only_missing={"started_at": now})
        self._publish_status(job, record)

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        """Let a fact of the run change the records that it concerns."""
        self._first_event_at.setdefault(job.id, utc_now())
        self._live.note(job.id, event)
        if isinstance(event, EpochFinished):
            ids = job.subject["experiment_id"], job.subject["run_id"]
            self._stores.experiments.add_epoch(job.project_id, *ids, event.metrics)
        elif isinstance(event, RunRecovered):
            # It trains them again with other settings, and may be paused before it has.
            ids = job.subject["experiment_id"], job.subject["run_id"]
            self._stores.experiments.drop_epochs(job.project_id, *ids, event.epoch)
            self._record_recovery(job, event)
        elif isinstance(event, CheckpointSaved):
            self._record_checkpoint(job, event)
        elif isinstance(event, BestModelUpdated):
            self._update_experiment(job, {"best_metric": event.metric})
        elif isinstance(event, RunConfigResolved):
            self._record_config(job, event)
        elif isinstance(event, SamplesSkipped):
            self._record_skipped(job, event)
        return True

    def on_finished(self, job: JobRecord) -> None:
        """The run has ended, one way or another."""
        keep_measurement(self._stores, job, self._first_event_at.pop(job.id, None))
        result = job.result or {}
        changes: dict[str, Any] = {"completed_at": self._find_end(job), "error": job.error}
        if not self._is_behind(job, result):
            changes |= {key: result[key] for key in ("best_epoch", "best_metric", "final_metrics") if key in result}
        self._update_run(job, {**changes, "status": job.status})
        run_id = job.subject["run_id"]
        self._record_missed_checkpoints(job, run_id, result.get("checkpoints", {}))
        settings = self._read_trained_settings(job) if job.status == "completed" else {}
        record = self._update_experiment(job, {**settings, **changes, "status": _experiment_status(job.status)})
        finished = TrainRunFinished(
            run_id=run_id, status=FINISHED[job.status], final_metrics=result.get("final_metrics", {})
        )
        stage = StageStatus(
            stage_id="TRAIN",
            status=STAGE.get(job.status, "FAILED"),
            message=job.error.message if job.error is not None else "",
        )
        announce(self._bus, job.project_id, finished, run_id=run_id, stage_id="TRAIN", job_id=job.id)
        announce(self._bus, job.project_id, stage, run_id=run_id, job_id=job.id)
        self._publish_status(job, record)
        self._live.forget(job.id)

    def _read_trained_settings(self, job: JobRecord) -> dict[str, Any]:
        """Return the settings that a completed run used; the experiment may have got others that it ignored."""
        ids = job.project_id, job.subject["experiment_id"]
        config = self._stores.experiments.read_run_config(*ids, job.subject["run_id"])
        return settings_of_run(self._stores.experiments.read(*ids), config)

    def _is_behind(self, job: JobRecord, result: dict[str, Any]) -> bool:
        """Return whether a run ended before the epochs that it had reached earlier: what is known of these holds on."""
        epochs = self._stores.experiments.read_metrics(
            job.project_id, job.subject["experiment_id"], job.subject["run_id"]
        ).epochs
        done = result.get("epochs_done")
        return isinstance(done, int) and bool(epochs) and done < epochs[-1].epoch

    def _find_end(self, job: JobRecord) -> str:
        """Return when a run ended: one whose server died ended with its last event, not when it is found."""
        now = utc_now()
        if job.status != "interrupted":
            return now
        path = self._stores.paths.job_dir(job.project_id, job.id) / "events.jsonl"
        try:
            last = format_time(path.stat().st_mtime)
        except OSError:
            return now
        return max(last, job.started_at or "") if last < now else now

    def recover(self, living_jobs: Collection[str]) -> None:
        """Mark as interrupted what is pending or training although no job works on it."""
        for project_id in self._stores.projects.list_ids():
            for record in self._stores.experiments.read_all(project_id):
                with skipping(f"The experiment {record.id}"):
                    self._end_orphaned_runs(project_id, record, living_jobs)
                    if record.status in {"pending", "training"}:
                        self._recover_orphan(project_id, record, living_jobs)

    def _end_orphaned_runs(self, project_id: str, record: ExperimentRecord, living_jobs: Collection[str]) -> None:
        """Also those that a kill kept from becoming the current run of their experiment."""
        for run in self._stores.experiments.read_runs(project_id, record.id):
            if run.status in {"pending", "running"} and run.job_id not in living_jobs:
                self._stores.experiments.update_run(project_id, record.id, run.id, {"status": "interrupted"})

    def _recover_orphan(self, project_id: str, record: ExperimentRecord, living_jobs: Collection[str]) -> None:
        experiments = self._stores.experiments
        runs = [run for run in experiments.read_runs(project_id, record.id) if run.id == record.current_run_id]
        if runs and runs[0].job_id in living_jobs:
            return
        logger.warning("The experiment %s is %s without a job; it is interrupted.", record.id, record.status)
        experiments.update(project_id, record.id, lambda current: current.model_copy(update={"status": "interrupted"}))

    def _record_checkpoint(self, job: JobRecord, event: CheckpointSaved) -> None:
        info = CheckpointInfo(
            path=f"runs/{event.run_id}/{event.path}", size_mb=round(event.size_bytes / MIB, 3), epoch=event.epoch
        )

        def change(record: ExperimentRecord) -> ExperimentRecord:
            update: dict[str, Any] = {"checkpoints": {**record.checkpoints, event.name: info}}
            if event.name == "best":
                update["best_epoch"] = event.epoch
            return record.model_copy(update=update)

        self._stores.experiments.update(job.project_id, job.subject["experiment_id"], change)

    def _record_missed_checkpoints(self, job: JobRecord, run_id: str, found: dict[str, Any]) -> None:
        """Record files that no event told of, because an earlier process ended between writing one and saying so."""
        record = self._stores.experiments.read(job.project_id, job.subject["experiment_id"])
        missed = {
            name: CheckpointInfo(**{**item, "path": f"runs/{run_id}/{item['path']}"})
            for name, item in found.items()
            if name not in record.checkpoints
        }
        if missed:  # seldom, so that the end of a run is written once
            self._update_experiment(job, {"checkpoints": {**record.checkpoints, **missed}})

    def _record_skipped(self, job: JobRecord, event: SamplesSkipped) -> None:
        named = [sample.model_dump(exclude_defaults=True) for sample in event.images]
        known = self._read_run(job).skipped
        filenames = {sample["filename"] for sample in known}
        fresh = [sample for sample in named if sample["filename"] not in filenames]
        skipped = [*known, *fresh][:MAX_NAMED_SKIPPED]
        self._update_run(job, {"skipped_images": event.count, "skipped": skipped})

    def _record_recovery(self, job: JobRecord, event: RunRecovered) -> None:
        recovery = RunRecovery(**event.model_dump(include=set(RunRecovery.model_fields)))
        known = self._read_run(job).recoveries
        if recovery not in known:
            self._update_run(job, {"recoveries": [*known, recovery]})

    def _read_run(self, job: JobRecord) -> RunRecord:
        ids = job.subject["experiment_id"], job.subject["run_id"]
        return self._stores.experiments.read_run(job.project_id, *ids)

    def _record_config(self, job: JobRecord, event: RunConfigResolved) -> None:
        record = self._stores.experiments.read(job.project_id, job.subject["experiment_id"])
        requested = record.model_dump(mode="json", include=set(REQUESTED))
        earlier = self._stores.experiments.read_run_config(job.project_id, record.id, event.run_id)
        if earlier is not None:
            _keep_ignored(requested, earlier.requested)
        config = RunConfigRecord(
            run_id=event.run_id,
            experiment_id=record.id,
            created_at=utc_now(),
            requested=requested,
            resolved=event.resolved,
        )
        self._stores.experiments.write_run_config(job.project_id, config)

    def _update_run(self, job: JobRecord, changes: dict[str, Any]) -> None:
        ids = job.subject["experiment_id"], job.subject["run_id"]
        self._stores.experiments.update_run(job.project_id, *ids, changes)

    def _update_experiment(
        self, job: JobRecord, changes: dict[str, Any], only_missing: dict[str, Any] | None = None
    ) -> ExperimentRecord:
        def change(record: ExperimentRecord) -> ExperimentRecord:
            missing = {key: value for key, value in (only_missing or {}).items() if getattr(record, key) is None}
            return record.model_copy(update={**changes, **missing})

        return self._stores.experiments.update(job.project_id, job.subject["experiment_id"], change)

    def _publish_status(self, job: JobRecord, record: ExperimentRecord) -> None:
        event = ExperimentStatusChanged(experiment_id=record.id, status=record.status)
        announce(self._bus, job.project_id, event, run_id=job.subject["run_id"], job_id=job.id)


def _keep_ignored(requested: dict[str, Any], earlier: dict[str, Any]) -> None:
    """Let a resumed run keep the values of settings that it does not read again."""
    for key in IGNORED:
        part, name = key.split(".")
        before = earlier.get(part)
        if isinstance(before, dict) and name in before:
            requested[part][name] = before[name]


def _experiment_status(status: JobStatus) -> ExperimentStatus:
    return "training" if status == "running" else status
