"""What the training page says of an experiment before it is trained or resumed."""

from __future__ import annotations

from app.core.collaborators import Collaborators
from app.core.exceptions import ValidationFailedError
from app.core.experiment_building import ExperimentBuilder
from app.core.runs.checks import RunChecker, refuse_changes
from app.core.runs.resuming import find_resume_obstacle
from app.core.runs.training import RESUMABLE_STATUSES, say_untrainable
from app.schemas.experiments import ExperimentRecord, ExperimentUpdate
from app.schemas.run_checks import RunCheckList


class ExperimentCheckService:
    """Checks experiments as they are, or as changes would make them."""

    def __init__(self, shared: Collaborators, builder: ExperimentBuilder, checker: RunChecker) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._builder = builder
        self._checker = checker

    def check(self, project_id: str, experiment_id: str, changes: ExperimentUpdate | None = None) -> RunCheckList:
        """Return what is known before a run of how it will go, with changes as if they had been saved.

        Changes that could not be saved are errors of the list.
        """
        record = self._lookup.find_experiment(project_id, experiment_id)
        try:
            record = self._builder.apply(project_id, record, changes) if changes else record
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
