"""Evaluations: one per experiment, each in a job of its own."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from app.config import Settings
from app.core.announcing import announce, announce_change
from app.core.boundaries import skipping
from app.core.datasets import describe_record
from app.core.devices import require_devices
from app.core.events import EventBus
from app.core.exceptions import ConflictError, DatasetNotImportedError, NotFoundError, invalid_field
from app.core.gate import ProjectGate
from app.core.jobs.scheduler import JobScheduler
from app.core.lookup import Lookup
from app.core.payloads import locate_dataset
from app.core.result_csv import write_results
from app.core.runs.trained_splits import find_trained_splits, find_untrained
from app.core.source_names import SourceNames
from app.core.stores import Stores
from app.core.table_views import TableViews
from app.core.views.paging import cut_page, select_rows
from app.schemas.common import new_id, utc_now
from app.schemas.evaluation import (
    CheckpointList,
    EvaluationDeleted,
    EvaluationRecord,
    EvaluationRequest,
    EvaluationView,
    NamedCheckpoint,
    Progress,
    ResultInfo,
    ResultNavigation,
    ResultPage,
    ResultQuery,
)
from app.schemas.events import AnyEvent, EvaluationProgressed, StageStatus
from app.schemas.experiments import ExperimentRecord
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobRecord
from app.schemas.payloads import EvaluatePayload

ACTIVE_STATUSES = frozenset({"pending", "running"})
CANCEL_WAIT_S = 12.0
CACHED_ORDERS = 8
Rows = list[dict[str, Any]]
Order = list[Mapping[str, Any]]


class EvaluationService:
    """Starts, shows and resets evaluations; observes jobs of the kind `evaluate`."""

    def __init__(
        self,
        stores: Stores,
        bus: EventBus,
        scheduler: JobScheduler,
        gate: ProjectGate,
        views: TableViews,
        settings: Settings,
    ) -> None:
        self._stores = stores
        self._lookup = Lookup(stores)
        self._bus = bus
        self._scheduler = scheduler
        self._gate = gate
        self._views = views
        self._settings = settings
        self.source_names = SourceNames(self._lookup, views)
        self._progress: dict[str, Progress] = {}
        self._mutex = threading.Lock()
        self._orders: OrderedDict[tuple[object, ...], tuple[Rows, Order]] = OrderedDict()
        scheduler.register("evaluate", self)

    def start_evaluation(self, project_id: str, experiment_id: str, request: EvaluationRequest) -> EvaluationRecord:
        """Queue an evaluation; a completed one stays until this has completed, too.

        Raises ConflictError, CheckpointNotFoundError, or OSError, after which nothing has changed.
        """
        with self._gate.enter(project_id):
            record = self._lookup.find_experiment(project_id, experiment_id)
            require_completed(record, "evaluated")
            checkpoint = self._lookup.find_checkpoint(project_id, record, request.checkpoint)
            self._refuse_active(project_id, experiment_id)
            self._check_subsets(project_id, record, list(request.split_subsets))
            require_devices([request.device])
            evaluation = EvaluationRecord(
                **request.model_dump(),
                split_name=record.split_name,
                created_at=utc_now(),
                job_id=new_id("job"),
                run_id=record.current_run_id,
            )
            learned = find_trained_splits(self._stores, self._views, project_id, record)
            directory = self._stores.evaluations.create(project_id, experiment_id, evaluation)
            payload = EvaluatePayload(
                task=self._lookup.find_spec(project_id).id,
                experiment_id=experiment_id,
                run_id=record.current_run_id or "",
                checkpoint_path=str(checkpoint),
                dataset=locate_dataset(self._stores, project_id, self._settings),
                split_name=record.split_name,
                split_subsets=request.split_subsets,
                batch_size=request.batch_size,
                device=request.device,
                trained_splits=learned.names,
                redrawn_splits=learned.redrawn,
            )
            try:
                self._scheduler.submit(
                    "evaluate",
                    project_id,
                    payload,
                    directory,
                    subject={"experiment_id": experiment_id, "run_id": record.current_run_id or ""},
                    devices=[request.device],
                    job_id=evaluation.job_id,
                )
            except OSError:
                self._stores.evaluations.withdraw(directory)
                raise
        return evaluation

    def get_evaluation(self, project_id: str, experiment_id: str) -> EvaluationView:
        """Return the evaluation with its aggregate, nulls where there is none."""
        experiment = self._lookup.find_experiment(project_id, experiment_id)
        record = self._read(project_id, experiment_id)
        trained = find_trained_splits(self._stores, self._views, project_id, experiment)
        redrawn = trained.redrawn
        if record is None:
            return EvaluationView(evaluation=None, aggregate=None, redrawn_splits=redrawn)
        if record.status in ACTIVE_STATUSES:
            live = record.model_copy(update={"progress": self._progress.get(record.job_id or "", record.progress)})
            return EvaluationView(evaluation=live, aggregate=None, redrawn_splits=redrawn)
        has_result = record.status == "completed"
        aggregate = self._stores.evaluations.read_aggregate(project_id, experiment_id) if has_result else None
        attempt = self._stores.evaluations.read_attempt(project_id, experiment_id)
        failed = self._with_end(attempt) if attempt is not None and attempt.status != "completed" else None
        untrained = find_untrained(self._stores, self._views, project_id, trained) if aggregate is not None else []
        return EvaluationView(
            evaluation=record,
            aggregate=self.source_names.name_skipped(project_id, aggregate) if aggregate is not None else None,
            failed_attempt=failed,
            untrained_classes=untrained,
            redrawn_splits=redrawn,
        )

    def reset_evaluation(self, project_id: str, experiment_id: str) -> EvaluationDeleted:
        """Delete the evaluation at once; one that runs is cancelled first."""
        with self._gate.enter(project_id):
            self._lookup.find_experiment(project_id, experiment_id)
            record = self._stores.evaluations.read(project_id, experiment_id)
            if record is not None and record.status in ACTIVE_STATUSES and record.job_id is not None:
                cancel_and_wait(self._scheduler, record.job_id)
            self._stores.evaluations.reset(project_id, experiment_id)
        announce_change(self._bus, project_id, "evaluation", experiment_id, "deleted")
        return EvaluationDeleted(project_id=project_id, experiment_id=experiment_id)

    def list_results(self, project_id: str, experiment_id: str, query: ResultQuery) -> ResultPage:
        """Return a page of per-image results; raises NotFoundError without a completed evaluation."""
        order = self.order_results(project_id, experiment_id, query)
        return self.cut_named_page(project_id, order, query.page, query.page_size)

    def cut_named_page(self, project_id: str, order: Order, page: int, page_size: int) -> ResultPage:
        """Return a page of results with the names of their images in the source."""
        cut = cut_page(order, page, page_size)
        return cut.model_copy(update={"items": self.source_names.add_to(project_id, cut.items)})

    def write_csv(self, project_id: str, experiment_id: str, query: ResultQuery) -> tuple[str, Iterator[str]]:
        """Return a file name and the lines of every result that matches a query; raises NotFoundError."""
        record = self._lookup.find_experiment(project_id, experiment_id)
        order = self.order_results(project_id, experiment_id, query)
        names = self.source_names.of_project(project_id)
        return f"{record.name}-results.csv", write_results(order, names, self._name_values(project_id))

    def order_results(self, project_id: str, experiment_id: str, query: ResultQuery) -> Order:
        """Return every result that matches a query, in its order, shared and not to be changed; raises NotFoundError.

        Orders are kept while the results are the same: whoever pages through them asks for the same one again.
        """
        rows = self._rows(project_id, experiment_id)
        key = (project_id, experiment_id, *query.model_dump(exclude={"page", "page_size"}).values())
        with self._mutex:
            known = self._orders.get(key)
            if known is not None and known[0] is rows:
                self._orders.move_to_end(key)
                return known[1]
        fields = self._lookup.find_spec(project_id).kind.result_fields
        order = select_rows(rows, query, fields, self.source_names.of_project(project_id))
        with self._mutex:
            self._orders[key] = (rows, order)
            while len(self._orders) > CACHED_ORDERS:
                self._orders.popitem(last=False)
        return order

    def get_result(
        self, project_id: str, experiment_id: str, filename: str, query: ResultQuery | None = None
    ) -> ResultInfo:
        """Return one result with its image and its neighbours in the order of a query; raises NotFoundError."""
        rows = self._rows(project_id, experiment_id)
        found = next((row for row in rows if row["filename"] == filename), None)
        if found is None:
            name = self.source_names.of_project(project_id)(filename)
            msg = f"The evaluation has no result for image {name[:120]!r}."
            raise NotFoundError(msg)
        order = self.order_results(project_id, experiment_id, query or ResultQuery())
        named = self.source_names.add_to(project_id, [found])[0]
        image, dataset = self._describe_image(project_id, filename, named["source_name"])
        return ResultInfo(
            result=named,
            image=image,
            dataset=dataset,
            navigation=find_neighbours([row["filename"] for row in order], filename),
        )

    def _describe_image(
        self, project_id: str, filename: str, source_name: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return an image and its dataset; of an image or a dataset that is gone, what results are shown without."""
        gone = {"filename": filename, "source_name": source_name}
        try:
            table = self._lookup.find_table(project_id)
        except DatasetNotImportedError:
            return gone, {"id": None, "classes": [], "split_names": []}
        position = self._views.view(project_id, table).by_name.get(filename)
        image = describe_record(table.images[position]) if position is not None else gone
        return image, {"id": table.id, "classes": table.classes, "split_names": table.split_names}

    def list_checkpoints(self, project_id: str, experiment_id: str) -> CheckpointList:
        """Return the checkpoints of the current run whose files exist."""
        record = self._lookup.find_experiment(project_id, experiment_id)
        present = self._stores.experiments.list_checkpoints(project_id, record)
        return CheckpointList(
            checkpoints=[NamedCheckpoint(name=name, **info.model_dump()) for name, info in present.items()]
        )

    def on_started(self, job: JobRecord) -> None:
        """The evaluation has begun."""
        self._update(job, {"status": "running", "started_at": utc_now()})

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        """Remember the progress; it is stored at the end only."""
        if isinstance(event, EvaluationProgressed):
            self._progress[job.id] = Progress(processed=event.processed, total=event.total)
        return True

    def on_finished(self, job: JobRecord) -> None:
        """The evaluation has ended, one way or another."""
        changes: dict[str, Any] = {"status": job.status, "completed_at": utc_now(), "error": job.error}
        if job.id in self._progress:
            changes["progress"] = self._progress.pop(job.id)
        self._update(job, changes)
        status = StageStatus(
            stage_id="REVIEW_EDIT",
            status="COMPLETED" if job.status == "completed" else "FAILED",
            message=job.error.message if job.error is not None else "",
        )
        announce(self._bus, job.project_id, status, run_id=job.subject["run_id"] or None, job_id=job.id)

    def recover_orphans(self, living_jobs: set[str]) -> None:
        """Mark as interrupted what is pending or running although no job works on it."""
        for project_id in self._stores.projects.list_ids():
            for record in self._stores.experiments.read_all(project_id):
                with skipping(f"The evaluation of {record.id}"):
                    self._stores.evaluations.put_in_place(project_id, record.id)
                evaluation = self._stores.evaluations.read(project_id, record.id)
                if evaluation is None or evaluation.status not in ACTIVE_STATUSES:
                    continue
                if evaluation.job_id in living_jobs:
                    continue
                with skipping(f"The evaluation of {record.id}"):
                    changes = {"status": "interrupted"}
                    self._stores.evaluations.update(project_id, record.id, evaluation.job_id, changes)

    def _update(self, job: JobRecord, changes: dict[str, Any]) -> None:
        place = job.project_id, job.subject["experiment_id"]
        if self._stores.evaluations.find(*place, job.id) is not None:  # else it was reset in the meantime
            self._stores.evaluations.update(*place, job.id, changes)

    def _read(self, project_id: str, experiment_id: str) -> EvaluationRecord | None:
        record = self._stores.evaluations.read(project_id, experiment_id)
        ended = self._with_end(record) if record is not None else None
        if ended is not None and ended.status not in ACTIVE_STATUSES:
            return self._stores.evaluations.read_completed(project_id, experiment_id) or ended
        return ended

    def _with_end(self, record: EvaluationRecord) -> EvaluationRecord:
        """Return the record as its job ended, where a full disk kept the end from being written."""
        if record.status not in ACTIVE_STATUSES or record.job_id is None:
            return record
        try:
            job = self._scheduler.get(record.job_id)
        except NotFoundError:
            return record
        if job.status not in TERMINAL_JOB_STATUSES:
            return record
        changes = {"status": job.status, "error": job.error, "completed_at": job.completed_at}
        return record.model_copy(update=changes)

    def _name_values(self, project_id: str) -> list[str]:
        try:
            return list(self._lookup.find_table(project_id).value_names)
        except DatasetNotImportedError:
            return []

    def _rows(self, project_id: str, experiment_id: str) -> list[dict[str, Any]]:
        self._lookup.find_experiment(project_id, experiment_id)
        record = self._stores.evaluations.read_completed(project_id, experiment_id)
        rows = self._stores.evaluations.read_results(project_id, experiment_id)
        if record is None or rows is None:
            msg = "This experiment has no completed evaluation."
            raise NotFoundError(msg)
        return rows

    def _refuse_active(self, project_id: str, experiment_id: str) -> None:
        record = self._read(project_id, experiment_id)
        if record is not None and record.status in ACTIVE_STATUSES:
            msg = "This experiment is already being evaluated. Wait for the result, or delete the evaluation."
            raise ConflictError(msg)

    def _check_subsets(self, project_id: str, record: ExperimentRecord, subsets: list[str]) -> None:
        if len(set(subsets)) != len(subsets):
            raise invalid_field("split_subsets", "Each subset can be given only once.")
        table, index = self._lookup.find_split(project_id, record.split_name)
        present = {image.split[index] for image in table.images}
        for subset in subsets:
            if subset not in present:
                raise invalid_field("split_subsets", f"The split {record.split_name!r} has no {subset} images.")


def find_neighbours(names: list[str], filename: str) -> ResultNavigation:
    """Return what comes before and after a name in a list that need not hold it."""
    if filename not in names:
        return ResultNavigation(prev=None, next=None, total=len(names))
    index = names.index(filename)
    return ResultNavigation(
        prev=names[index - 1] if index > 0 else None,
        next=names[index + 1] if index + 1 < len(names) else None,
        position=index + 1,
        total=len(names),
    )


def cancel_and_wait(scheduler: JobScheduler, job_id: str) -> None:
    """Cancel a job and wait for its end, so that it cannot write into what comes next; raises ConflictError."""
    scheduler.cancel(job_id)
    try:
        scheduler.wait(job_id, CANCEL_WAIT_S)
    except TimeoutError:
        msg = f"The job {job_id} is not finished yet. Try again in a few seconds."
        raise ConflictError(msg) from None


def require_completed(record: ExperimentRecord, verb: str) -> None:
    """Raise ConflictError when the experiment is not completed."""
    if record.status != "completed":
        msg = f"The experiment {record.name!r} is {record.status}; only completed experiments can be {verb}."
        raise ConflictError(msg)
