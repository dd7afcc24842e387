"""The list of experiments as it is shown: rows, filters, and the dialogs of one row. Decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlencode

from app.api.pages.forms import Option
from app.api.pages.run_words import add_so_far, name_subset, show_duration, show_size
from app.api.pages.times import Moment, describe_moment
from app.api.templating import Fragment
from app.number_text import format_number
from app.plurals import count
from app.schemas.experiments import ExperimentStatus
from app.schemas.training_views import DeletionView, ExperimentQuery, ExperimentRow, ExperimentRows, SettingsView

FEW = 6
"""From so many experiments on there is something to search and to sort."""
_SORTS = {"newest": "Newest", "oldest": "Oldest", "name": "Name", "metric": "Best result"}


@dataclass(frozen=True)
class ExperimentItem:
    """One row. `progress_text` is empty where no run is on its way."""

    id: str
    name: str
    url: str
    status: str
    is_selected: bool
    metric_text: str
    created: Moment
    queue_text: str
    progress_text: str
    epochs_done: int
    epochs: int


@dataclass(frozen=True)
class ExperimentListing:
    """The list as it is shown."""

    project_id: str
    page_url: str
    list_url: str
    all_url: str
    pages_url: str
    items: tuple[ExperimentItem, ...]
    num_all: int
    num_matching: int
    page: int
    num_pages: int
    has_filter: bool
    search: str
    status: str
    sort: str
    statuses: tuple[Option, ...]
    sorts: tuple[Option, ...]
    selected_id: str


@dataclass(frozen=True)
class ExperimentListContext:
    """Names for `training/_experiment_list.html`."""

    listed: ExperimentListing


@dataclass(frozen=True)
class RenameContext:
    """Names for `training/_experiment_rename.html`."""

    project_id: str
    experiment_id: str
    name: str
    description: str


@dataclass(frozen=True)
class DeletionContext:
    """Names for `training/_experiment_deletion.html`."""

    project_id: str
    experiment_id: str
    name: str
    what_goes: tuple[str, ...]
    what_else: tuple[str, ...]
    refusal: str


def experiment_list_fragment(project_id: str, rows: ExperimentRows) -> Fragment:
    """Return the list without the page around it."""
    return Fragment("training/_experiment_list.html", ExperimentListContext(describe_listing(project_id, rows)))


def experiment_rename_fragment(project_id: str, view: SettingsView) -> Fragment:
    """Return the form that renames an experiment."""
    record = view.record
    context = RenameContext(project_id, record.id, record.name, record.description or "")
    return Fragment("training/_experiment_rename.html", context)


def experiment_deletion_fragment(project_id: str, view: DeletionView) -> Fragment:
    """Return the form that deletes an experiment, with what goes with it."""
    goes = ["Its settings"]
    if view.num_runs:
        size = f" ({show_size(view.checkpoints_mb)})" if view.checkpoints_mb >= 0.05 else ""
        goes.append(f"{count(view.num_runs, 'run')} with curves, logs and checkpoints{size}")
    if view.has_evaluation:
        goes.append("Its evaluation")
    others = []
    if view.num_exports:
        others.append(f"{count(view.num_exports, 'exported model')} of this experiment will be kept.")
    if view.forks:
        others.append(f"These forks are not trained yet and lose their starting weights: {', '.join(view.forks)}.")
    context = DeletionContext(project_id, view.record.id, view.record.name, tuple(goes), tuple(others), view.refusal)
    return Fragment("training/_experiment_deletion.html", context)


def describe_listing(project_id: str, rows: ExperimentRows) -> ExperimentListing:
    """Return what the list shows; the page around it holds the same."""
    query = rows.query
    page_url = f"/projects/{project_id}/training"
    kept = ExperimentQuery(page=rows.page, metric=query.metric)  # the rest stands in the filter, which is sent along
    return ExperimentListing(
        project_id=project_id,
        page_url=page_url,
        list_url=f"{page_url}/experiment-list?{encode_query(kept)}".rstrip("?"),
        all_url=f"{page_url}?experiment={query.experiment}" if query.experiment else page_url,
        pages_url=f"{page_url}?{encode_query(query.model_copy(update={'page': 1}))}&page=",
        items=tuple(_item(row, rows, page_url) for row in rows.rows),
        num_all=rows.num_all,
        num_matching=rows.num_matching,
        page=rows.page,
        num_pages=rows.num_pages,
        has_filter=rows.num_all >= FEW,
        search=query.search,
        status=query.status,
        sort=query.sort,
        statuses=(
            Option("all", "All"),
            *(_status_option(name) for name in get_args(ExperimentStatus)),
        ),
        sorts=tuple(Option(name, title) for name, title in _SORTS.items()),
        selected_id=query.experiment or "",
    )


def encode_query(query: ExperimentQuery) -> str:
    """Return a query for an address, without what is at its default."""
    return urlencode(query.model_dump(exclude_defaults=True, exclude_none=True))


def _item(row: ExperimentRow, rows: ExperimentRows, page_url: str) -> ExperimentItem:
    record = row.record
    selected = rows.query.model_copy(update={"experiment": record.id})
    return ExperimentItem(
        id=record.id,
        name=rows.names[record.id],
        url=f"{page_url}?{encode_query(selected)}",
        status=record.status,
        is_selected=record.id == rows.query.experiment,
        metric_text=_describe_metric(row, rows),
        created=describe_moment(record.created_at),
        queue_text="" if row.queue_position is None else f"Position {row.queue_position} in the queue",
        progress_text=_describe_progress(row) if record.status == "training" else "",
        epochs_done=row.epochs_done,
        epochs=row.epochs,
    )


def _describe_metric(row: ExperimentRow, rows: ExperimentRows) -> str:
    if row.metric is None:
        return ""
    title = name_subset(next(iter(row.record.best_metric), ""), row.metric_title or rows.metric.title)
    return add_so_far(f"{title} {format_number(row.metric)}", row.record.status)


def _describe_progress(row: ExperimentRow) -> str:
    epochs = f"{row.epochs_done} of {row.epochs} epochs"
    return epochs if row.eta_s is None else f"{epochs} · {show_duration(row.eta_s)} left"


def _status_option(name: str) -> Option:
    return Option(name, "Queued" if name == "pending" else name.capitalize())
