"""What the evaluation page is drawn from, read in one call each. Changes nothing and knows nothing of HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.config import Settings
from app.core.devices import list_devices
from app.core.evaluation_leaks import estimate_leaks, read_leaks
from app.core.evaluations import ACTIVE_STATUSES, EvaluationService
from app.core.exceptions import DatasetNotImportedError, SplitNotFoundError
from app.core.lookup import Lookup
from app.core.stores import Stores
from app.core.table_views import TableViews
from app.core.views.names_apart import tell_apart
from app.schemas.evaluation import EvaluationRecord, ResultQuery, Subset
from app.schemas.evaluation_pages import (
    EvaluatedExperiment,
    EvaluationListing,
    ResultListing,
    ResultView,
    SelectedEvaluation,
    SubsetChoice,
    ValuePoint,
    ValuePoints,
)
from app.schemas.experiments import ExperimentRecord, ExperimentStatus
from app.schemas.tasks import TaskInfo

SUBSETS: tuple[Subset, ...] = ("train", "val", "test")
MAX_POINTS = 500
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

    def __init__(self, stores: Stores, evaluations: EvaluationService, settings: Settings, views: TableViews) -> None:
        self._stores = stores
        self._lookup = Lookup(stores)
        self._evaluations = evaluations
        self._settings = settings
        self._views = views

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

    def list_results(self, project_id: str, experiment_id: str, query: ResultQuery) -> ResultListing:
        """Return a page of results; a page behind the last one is the last one. Raises NotFoundError."""
        spec = self._lookup.find_spec(project_id)
        order = self._evaluations.order_results(project_id, experiment_id, query)
        num_pages = max(1, -(-len(order) // query.page_size))
        record = self._stores.evaluations.read_completed(project_id, experiment_id)
        everything = self._stores.evaluations.read_results(project_id, experiment_id) or []
        page = self._evaluations.cut_named_page(project_id, order, min(query.page, num_pages), query.page_size)
        return ResultListing(
            page=page,
            gone=self._evaluations.source_names.find_gone(project_id, [str(row["filename"]) for row in page.items]),
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

    def list_points(self, project_id: str, experiment_id: str, value: int) -> ValuePoints:
        """Return truth and prediction of one value of at most 500 images; raises NotFoundError."""
        order = self._evaluations.order_results(project_id, experiment_id, ResultQuery(sort_by="worst"))
        step = max(1, -(-len(order) // MAX_POINTS))
        points = [_read_point(row, value) for row in order[::step]]
        return ValuePoints(points=[point for point in points if point is not None], num_results=len(order))

    def get_result(self, project_id: str, experiment_id: str, filename: str, query: ResultQuery) -> ResultView:
        """Return one result with its neighbours in the order of a query; raises NotFoundError."""
        return ResultView(
            info=self._evaluations.get_result(project_id, experiment_id, filename, query),
            value_names=self._name_values(project_id),
            task=self._lookup.find_spec(project_id).info,
            experiment_name=self._lookup.find_experiment(project_id, experiment_id).name,
        )

    def _describe(self, project_id: str, record: ExperimentRecord, name: str, task: TaskInfo) -> EvaluatedExperiment:
        view = self._evaluations.get_evaluation(project_id, record.id)
        evaluation, metric = view.evaluation, task.headline_metrics[0].name
        leaks = read_leaks(view.aggregate) if view.aggregate is not None else None
        headline = (view.aggregate or {}).get(metric)
        return EvaluatedExperiment(
            id=record.id,
            name=name,
            status=record.status,
            evaluation_status=evaluation.status if evaluation is not None else None,
            progress=evaluation.progress if _is_active(evaluation) and evaluation is not None else None,
            headline=headline if isinstance(headline, int | float) and not isinstance(headline, bool) else None,
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


def _read_point(row: Mapping[str, Any], value: int) -> ValuePoint | None:
    truth, prediction = row.get("ground_truth"), row.get("prediction")
    if not isinstance(truth, list) or not isinstance(prediction, list) or value >= min(len(truth), len(prediction)):
        return None
    return ValuePoint(filename=row["filename"], truth=truth[value], prediction=prediction[value])
