"""Scores per class, worst first, as bars that lead to their images."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.pages.evaluation.parts.base import PartPage, PartView
from app.api.pages.evaluation.query import EvaluationAddress, page_url
from app.api.pages.figures import Bar
from app.api.templating import Fragment
from app.number_text import format_number
from app.schemas.class_scores import NOT_MEASURED
from app.schemas.parts import ClassTablePart, ScoreColumn, ScoreRow

NUM_WORST_CLASSES = 15
_ADDRESS_FIELDS = {"filter_class": "class_name", "filter_predicted": "predicted"}


@dataclass(frozen=True)
class ScoreBar:
    """One figure of a class; `url` of the images that it is about."""

    bar: Bar
    url: str
    title: str
    is_like_name: bool


@dataclass(frozen=True)
class ClassScore:
    """The figures of one class; `url` of the page that shows its images."""

    name: str
    url: str
    support: str
    bars: list[ScoreBar]
    note: str = ""


@dataclass(frozen=True)
class ClassScores:
    """What `evaluation/_class_scores.html` shows, worst first."""

    help: str
    columns: list[str]
    scores: list[ClassScore]
    more: str
    more_url: str
    more_hx: str


@dataclass(frozen=True)
class ScoresContext:
    """Names for `evaluation/_class_scores.html`."""

    classes: ClassScores


def class_scores_fragment(part: ClassTablePart, page: PartPage) -> Fragment:
    """Return the scores per class of an evaluation."""
    return Fragment("evaluation/_class_scores.html", ScoresContext(make_scores(part, page)))


def present(part: ClassTablePart, page: PartPage) -> PartView:
    """Return the table as it comes with the page."""
    return PartView(make_scores(part, page))


def make_scores(part: ClassTablePart, page: PartPage) -> ClassScores:
    """Return the scores of each class, or of the worst of many."""
    url, address = page_url(page.project_id), page.address
    shown = part.rows if address.scores == "all" else part.rows[:NUM_WORST_CLASSES]
    return ClassScores(
        help=" ".join(f"{column.title}: {column.help}." for column in part.columns),
        columns=[column.title for column in part.columns],
        scores=[_make_score(url, part.columns, row, page) for row in shown],
        more=f"Show all {len(part.rows):,} classes" if len(shown) < len(part.rows) else "",
        more_url=url + address.to_text(scores="all"),
        more_hx=f"{url}/class-scores{address.to_text(scores='all')}",
    )


def _make_score(url: str, columns: list[ScoreColumn], row: ScoreRow, page: PartPage) -> ClassScore:
    clean = page.address.keep_view()
    bars = [_make_bar(url, clean, column, row.name, score) for column, score in zip(columns, row.scores, strict=True)]
    return ClassScore(
        name=row.name,
        url=f"{url}{clean.to_text(class_name=row.name)}#results",
        support=f"{row.support:,}",
        bars=bars,
        note="no training image" if row.name in page.untrained else "",
    )


def _make_bar(url: str, clean: EvaluationAddress, column: ScoreColumn, name: str, score: float | None) -> ScoreBar:
    """Return a score as a bar. Its images are those of the class, or those that are called so."""
    is_of_class = column.click == "filter_class"
    bar = Bar(NOT_MEASURED, 0.0) if score is None else Bar(format_number(score), round(100 * score, 1))
    shown = "not measured" if score is None else bar.text
    words = f"{column.title} {shown}: images {'of' if is_of_class else 'predicted as'} {name}"
    link = f"{url}{clean.to_text(**{_ADDRESS_FIELDS[column.click]: name})}#results"
    return ScoreBar(bar, link, words, is_of_class)
