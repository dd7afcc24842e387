"""The experiments beside an evaluation: which can be looked at, and why others cannot."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.pages.evaluation_figures import count, format_number
from app.api.pages.evaluation_query import page_url
from app.api.templating import Fragment
from app.schemas.evaluation_pages import EvaluatedExperiment, EvaluationListing
from app.schemas.tasks import TaskInfo

_EVALUATION_WORDS = {
    "pending": "Evaluation waits",
    "running": "Being evaluated",
    "failed": "Evaluation failed",
    "cancelled": "Evaluation cancelled",
    "interrupted": "Evaluation interrupted",
}


MAX_ITEMS = 100


@dataclass(frozen=True)
class ExperimentItem:
    """One line of the list; without `url` it cannot be chosen, and `text` says why."""

    name: str
    url: str
    text: str
    status: str
    is_selected: bool


@dataclass(frozen=True)
class ListContext:
    """Names for `evaluation/_evaluation_list.html`."""

    project_id: str
    items: list[ExperimentItem]
    more: str


def evaluation_list_fragment(project_id: str, listing: EvaluationListing) -> Fragment:
    """Return the list of experiments."""
    return Fragment("evaluation/_evaluation_list.html", ListContext(project_id, *make_items(project_id, listing)))


def make_items(project_id: str, listing: EvaluationListing) -> tuple[list[ExperimentItem], str]:
    """Return the lines of the list, those that can be chosen first, and how many more there are."""
    ordered = sorted(listing.experiments, key=lambda item: (item.id != listing.selected_id, bool(item.reason)))
    shown = {item.id for item in ordered[:MAX_ITEMS]}
    items = [
        ExperimentItem(
            name=item.name,
            url=f"{page_url(project_id)}?experiment={item.id}" if not item.reason else "",
            text=item.reason or _describe(item, listing.task),
            status=item.status,
            is_selected=item.id == listing.selected_id,
        )
        for item in sorted(listing.experiments, key=lambda item: bool(item.reason))
        if item.id in shown
    ]
    num_more = len(ordered) - len(items)
    return items, f"And {num_more:,} more." if num_more else ""


def _describe(item: EvaluatedExperiment, task: TaskInfo) -> str:
    if item.headline is not None:
        leaked = f", {count(item.num_copies, 'image')} seen in training" if item.num_copies else ""
        return f"{task.headline_metrics[0].title} {format_number(item.headline)}{leaked}"
    if item.evaluation_status is None:
        return "Not evaluated yet"
    return _EVALUATION_WORDS.get(item.evaluation_status, "Evaluated")
