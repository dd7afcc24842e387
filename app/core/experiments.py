"""Experiments: what the user configures and compares. Running them is `runs/training.py`."""

from __future__ import annotations

from typing import Any

from app.config import Settings
from app.core.announcing import announce_change
from app.core.devices import list_devices
from app.core.evaluations import cancel_and_wait
from app.core.events import EventBus
from app.core.exceptions import (
    ConflictError,
    RunNotFoundError,
    TrainingInProgressError,
    ValidationFailedError,
    invalid_field,
)
from app.core.experiment_settings import (
    check_reproducible,
    merge_augmentations,
    move_model_settings,
    resolve_augmentations,
    resolve_hardware,
    resolve_hyperparameters,
    resolve_model,
)
from app.core.gate import ProjectGate
from app.core.jobs.scheduler import JobScheduler
from app.core.lookup import Lookup
from app.core.runs.checks import RunChecker, refuse_changes
from app.core.runs.resuming import find_resume_obstacle
from app.core.runs.training import RESUMABLE_STATUSES, say_untrainable
from app.core.stores import Stores
from app.core.weights import WeightStore
from app.schemas.common import new_id, utc_now
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
    ModelSettings,
    RunList,
)
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord
from app.schemas.names import add_suffix, fold_name
from app.schemas.run_checks import RunCheckList
from app.storage.paths import UnsafePathError
from app.tasks.base import TaskSpec


