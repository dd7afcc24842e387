"""Experiments: what the user configures and compares. Running them is `runs/training.py`."""

from __future__ import annotations

from app.core.announcing import announce_change
from app.core.collaborators import Collaborators
from app.core.exceptions import ConflictError, RunNotFoundError, TrainingInProgressError, invalid_field
from app.core.experiment_building import ExperimentBuilder, renew
from app.core.experiment_jobs import list_jobs_of, say_undeletable
from app.core.jobs.cancelling import cancel_and_wait
from app.schemas.experiments import (
    ACTIVE_EXPERIMENT_STATUSES,
    DuplicateRequest,
    ExperimentCreate,
    ExperimentDeleted,
    ExperimentList,
    ExperimentRecord,
    ExperimentUpdate,
    ForkRequest,
    MetricsRecord,
    RunList,
)
from app.schemas.names import add_suffix, fold_name
from app.storage.paths import UnsafePathError


class ExperimentService:
    """What can be done with experiments besides running them."""

    def __init__(self, shared: Collaborators, builder: ExperimentBuilder) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._bus = shared.bus
        self._scheduler = shared.scheduler
        self._gate = shared.gate
        self._builder = builder

    def list_experiments(self, project_id: str) -> ExperimentList:
        """Return the experiments of a project, oldest first."""
        self._lookup.find_project(project_id)
        return ExperimentList(experiments=self._stores.experiments.read_all(project_id))

    def get_experiment(self, project_id: str, experiment_id: str) -> ExperimentRecord:
        """Return an experiment; raises ExperimentNotFoundError."""
        return self._lookup.find_experiment(project_id, experiment_id)

    def create_experiment(self, project_id: str, request: ExperimentCreate) -> ExperimentRecord:
        """Create an experiment over the task's defaults; raises SplitNotFoundError, DatasetNotImportedError."""
        spec = self._lookup.find_spec(project_id)
        with self._gate.enter(project_id):
            split_name = self._lookup.choose_split(project_id, request.split_name)
            record = self._builder.build(spec, split_name, request)
            self._stores.experiments.create(project_id, record)
        announce_change(self._bus, project_id, "experiment", record.id, "created")
        return record

    def update_experiment(self, project_id: str, experiment_id: str, request: ExperimentUpdate) -> ExperimentRecord:
        """Change an experiment; only name and description while a run is pending or running."""
        with self._gate.enter(project_id):
            record = self._lookup.find_experiment(project_id, experiment_id)
            changed = self._builder.apply(project_id, record, request)
            only_labels = request.model_fields_set <= {"name", "description"}
            if record.status in ACTIVE_EXPERIMENT_STATUSES and not only_labels:
                msg = "A run of this experiment is pending or running; only name and description can be changed."
                raise TrainingInProgressError(msg)
            names = [name for name in type(record).model_fields if getattr(changed, name) is not getattr(record, name)]
            copied = {name: getattr(changed, name) for name in names}
            updated = self._stores.experiments.update(
                project_id, experiment_id, lambda current: current.model_copy(update=copied)
            )
        announce_change(self._bus, project_id, "experiment", experiment_id, "changed")
        return updated

    def delete_experiment(self, project_id: str, experiment_id: str) -> ExperimentDeleted:
        """Delete an experiment with its runs and evaluation; refused while a job works on it."""
        with self._gate.enter(project_id):
            self._lookup.find_experiment(project_id, experiment_id)
            if reason := say_undeletable(self._scheduler, project_id, experiment_id):
                raise TrainingInProgressError(reason)
            for job in list_jobs_of(self._scheduler, project_id, experiment_id):
                if job.is_service:
                    cancel_and_wait(self._scheduler, job.id)
            self._stores.experiments.delete(project_id, experiment_id)
        announce_change(self._bus, project_id, "experiment", experiment_id, "deleted")
        return ExperimentDeleted(project_id=project_id, experiment_id=experiment_id)

    def duplicate_experiment(self, project_id: str, experiment_id: str, request: DuplicateRequest) -> ExperimentRecord:
        """Create an experiment with the same settings and no runs; of a fork it starts from the same weights."""
        with self._gate.enter(project_id):
            record = self._lookup.find_experiment(project_id, experiment_id)
            name = request.name or self.find_free_name(project_id, record.name, " copy")
            start = self._stores.experiments.find_start(project_id, record)
            copy = renew(record, name, parent=record.parent if start is not None else None)
            if start is not None:
                self._stores.experiments.create_fork(project_id, copy, start)
            else:
                self._stores.experiments.create(project_id, copy)
        announce_change(self._bus, project_id, "experiment", copy.id, "created")
        return copy

    def fork_experiment(self, project_id: str, experiment_id: str, request: ForkRequest) -> ExperimentRecord:
        """Create an experiment that will start from the weights of a checkpoint of this one."""
        with self._gate.enter(project_id):
            record = self._lookup.find_experiment(project_id, experiment_id)
            checkpoint = self._lookup.find_checkpoint(project_id, record, request.checkpoint)
            parent = {
                "experiment_id": record.id,
                "run_id": record.current_run_id or "",
                "checkpoint": request.checkpoint,
            }
            fork = self._builder.apply(project_id, renew(record, request.name, parent), request.changes)
            if fork.model.backbone != record.model.backbone:
                raise invalid_field("changes.model.backbone", "A fork must have the same architecture as its parent.")
            self._stores.experiments.create_fork(project_id, fork, checkpoint)
        announce_change(self._bus, project_id, "experiment", fork.id, "created")
        return fork

    def read_metrics(self, project_id: str, experiment_id: str) -> MetricsRecord:
        """Return the epochs of the current run, none before the first."""
        record = self._lookup.find_experiment(project_id, experiment_id)
        if record.current_run_id is None:
            return MetricsRecord()
        return self._stores.experiments.read_metrics(project_id, experiment_id, record.current_run_id)

    def list_runs(self, project_id: str, experiment_id: str) -> RunList:
        """Return the runs of an experiment, newest first."""
        self._lookup.find_experiment(project_id, experiment_id)
        try:
            return RunList(runs=self._stores.experiments.read_runs(project_id, experiment_id))
        except UnsafePathError as error:
            raise RunNotFoundError(str(error)) from error

    def find_free_name(self, project_id: str, name: str, suffix: str) -> str:
        """Return a name with a suffix that no experiment has yet, with a number where that is needed."""
        taken = {fold_name(record.name) for record in self._stores.experiments.read_all(project_id)}
        for number in range(1, len(taken) + 2):
            candidate = add_suffix(name, suffix if number == 1 else f"{suffix} {number}")
            if fold_name(candidate) not in taken:
                return candidate
        msg = f"There is no free name for a copy of {name!r}. Rename it first."
        raise ConflictError(msg)
