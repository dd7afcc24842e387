"""The list of completed experiments beside an evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.pages.evaluation.query import page_url
from app.api.pages.subsets import name_measured_images
from app.api.templating import Fragment
from app.number_text import format_number
from app.plurals import count
from app.schemas.evaluation_pages import EvaluatedExperiment, EvaluationListing
from app.schemas.tasks import TaskInfo

_EVALUATION_WORDS = {
    "pending": "Evaluation queued",
    "running": "Evaluating…",
    "failed": "Evaluation failed",
    "cancelled": "Evaluation cancelled",
    "interrupted": "Evaluation interrupted",
}


MAX_ITEMS = 100


@dataclass(frozen=True)
class EvaluatedItem:
    """One line of the list."""

    name: str
    url: str
    text: str
    status: str
    is_selected: bool


@dataclass(frozen=True)
class EvaluationListContext:
    """Names for `evaluation/_evaluation_list.html`."""

    project_id: str
    items: list[EvaluatedItem]
    more: str


def evaluation_list_fragment(project_id: str, listing: EvaluationListing) -> Fragment:
    """Return the list of experiments."""
    return Fragment(
        "evaluation/_evaluation_list.html", EvaluationListContext(project_id, *make_items(project_id, listing))
    )


def make_items(project_id: str, listing: EvaluationListing) -> tuple[list[EvaluatedItem], str]:
    """Return the lines of the list, and a sentence about the experiments that it leaves out."""
    ordered = sorted(listing.experiments, key=lambda item: item.id != listing.selected_id)
    shown = {item.id for item in ordered[:MAX_ITEMS]}
    items = [
        EvaluatedItem(
            name=item.name,
            url=f"{page_url(project_id)}?experiment={item.id}",
            text=_describe(item, listing.task),
            status=item.status,
            is_selected=item.id == listing.selected_id,
        )
        for item in listing.experiments
        if item.id in shown
    ]
    return items, _count_others(len(ordered) - len(items), listing.num_unfinished)


def _count_others(num_more: int, num_unfinished: int) -> str:
    sentences = [f"And {num_more:,} more."] if num_more else []
    if num_unfinished:
        sentences.append(
            f"{count(num_unfinished, 'experiment')} {'is' if num_unfinished == 1 else 'are'} not completed yet."
        )
    return " ".join(sentences)


def _describe(item: EvaluatedExperiment, task: TaskInfo) -> str:
    if item.headline is not None:
        leaked = f", {count(item.num_copies, 'image')} used in training" if item.num_copies else ""
        if item.is_redrawn and not leaked:
            leaked = ", possibly used in training"
        measured = f" on {name_measured_images(item.subsets)}" if item.subsets else ""
        return f"{task.headline_metrics[0].title} {format_number(item.headline)}{measured}{leaked}"
    if item.evaluation_status is None:
        return "Not evaluated yet"
    return _EVALUATION_WORDS.get(item.evaluation_status, "Evaluated")
