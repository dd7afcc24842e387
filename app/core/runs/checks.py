"""What is known before a run of how it will go: the checks over the settings of an experiment and its split."""

from __future__ import annotations

import operator

from app.core.exceptions import DatasetNotImportedError, SplitNotFoundError, ValidationFailedError
from app.core.lookup import Lookup
from app.core.runs.metric_advice import MetricAdvisor
from app.core.weights import WeightStore
from app.datasets.preprocessing import resolve_preprocessing
from app.datasets.run_data import SplitFacts, read_run_data
from app.schemas.envelope import FieldProblem
from app.schemas.experiments import ExperimentRecord
from app.schemas.run_checks import INVALID_SETTING, RunCheck, RunCheckList
from app.schemas.tasks import ArchitectureSpec
from app.storage.cache import Cache
from app.tasks.base import TaskSpec
from app.tasks.metric_choice import AUTO
from app.tasks.run_checks import LEVELS, list_run_checks
from app.tasks.run_facts import GO_TO_DATASET, GO_TO_SPLIT, RunFacts, WeightsFacts, change_settings

MAX_KEPT = 64
WEIGHTS_MISSING = "weights_missing"


class RunChecker:
    """Checks experiments before they are trained. What a split holds is read once for each table."""

    def __init__(self, lookup: Lookup, weights: WeightStore) -> None:
        self._lookup = lookup
        self.weights = weights
        self._advisor = MetricAdvisor(lookup)
        self._kept: Cache[tuple[str, str], SplitFacts] = Cache(MAX_KEPT, is_same=operator.is_)

    def list_checks(self, project_id: str, record: ExperimentRecord) -> RunCheckList:
        """Return every problem of a run with these settings, errors first; none for one whose split is gone."""
        try:
            table, index = self._lookup.find_split(project_id, record.split_name)
        except DatasetNotImportedError as error:
            return RunCheckList(checks=[], can_train=False, refusal=error.message, missing="dataset")
        except SplitNotFoundError as error:
            return RunCheckList(checks=[], can_train=False, refusal=error.message, missing="split")
        spec = self._lookup.find_spec(project_id)
        key = project_id, record.split_name
        data = self._kept.get(key, lambda: read_run_data(table, index), state=table)
        facts = self._find_facts(spec, record, data)
        checks = [*list_run_checks(facts), *self._check_metric(project_id, record)]
        checks.sort(key=lambda check: LEVELS.index(check.level))
        return RunCheckList(
            checks=checks,
            can_train=all(check.level != "error" for check in checks),
            is_pending=facts.lacks_weights and facts.weights.can_download is None,
        )

    def list_warnings(self, project_id: str, record: ExperimentRecord) -> list[str]:
        """Return what will harm a run, as sentences; what is merely good to know is left out."""
        return [check.message for check in self.list_checks(project_id, record).checks if check.level != "info"]

    def require_trainable(self, project_id: str, record: ExperimentRecord) -> None:
        """Raise ValidationFailedError when a run would certainly fail, with the reasons.

        Missing weights are not among them: the run tries to download them itself, and the network may be back by then.
        """
        checks = self.list_checks(project_id, record).checks
        errors = [check for check in checks if check.level == "error" and check.id != WEIGHTS_MISSING]
        if errors:
            msg = "This experiment cannot be trained."
            raise ValidationFailedError(msg, [FieldProblem(field=item.field, message=item.message) for item in errors])

    def _find_facts(self, spec: TaskSpec, record: ExperimentRecord, data: SplitFacts) -> RunFacts:
        known = {item.id: item for item in spec.info.architectures}
        architecture = known.get(record.model.backbone)
        defaults = spec.hyperparameters().model_dump()  # an experiment of an earlier version lacks later settings
        hyperparameters = defaults | record.hyperparameters
        return RunFacts(
            model=record.model,
            hyperparameters=hyperparameters,
            input_size=_find_input_size(record, hyperparameters),
            num_devices=len(record.hardware.selected_devices),
            data=data,
            weights=self._find_weights(architecture, record),
            has_start=record.parent is not None,
            learns_by=architecture.learns_by if architecture else "gradient",
        )

    def _find_weights(self, architecture: ArchitectureSpec | None, record: ExperimentRecord) -> WeightsFacts:
        if architecture is None:
            return WeightsFacts()
        is_wanted = record.model.pretrained and record.parent is None
        return self.weights.find_facts(architecture, is_wanted)

    def _check_metric(self, project_id: str, record: ExperimentRecord) -> list[RunCheck]:
        advice = self._advisor.advise(project_id, record)
        found = []
        if advice.warning:
            found.append(
                RunCheck(
                    id="checkpoint_metric",
                    level="warning",
                    field="hyperparameters.checkpoint_metric",
                    title="Check the checkpoint metric",
                    message=advice.warning,
                    fixes=[change_settings("Use auto", "hyperparameters", checkpoint_metric=AUTO)],
                )
            )
        if advice.unvalidated:
            found.append(
                RunCheck(
                    id="class_without_validation_images",
                    level="warning",
                    field="split_name",
                    title="Classes without validation images",
                    message=advice.unvalidated,
                    fixes=[GO_TO_DATASET] if advice.has_lone_class else [GO_TO_SPLIT],
                )
            )
        return found


def refuse_changes(error: ValidationFailedError) -> RunCheckList:
    """Return the checks of settings that could not be saved: each refused value is an error."""
    problems = error.details if isinstance(error.details, list) else []
    checks = [
        RunCheck(
            id=INVALID_SETTING, level="error", field=item.field, title="This cannot be saved", message=item.message
        )
        for item in problems
    ]
    return RunCheckList(checks=checks, can_train=False)


def _find_input_size(record: ExperimentRecord, hyperparameters: dict[str, object]) -> tuple[int, int]:
    try:
        return resolve_preprocessing(hyperparameters, record.augmentations.val).input_size
    except ValueError:  # steps that contradict each other are refused when they are saved, and by the run
        side = int(str(hyperparameters["image_size"]))
        return side, side
