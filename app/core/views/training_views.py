"""What the training page shows of experiments, read in one call per view. Changes nothing, knows nothing of HTML."""

from __future__ import annotations

import math

from app.core.collaborators import Collaborators
from app.core.exceptions import ExperimentNotFoundError
from app.core.experiment_jobs import say_undeletable
from app.core.views.names_apart import tell_apart
from app.core.views.settings_views import SettingsViews
from app.schemas.experiments import ExperimentRecord
from app.schemas.names import fold_name
from app.schemas.tasks import MetricSpec
from app.schemas.training_views import (
    DeletionView,
    ExperimentQuery,
    ExperimentRow,
    ExperimentRows,
    Missing,
    SettingsView,
    TrainingPage,
)
from app.storage.json_store import CorruptDocumentError
from app.tasks.base import LOSS_TITLES, TaskSpec

ROWS_PER_PAGE = 30


class TrainingViewService:
    """Reads lists and settings of experiments."""

    def __init__(self, shared: Collaborators, settings_views: SettingsViews) -> None:
        self._stores = shared.stores
        self._scheduler = shared.scheduler
        self._lookup = shared.lookup
        self._live = shared.live
        self._settings_views = settings_views

    def get_page(self, project_id: str, query: ExperimentQuery) -> TrainingPage:
        """Return the page; without a wish the first of the list is selected. Raises NotFoundError."""
        listed = self.list_rows(project_id, query)
        wanted = query.experiment or (listed.rows[0].record.id if listed.rows else None)
        if wanted is None:
            return TrainingPage(list=listed, settings=None, is_unknown=False)
        try:
            settings = self.get_settings(project_id, wanted)
        except ExperimentNotFoundError:
            return TrainingPage(list=listed, settings=None, is_unknown=True)
        query = query.model_copy(update={"experiment": wanted})
        return TrainingPage(list=listed.model_copy(update={"query": query}), settings=settings, is_unknown=False)

    def list_rows(self, project_id: str, query: ExperimentQuery) -> ExperimentRows:
        """Return the experiments that match, one page of them; a page beyond the last is the last."""
        spec = self._lookup.find_spec(project_id)
        records = self._stores.experiments.read_all(project_id)
        metric = next(item for item in spec.info.epoch_metrics if item.name == spec.info.primary_metric)
        matching = _sort([record for record in records if _matches(record, query)], query, metric, spec)
        num_pages = max(1, -(-len(matching) // ROWS_PER_PAGE))
        page = min(query.page, num_pages)
        positions, times_left = self._queue_positions(project_id), self._read_times_left(project_id)
        split_names, missing = self._read_splits(project_id)
        names = tell_apart(records)
        return ExperimentRows(
            query=query,
            rows=[
                self._row(project_id, record, spec, positions.get(record.id), times_left.get(record.id))
                for record in matching[(page - 1) * ROWS_PER_PAGE : page * ROWS_PER_PAGE]
            ],
            num_all=len(records),
            num_matching=len(matching),
            page=page,
            num_pages=num_pages,
            metric=metric,
            missing=missing,
            suggested_name=_suggest_name(records),
            split_names=split_names,
            names={record.id: names[record.id] for record in matching},
        )

    def get_settings(self, project_id: str, experiment_id: str) -> SettingsView:
        """Return what the form of an experiment needs; raises ExperimentNotFoundError."""
        return self._settings_views.get(project_id, experiment_id)

    def describe_deletion(self, project_id: str, experiment_id: str) -> DeletionView:
        """Return what would go with an experiment; raises ExperimentNotFoundError."""
        record = self._lookup.find_experiment(project_id, experiment_id)
        directory = self._stores.paths.experiment_dir(project_id, experiment_id)
        sizes = [path.stat().st_size for path in directory.glob("runs/*/checkpoints/*.ckpt")]
        exports = [item for item in self._stores.exports.read_all(project_id) if item.experiment_id == experiment_id]
        forks = [
            other.name
            for other in self._stores.experiments.read_all(project_id)
            if (other.parent or {}).get("experiment_id") == experiment_id
            and not other.checkpoints
            and self._stores.experiments.origin_path(project_id, other.id) is None
        ]
        return DeletionView(
            record=record,
            num_runs=len(self._stores.experiments.read_runs(project_id, experiment_id)),
            checkpoints_mb=sum(sizes) / 2**20,
            has_evaluation=self._has_evaluation(project_id, experiment_id),
            num_exports=len(exports),
            forks=forks,
            refusal=say_undeletable(self._scheduler, project_id, experiment_id),
        )

    def _has_evaluation(self, project_id: str, experiment_id: str) -> bool:
        try:
            return self._stores.evaluations.read(project_id, experiment_id) is not None
        except CorruptDocumentError:
            return False

    def _read_splits(self, project_id: str) -> tuple[list[str], Missing]:
        names = self._lookup.list_split_names(project_id)
        if names is None:
            return [], "images"
        return names, "" if names else "split"

    def _queue_positions(self, project_id: str) -> dict[str, int]:
        waiting = self._scheduler.list_queue(project_id, "train")
        return {job.subject["experiment_id"]: number for number, job in enumerate(waiting, 1)}

    def _read_times_left(self, project_id: str) -> dict[str, float]:
        """Return what the running runs last said of the time that they still take, by experiment."""
        running = [
            job
            for job in self._scheduler.list_jobs()
            if job.project_id == project_id and job.kind == "train" and job.status == "running"
        ]
        said = {job.subject["experiment_id"]: self._live.get(job.id).progress for job in running}
        return {name: progress.eta_s for name, progress in said.items() if progress and progress.eta_s is not None}

    def _row(
        self,
        project_id: str,
        record: ExperimentRecord,
        spec: TaskSpec,
        position: int | None,
        eta_s: float | None,
    ) -> ExperimentRow:
        done = 0
        if record.status == "training" and record.current_run_id is not None:
            done = len(self._stores.experiments.read_metrics(project_id, record.id, record.current_run_id).epochs)
        return ExperimentRow(
            record=record,
            metric=next(iter(record.best_metric.values()), None),
            metric_title=_title_of_best(record, spec),
            queue_position=position,
            epochs_done=done,
            epochs=int(record.hyperparameters["max_epochs"]),
            eta_s=eta_s,
        )


def _matches(record: ExperimentRecord, query: ExperimentQuery) -> bool:
    has_status = query.status in {"all", record.status}
    return has_status and fold_name(query.search.strip()) in fold_name(record.name)


def _title_of_best(record: ExperimentRecord, spec: TaskSpec) -> str:
    titles = LOSS_TITLES | {metric.name: metric.title for metric in spec.all_metrics}
    name = next(iter(record.best_metric), spec.info.primary_metric)
    return titles.get(name, name)


def _sort(
    records: list[ExperimentRecord], query: ExperimentQuery, metric: MetricSpec, spec: TaskSpec
) -> list[ExperimentRecord]:
    newest = sorted(records, key=lambda record: (record.created_at, record.id), reverse=query.sort != "oldest")
    if query.sort == "name":
        return sorted(newest, key=lambda record: record.name.casefold())
    if query.sort == "metric":
        return sorted(newest, key=lambda record: _rank(record, metric, spec))
    return newest


def _rank(record: ExperimentRecord, metric: MetricSpec, spec: TaskSpec) -> tuple[bool, bool, str, float]:
    """Order the best first. Figures of different metrics cannot be compared: those of the usual one come first."""
    name, value = next(iter(record.best_metric.items()), ("", math.nan))
    if not name:
        return True, True, "", 0.0
    is_known = name in {item.name for item in spec.all_metrics}
    is_highest_best = is_known and spec.direction(name) == "max"
    return False, name != metric.name, name, -value if is_highest_best else value


def _suggest_name(records: list[ExperimentRecord]) -> str:
    taken = {fold_name(record.name) for record in records}
    names = (f"Experiment {number}" for number in range(1, len(records) + 2))
    return next(name for name in names if fold_name(name) not in taken)
