"""Create, list and delete splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from app.core.announcing import announce, announce_change
from app.core.collaborators import Collaborators
from app.core.exceptions import (
    ConflictError,
    DatasetNotImportedError,
    NotFoundError,
    TrainingInProgressError,
    invalid_field,
)
from app.core.runs.trained_splits import read_recorded_split
from app.core.table_views import TableView
from app.core.views.names_apart import tell_apart
from app.datasets.split_warnings import explain_split
from app.datasets.splits import DrawnSplit, add_split, count_split, draw_split
from app.datasets.table import DatasetTable, ImageRecord, SplitRecord
from app.schemas.envelope import FieldProblem
from app.schemas.events import SplitSummary
from app.schemas.experiments import ACTIVE_EXPERIMENT_STATUSES, ExperimentRecord
from app.schemas.names import find_same_name, fold_name
from app.schemas.splits import (
    SplitCreate,
    SplitDeleted,
    SplitInfo,
    SplitList,
    SplitOverview,
    SplitPreview,
    SplitPreviewRequest,
    SplitRatios,
    SplitUser,
)

FIRST_NAME = "main"
RESERVED_NAMES = frozenset({"preview"})


class SplitService:
    """Create, list and delete splits."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._bus = shared.bus
        self._gate = shared.gate
        self._views = shared.views

    def list_splits(self, project_id: str) -> SplitList:
        """Return the splits of a dataset in the order of their columns."""
        return SplitList(splits=self._describe_all(project_id, self._lookup.find_table(project_id)))

    def get_overview(self, project_id: str) -> SplitOverview:
        """Return the splits, or why there is no dataset; raises NotFoundError for the project only."""
        try:
            table = self._lookup.find_table(project_id)
        except DatasetNotImportedError as error:
            return SplitOverview(problem=error.message)
        return SplitOverview(
            num_images=len(table.images),
            splits=self._describe_all(project_id, table),
            suggested_name=_suggest_name(table.split_names),
        )

    def get_split(self, project_id: str, name: str) -> SplitInfo:
        """Return a split; raises SplitNotFoundError."""
        table, index = self._lookup.find_split(project_id, name)
        return self._describe(project_id, table, index, self._find_users(project_id, name))

    def preview_split(self, project_id: str, request: SplitPreviewRequest) -> SplitPreview:
        """Return a preview of a split without storing it."""
        table = self._lookup.find_table(project_id)
        drawn = self._draw(project_id, table, request)
        stats, distribution = count_split(drawn.values, self._views.view(project_id, table).class_names)
        return SplitPreview(
            ratios=request.ratios,
            seed=request.seed,
            stats=stats,
            class_distribution=distribution,
            warnings=drawn.warnings,
            leaks=drawn.leaks,
        )

    def create_split(self, project_id: str, request: SplitCreate) -> SplitInfo:
        """Create a split; raises ConflictError when the name is taken."""
        if fold_name(request.name) in RESERVED_NAMES:
            raise invalid_field("name", f"{request.name!r} is a reserved name; choose another one.")
        with self._gate.enter(project_id):
            table = self._lookup.find_table(project_id)
            if (same := find_same_name(request.name, table.split_names)) is not None:
                what = f"A split named {same!r} already exists and cannot be changed."
                msg = f"{what} Choose another name, or delete that split."
                raise ConflictError(
                    msg, [FieldProblem(field="name", message="Another split has this name. Choose another one.")]
                )
            drawn = self._draw(project_id, table, request)
            changed = self._stores.datasets.change_table(project_id, lambda current: add_split(current, request, drawn))
            users = self._find_users(project_id, request.name)
            info = self._describe(project_id, changed, changed.split_names.index(request.name), users)
        self._stores.documents.reserve.fill()  # for the larger document
        stats = info.stats
        announce(
            self._bus,
            project_id,
            SplitSummary(
                train_rows=stats.train, val_rows=stats.val, test_rows=stats.test, stratified=True, seed=request.seed
            ),
        )
        return info

    def delete_split(self, project_id: str, name: str) -> SplitDeleted:
        """Remove the column of a split everywhere; raises TrainingInProgressError while a run uses it."""
        with self._gate.enter(project_id):
            self._lookup.find_split(project_id, name)
            experiments = self._stores.experiments.read_certain(project_id)
            users = [record for record in experiments if record.split_name == name]
            if any(user.status in ACTIVE_EXPERIMENT_STATUSES for user in users):
                msg = f"A training run uses the split {name!r}. Stop it or wait until it is finished."
                raise TrainingInProgressError(msg)
            if paused := next((user for user in users if user.status == "paused"), None):
                what = f"The experiment {paused.name!r} is paused and needs the split {name!r}."
                msg = f"{what} Finish or delete the experiment first."
                raise ConflictError(msg)
            datasets = self._stores.datasets
            self._stores.documents.reserve.spend(
                lambda: datasets.change_table(project_id, lambda table: _drop_column(table, name))
            )
        announce_change(self._bus, project_id, "split", name, "deleted")
        names = tell_apart(experiments)
        warnings = [_say_unusable(names[user.id], is_completed=user.status == "completed") for user in users]
        return SplitDeleted(project_id=project_id, split_name=name, warnings=warnings)

    def _draw(self, project_id: str, table: DatasetTable, request: SplitPreviewRequest) -> DrawnSplit:
        return draw_split(table, self._lookup.find_spec(project_id).kind, request.ratios, request.seed)

    def _find_users(self, project_id: str, name: str) -> list[ExperimentRecord]:
        return [record for record in self._stores.experiments.read_all(project_id) if record.split_name == name]

    def _describe_all(self, project_id: str, table: DatasetTable) -> list[SplitInfo]:
        users = defaultdict(list)
        for record in self._stores.experiments.read_all(project_id):
            users[record.split_name].append(record)
        return [self._describe(project_id, table, index, users[name]) for index, name in enumerate(table.split_names)]

    def _describe(
        self, project_id: str, table: DatasetTable, index: int, users: Sequence[ExperimentRecord]
    ) -> SplitInfo:
        view = self._views.view(project_id, table)
        values = [image.split[index] for image in table.images]
        stats, distribution = count_split(values, view.class_names)
        name = table.split_names[index]
        record = next((split for split in table.splits if split.name == name), SplitRecord(name))
        ratios = SplitRatios.model_validate(record.ratios) if record.ratios else None
        leaks = view.leaks_of(index)
        return SplitInfo(
            name=name,
            index=index,
            stats=stats,
            class_distribution=distribution,
            # Not those of the record: sentences that an earlier version wrote may be wrong.
            warnings=explain_split(stats, distribution, leaks, ratios),
            leaks=leaks,
            is_imported=record.seed is None,
            ratios=ratios,
            seed=record.seed,
            created_at=record.created_at,
            experiments=[self._describe_user(project_id, user, view, index) for user in users],
        )

    def _describe_user(self, project_id: str, user: ExperimentRecord, view: TableView, index: int) -> SplitUser:
        """Return an experiment; only a completed one keeps to the images that its run recorded."""
        run_id = user.current_run_id if user.status == "completed" else None
        config = self._stores.experiments.read_run_config(project_id, user.id, run_id) if run_id else None
        name, split_hash = read_recorded_split(config)
        is_same_name = name in {None, view.table.split_names[index]}
        is_of_earlier = bool(split_hash) and is_same_name and split_hash != view.hash_of(index)
        return SplitUser(id=user.id, name=user.name, status=user.status, is_of_earlier_split=is_of_earlier)


def _suggest_name(taken: Sequence[str]) -> str:
    names = (FIRST_NAME, *(f"split {number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if find_same_name(name, taken) is None)


def _with_split(image: ImageRecord, split: list[str]) -> ImageRecord:
    return msgspec.structs.replace(image, split=split)


def _say_unusable(name: str, *, is_completed: bool) -> str:
    """Return what the deletion of its split means for an experiment, with how it is trained nevertheless."""
    if is_completed:
        what_to_do = "Its model is kept. To train with its settings again, duplicate it and choose another split."
    else:
        what_to_do = "To train it, choose another split in its settings."
    return f"The experiment {name!r} used this split. {what_to_do}"


def _drop_column(table: DatasetTable, name: str) -> DatasetTable:
    if name not in table.split_names:
        msg = f"The split {name!r} does not exist."
        raise NotFoundError(msg)
    index = table.split_names.index(name)
    images = [_with_split(image, [*image.split[:index], *image.split[index + 1 :]]) for image in table.images]
    return msgspec.structs.replace(
        table,
        images=images,
        split_names=[other for other in table.split_names if other != name],
        splits=[split for split in table.splits if split.name != name],
    )
