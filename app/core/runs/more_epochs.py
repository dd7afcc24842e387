"""More epochs for a completed run: a fork that starts from its last checkpoint and is trained at once."""

from __future__ import annotations

import re

from app.core.collaborators import Collaborators
from app.core.exceptions import AIStudioError, ConflictError
from app.core.experiments import ExperimentService
from app.core.runs.training import TrainingService
from app.core.stores import Stores
from app.schemas.experiments import CheckpointName, ExperimentRecord, ExperimentUpdate, ForkRequest, RunStarted

MAX_EPOCHS = 1000
WARMUP_EPOCHS = 1
"""A new optimizer knows nothing of the steps before, so the rate rises once more, but not for long."""
_SUFFIX = re.compile(r" \d+ more epochs?( \d+)?$")


class MoreEpochsService:
    """Continues experiments that are completed, whose runs cannot be resumed."""

    def __init__(self, shared: Collaborators, experiments: ExperimentService, training: TrainingService) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._experiments = experiments
        self._training = training

    def train_more(self, project_id: str, experiment_id: str, epochs: int | None) -> RunStarted:
        """Fork an experiment from its last checkpoint and train the fork; without `epochs` for as many as proposed.

        Raises ConflictError for an experiment that is not completed, CheckpointNotFoundError.
        """
        record = self._lookup.find_experiment(project_id, experiment_id)
        if record.status != "completed":
            msg = f"An experiment that is {record.status} has no completed run to continue. Train or resume it."
            raise ConflictError(msg)
        count = epochs or propose_epochs(self._stores, project_id, record)
        found = self._stores.experiments.list_checkpoints(project_id, record)
        checkpoint: CheckpointName = "last" if "last" in found else "best"
        warmup = min(int(record.hyperparameters.get("warmup_epochs", 0)), WARMUP_EPOCHS)
        changes = ExperimentUpdate(hyperparameters={"max_epochs": count, "warmup_epochs": warmup})
        suffix = f" {count} more epoch{'' if count == 1 else 's'}"
        name = self._experiments.find_free_name(project_id, _SUFFIX.sub("", record.name), suffix)
        request = ForkRequest(checkpoint=checkpoint, name=name, changes=changes)
        fork = self._experiments.fork_experiment(project_id, experiment_id, request)
        try:
            return self._training.start_training(project_id, fork.id)
        except AIStudioError:
            self._experiments.delete_experiment(project_id, fork.id)  # refused, so nothing new may stay behind
            raise


def propose_epochs(stores: Stores, project_id: str, record: ExperimentRecord) -> int:
    """Return by how much `max_epochs` was raised after the run, or where it was not, as many epochs as it had."""
    wanted = int(record.hyperparameters["max_epochs"])
    config = None
    if record.current_run_id is not None:
        config = stores.experiments.read_run_config(project_id, record.id, record.current_run_id)
    had = (config.requested.get("hyperparameters") or {}).get("max_epochs", wanted) if config else wanted
    more = wanted - int(had)
    return min(more if more > 0 else wanted, MAX_EPOCHS)
