"""What the form of an experiment's settings needs, read in one call. Changes nothing, knows nothing of HTML."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.collaborators import Collaborators
from app.core.devices import list_devices
from app.core.exceptions import DatasetNotImportedError, SplitNotFoundError
from app.core.runs.checks import RunChecker
from app.core.runs.metric_advice import MetricAdvisor
from app.core.runs.more_epochs import propose_epochs
from app.core.runs.resuming import describe_later_changes
from app.core.runs.training import say_untrainable
from app.core.tasks import TaskService
from app.schemas.experiments import ACTIVE_EXPERIMENT_STATUSES, ExperimentRecord
from app.schemas.tasks import ArchitectureSpec, TaskInfo
from app.schemas.training_views import SettingsView, WeightsState


class SettingsViews:
    """Reads the settings of experiments, with what may be changed and why not."""

    def __init__(self, shared: Collaborators, tasks: TaskService, checker: RunChecker) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._settings = shared.settings
        self._tasks = tasks
        self._checker = checker
        self._advisor = MetricAdvisor(shared.lookup)

    def get(self, project_id: str, experiment_id: str) -> SettingsView:
        """Return what the form of an experiment needs; raises ExperimentNotFoundError."""
        record = self._lookup.find_experiment(project_id, experiment_id)
        spec = self._lookup.find_spec(project_id)
        weights_dir = self._settings.resolved_weights_dir
        return SettingsView(
            record=record,
            task=TaskInfo.model_validate(spec.info),
            hyperparameters=self._tasks.get_schema(spec.id),
            split_names=self._lookup.list_split_names(project_id) or [],
            devices=list_devices(self._settings.default_device),
            weights={
                item.id: WeightsState(file=item.weights_file, is_here=(weights_dir / item.weights_file).is_file())
                for item in spec.info.architectures
                if item.weights_file
            },
            lock_reason=self._say_locked(project_id, record),
            advice=self._advisor.advise(project_id, record),
            checks=self._checker.list_checks(project_id, record),
            prefers_pretrained=self._prefers_pretrained(spec.info.architectures, record),
            more_epochs=self._propose_epochs(project_id, record),
            train_refusal=self._say_untrainable(project_id, record),
        )

    def _say_locked(self, project_id: str, record: ExperimentRecord) -> str:
        config = None
        if record.status == "completed" and record.current_run_id is not None:
            config = self._stores.experiments.read_run_config(project_id, record.id, record.current_run_id)
        return say_locked(record, describe_later_changes(record, config))

    def _say_untrainable(self, project_id: str, record: ExperimentRecord) -> str:
        if reason := say_untrainable(record):
            return reason
        try:
            self._lookup.find_split(project_id, record.split_name)
        except DatasetNotImportedError as error:
            return error.message
        except SplitNotFoundError:
            return f"The split {record.split_name!r} no longer exists. Choose another one and save."
        return ""

    def _prefers_pretrained(self, architectures: Sequence[ArchitectureSpec], record: ExperimentRecord) -> bool:
        found = (item for item in architectures if item.id == record.model.backbone)
        return any(self._checker.weights.prefers_pretrained(item) for item in found)

    def _propose_epochs(self, project_id: str, record: ExperimentRecord) -> int:
        if record.status != "completed" or not self._stores.experiments.list_checkpoints(project_id, record):
            return 0
        if self._lookup.explain_missing_images(project_id, record.split_name):
            return 0
        return propose_epochs(self._stores, project_id, record)


def say_locked(record: ExperimentRecord, changed_since: str = "") -> str:
    """Return why the settings of an experiment cannot be changed now, with what to do; empty when they can.

    `changed_since` names settings that were changed after its run, which the API allows.
    """
    if record.status in ACTIVE_EXPERIMENT_STATUSES:
        if record.status == "pending":
            return "A run is queued with these settings. Remove it from the queue to change them."
        return "A run is in progress with these settings. To try other settings, duplicate the experiment."
    if record.status == "completed" and changed_since:
        return (
            f"Settings were changed after the model was trained: {changed_since}. "
            f"Duplicate the experiment to train with these settings."
        )
    if record.status == "completed":
        return "The model was trained with these settings. Duplicate the experiment to try others."
    return ""