class ExperimentService:
    """What can be done with experiments besides running them."""

    def __init__(
        self,
        stores: Stores,
        bus: EventBus,
        scheduler: JobScheduler,
        gate: ProjectGate,
        settings: Settings,
        weights: WeightStore,
        checker: RunChecker,
    ) -> None:
        self._stores = stores
        self._lookup = Lookup(stores)
        self._bus = bus
        self._scheduler = scheduler
        self._gate = gate
        self._settings = settings
        self._weights = weights
        self._checker = checker

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
            given, hyperparameters = move_model_settings(request.model, request.hyperparameters)
            model = self._choose_start(spec, given)
            devices = list_devices(self._settings.default_device).default_selected
            hardware = request.hardware.model_dump() if request.hardware else {"selected_devices": devices}
            now = utc_now()
            record = ExperimentRecord(
                id=new_id("exp"),
                name=request.name,
                description=request.description,
                created_at=now,
                updated_at=now,
                split_name=split_name,
                model=model,
                hyperparameters=resolve_hyperparameters(spec, hyperparameters),
                augmentations=resolve_augmentations(spec, request.augmentations),
                hardware=resolve_hardware(hardware),
            )
            check_reproducible(record)
            self._stores.experiments.create(project_id, record)
        announce_change(self._bus, project_id, "experiment", record.id, "created")
        return record

    def update_experiment(self, project_id: str, experiment_id: str, request: ExperimentUpdate) -> ExperimentRecord:
        """Change an experiment; only name and description while a run is pending or running."""
        with self._gate.enter(project_id):
            record = self._lookup.find_experiment(project_id, experiment_id)
            changed = self._apply(project_id, record, request)
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
            copy = _renew(record, name, parent=record.parent if start is not None else None)
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
            fork = self._apply(project_id, _renew(record, request.name, parent), request.changes)
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

    def _apply(self, project_id: str, record: ExperimentRecord, request: ExperimentUpdate) -> ExperimentRecord:
        spec = self._lookup.find_spec(project_id)
        given = request.model_fields_set
        changes: dict[str, Any] = {}
        if "name" in given:
            if request.name is None:
                raise invalid_field("name", "An experiment needs a name.")
            changes["name"] = request.name
        if "description" in given:
            changes["description"] = request.description
        if request.split_name is not None:
            self._lookup.find_split(project_id, request.split_name)
            changes["split_name"] = request.split_name
        model, hyperparameters = move_model_settings(request.model or {}, request.hyperparameters or {})
        if model:
            changes["model"] = resolve_model(spec, model, record.model.model_dump())
        if hyperparameters:
            merged = {**record.hyperparameters, **hyperparameters}
            changes["hyperparameters"] = resolve_hyperparameters(spec, merged)
        if request.augmentations is not None:
            changes["augmentations"] = merge_augmentations(spec, record.augmentations, request.augmentations)
        if request.hardware is not None:
            changes["hardware"] = resolve_hardware({**record.hardware.model_dump(), **request.hardware})
        changed = record.model_copy(update=changes)
        if {"hyperparameters", "hardware"} & changes.keys():
            check_reproducible(changed)
        return changed

    def check_experiment(
        self, project_id: str, experiment_id: str, changes: ExperimentUpdate | None = None
    ) -> RunCheckList:
        """Return what is known before a run of how it will go, with changes as if they had been saved.

        Changes that could not be saved are errors of the list.
        """
        record = self._lookup.find_experiment(project_id, experiment_id)
        try:
            record = self._apply(project_id, record, changes) if changes else record
        except ValidationFailedError as error:
            return refuse_changes(error)
        found = self._checker.list_checks(project_id, record)
        obstacle = self._find_resume_obstacle(project_id, record)
        refusal = (obstacle if record.status == "paused" else "") or say_untrainable(record)
        note = self._say_what_is_checked(project_id, record, obstacle)
        found = found.model_copy(update={"note": note})
        if not refusal:
            return found
        return found.model_copy(update={"refusal": refusal, "missing": "", "can_train": False})

    def _find_resume_obstacle(self, project_id: str, record: ExperimentRecord) -> str:
        """Return what keeps a run that stopped from being resumed."""
        if record.status not in RESUMABLE_STATUSES or record.current_run_id is None:
            return ""
        config = self._stores.experiments.read_run_config(project_id, record.id, record.current_run_id)
        missing = self._lookup.explain_missing_images(project_id, record.split_name)
        return missing or find_resume_obstacle(self._lookup, project_id, record, config)

    def _say_what_is_checked(self, project_id: str, record: ExperimentRecord, obstacle: str) -> str:
        """Return that the checks are about a run from the start, with what Resume would do instead."""
        if record.status not in RESUMABLE_STATUSES or record.current_run_id is None:
            return ""
        about = "These checks are about training from scratch"
        if self._stores.experiments.checkpoint_path(project_id, record, "last") is None:
            return f"{about}. There is no checkpoint to resume from."
        if obstacle:
            return f"{about}." if record.status == "paused" else f"{about}. {obstacle}"
        return f"{about}. Resume instead continues the run from its last checkpoint."

    def _choose_start(self, spec: TaskSpec, given: dict[str, Any]) -> ModelSettings:
        """Return model settings; where nobody says so, `pretrained` follows from the weights on this machine.

        Whoever freezes the backbone wants one that has learned something, so that means pretrained weights too.
        """
        model = resolve_model(spec, given)
        if "pretrained" in given or model.freeze_backbone:
            return model
        architecture = next(item for item in spec.info.architectures if item.id == model.backbone)
        return model.model_copy(update={"pretrained": self._weights.prefers_pretrained(architecture)})

    def find_free_name(self, project_id: str, name: str, suffix: str) -> str:
        """Return a name with a suffix that no experiment has yet, with a number where that is needed."""
        taken = {fold_name(record.name) for record in self._stores.experiments.read_all(project_id)}
        for number in range(1, len(taken) + 2):
            candidate = add_suffix(name, suffix if number == 1 else f"{suffix} {number}")
            if fold_name(candidate) not in taken:
                return candidate
        msg = f"There is no free name for a copy of {name!r}. Rename it first."
        raise ConflictError(msg)


def list_jobs_of(scheduler: JobScheduler, project_id: str, experiment_id: str) -> list[JobRecord]:
    """Return the jobs of an experiment, of any kind and state."""
    jobs = scheduler.list_jobs()
    return [job for job in jobs if job.project_id == project_id and job.subject.get("experiment_id") == experiment_id]


def say_undeletable(scheduler: JobScheduler, project_id: str, experiment_id: str) -> str:
    """Return why an experiment cannot be deleted now, empty when it can."""
    for job in list_jobs_of(scheduler, project_id, experiment_id):
        if not job.is_service and job.status not in TERMINAL_JOB_STATUSES:
            return f"A job ({job.kind}) is using this experiment. Cancel it or wait until it is finished."
    return ""


def _renew(record: ExperimentRecord, name: str, parent: dict[str, str] | None) -> ExperimentRecord:
    now = utc_now()
    return ExperimentRecord(
        id=new_id("exp"),
        name=name,
        description=record.description,
        created_at=now,
        updated_at=now,
        split_name=record.split_name,
        model=record.model,
        hyperparameters=record.hyperparameters,
        augmentations=record.augmentations,
        hardware=record.hardware,
        parent=parent,
    )
