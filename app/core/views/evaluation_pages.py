"""What the evaluation page is drawn from, read in one call each. Changes nothing and knows nothing of HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.collaborators import Collaborators
from app.core.devices import list_devices
from app.core.evaluation_leaks import estimate_leaks, read_leaks
from app.core.evaluation_observer import ACTIVE_STATUSES
from app.core.evaluation_reports import find_parts
from app.core.evaluation_results import EvaluationResultService
from app.core.evaluations import EvaluationService
from app.core.exceptions import DatasetNotImportedError, SplitNotFoundError
from app.core.views.names_apart import tell_apart
from app.schemas.evaluation import EvaluationRecord, ResultQuery, Subset
from app.schemas.evaluation_pages import (
    EvaluatedExperiment,
    EvaluationListing,
    ResultDetail,
    ResultListing,
    SelectedEvaluation,
    SubsetChoice,
)
from app.schemas.experiments import ExperimentRecord, ExperimentStatus
from app.schemas.parts import AnyReportPart, read_headline
from app.schemas.tasks import TaskInfo

SUBSETS: tuple[Subset, ...] = ("train", "val", "test")
_REASONS: dict[ExperimentStatus, str] = {
    "created": "Not trained yet.",
    "pending": "Its training is queued.",
    "training": "It is still being trained.",
    "paused": "Its training is paused. Resume it, or choose Keep best checkpoint.",
    "failed": "Its training failed.",
    "cancelled": "Its training was cancelled.",
    "interrupted": "Its training was interrupted. Resume it first.",
}


class EvaluationPageService:
    """Reads what the evaluation page shows."""

    def __init__(self, shared: Collaborators, evaluations: EvaluationService, results: EvaluationResultService) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._evaluations = evaluations
        self._results = results
        self._source_names = shared.source_names
        self._settings = shared.settings
        self._views = shared.views

    def list_experiments(self, project_id: str, experiment_id: str | None) -> EvaluationListing:
        """Return the completed experiments, newest first; without an id the one that completed last is selected.

        Raises NotFoundError, also for an experiment that is not there.
        """
        task = self._lookup.find_spec(project_id).info
        if experiment_id is not None:
            self._lookup.find_experiment(project_id, experiment_id)
        records = self._stores.experiments.read_all(project_id)
        completed = [record for record in records if record.status == "completed"]
        newest = max(completed, key=lambda record: record.completed_at or "").id if completed else None
        completed.sort(key=lambda record: record.created_at, reverse=True)
        names = tell_apart(records)
        return EvaluationListing(
            experiments=[self._describe(project_id, record, names[record.id], task) for record in completed],
            num_unfinished=len(records) - len(completed),
            selected_id=experiment_id or newest,
            task=task,
        )

    def get_selected(self, project_id: str, experiment_id: str) -> SelectedEvaluation:
        """Return an experiment with its evaluation and what can be chosen for a new one; raises NotFoundError."""
        record = self._lookup.find_experiment(project_id, experiment_id)
        view = self._evaluations.get_evaluation(project_id, experiment_id)
        checkpoints = self._evaluations.list_checkpoints(project_id, experiment_id).checkpoints
        problem = "" if record.status == "completed" else _REASONS[record.status]
        subsets: list[SubsetChoice] = []
        leaks = read_leaks(view.aggregate) if view.aggregate is not None else None
        try:
            table, index = self._lookup.find_split(project_id, record.split_name)
            values = [image.split[index] for image in table.images]
            subsets = [SubsetChoice(name=name, num_images=values.count(name)) for name in SUBSETS]
            if leaks is None and view.evaluation is not None and view.aggregate is not None:
                split = self._views.view(project_id, table).leaks_of(index)
                leaks = estimate_leaks(view.aggregate, view.evaluation.split_subsets, split)
        except (DatasetNotImportedError, SplitNotFoundError) as error:
            problem = problem or error.message
        if not checkpoints:
            problem = problem or "Its checkpoint files were deleted. Train it again."
        return SelectedEvaluation(
            experiment=record,
            evaluation=view.evaluation,
            aggregate=view.aggregate,
            headline=read_headline(view.aggregate or {}),
            parts=self._find_parts(project_id, experiment_id, view.aggregate) if view.aggregate is not None else [],
            failed_attempt=view.failed_attempt,
            leaks=leaks,
            checkpoints=checkpoints,
            subsets=subsets,
            devices=list_devices(self._settings.default_device),
            value_names=self._name_values(project_id),
            problem=problem,
            task=self._lookup.find_spec(project_id).info,
            untrained_classes=view.untrained_classes,
            redrawn_splits=view.redrawn_splits,
        )

    def list_parts(self, project_id: str, experiment_id: str) -> list[AnyReportPart]:
        """Return what the report draws, nothing without a completed evaluation; raises ExperimentNotFoundError."""
        aggregate = self._evaluations.get_evaluation(project_id, experiment_id).aggregate
        return self._find_parts(project_id, experiment_id, aggregate) if aggregate is not None else []

    def _find_parts(self, project_id: str, experiment_id: str, aggregate: Mapping[str, Any]) -> list[AnyReportPart]:
        read_results = self._stores.evaluations.read_results
        spec = self._lookup.find_spec(project_id)
        return find_parts(spec, aggregate, lambda: read_results(project_id, experiment_id) or [])

    def list_results(self, project_id: str, experiment_id: str, query: ResultQuery) -> ResultListing:
        """Return a page of results; a page behind the last one is the last one. Raises NotFoundError."""
        spec = self._lookup.find_spec(project_id)
        order = self._results.order_results(project_id, experiment_id, query)
        num_pages = max(1, -(-len(order) // query.page_size))
        record = self._stores.evaluations.read_completed(project_id, experiment_id)
        everything = self._stores.evaluations.read_results(project_id, experiment_id) or []
        page = self._results.cut_named_page(project_id, order, min(query.page, num_pages), query.page_size)
        return ResultListing(
            page=page,
            gone=self._source_names.find_gone(project_id, [str(row["filename"]) for row in page.items]),
            num_results=len(everything),
            classes=self._name_classes(project_id, experiment_id),
            subsets=record.split_subsets if record is not None else [],
            can_filter_correct=spec.kind.result_fields.correct_path is not None,
            can_filter_class=spec.kind.result_fields.class_path is not None,
            has_confidence="confidence" in spec.kind.result_fields.sort_paths,
            num_confidence_bins=self._count_bins(project_id, experiment_id),
            has_error="error" in spec.kind.result_fields.sort_paths,
            value_names=self._name_values(project_id),
            task=spec.info,
        )

    def get_result(self, project_id: str, experiment_id: str, filename: str, query: ResultQuery) -> ResultDetail:
        """Return one result with its neighbours in the order of a query; raises NotFoundError."""
        return ResultDetail(
            info=self._results.get_result(project_id, experiment_id, filename, query),
            value_names=self._name_values(project_id),
            task=self._lookup.find_spec(project_id).info,
            experiment_name=self._lookup.find_experiment(project_id, experiment_id).name,
        )

    def _describe(self, project_id: str, record: ExperimentRecord, name: str, task: TaskInfo) -> EvaluatedExperiment:
        view = self._evaluations.get_evaluation(project_id, record.id)
        evaluation, metric = view.evaluation, task.headline_metrics[0].name
        leaks = read_leaks(view.aggregate) if view.aggregate is not None else None
        headline = read_headline(view.aggregate or {}).get(metric)
        return EvaluatedExperiment(
            id=record.id,
            name=name,
            status=record.status,
            evaluation_status=evaluation.status if evaluation is not None else None,
            progress=evaluation.progress if _is_active(evaluation) and evaluation is not None else None,
            headline=headline.value if headline is not None else None,
            subsets=evaluation.split_subsets if evaluation is not None else [],
            num_copies=leaks.identical.images if leaks is not None else 0,
            is_redrawn=leaks is not None and bool(leaks.redrawn_splits),
        )

    def _name_classes(self, project_id: str, experiment_id: str) -> list[str]:
        """Return the classes as the evaluation knew them; the dataset may have others by now."""
        aggregate = self._stores.evaluations.read_aggregate(project_id, experiment_id) or {}
        return [str(name) for name in aggregate.get("classes", [])]

    def _count_bins(self, project_id: str, experiment_id: str) -> int:
        """Return into how many ranges the confidence was divided, 0 where there is none."""
        aggregate = self._stores.evaluations.read_aggregate(project_id, experiment_id) or {}
        return int((aggregate.get("calibration") or {}).get("num_bins", 0))

    def _name_values(self, project_id: str) -> list[str]:
        try:
            return list(self._lookup.find_table(project_id).value_names)
        except DatasetNotImportedError:
            return []


def _is_active(evaluation: EvaluationRecord | None) -> bool:
    return evaluation is not None and evaluation.status in ACTIVE_STATUSES
