"""Scores per class as bars with links."""

from __future__ import annotations

from app.api.pages.evaluation.parts.base import PartPage
from app.api.pages.evaluation.parts.class_table import NUM_WORST_CLASSES, make_scores
from app.api.pages.evaluation.query import EvaluationAddress
from app.schemas.class_scores import NOT_MEASURED
from app.schemas.parts import ClassTablePart, ScoreColumn, ScoreRow

COLUMNS = [
    ScoreColumn(key="precision", title="Precision", help="share of what is called so", click="filter_predicted"),
    ScoreColumn(key="recall", title="Recall", help="share of its images", click="filter_class"),
]


def make_part(*rows: ScoreRow) -> ClassTablePart:
    """Return a table of two scores."""
    return ClassTablePart(id="classes", panel="Classes", columns=COLUMNS, rows=list(rows))


def test_scores_that_could_not_be_measured_are_not_shown_as_0() -> None:
    part = make_part(
        ScoreRow(name="a", scores=[1.0, 0.667], support=6), ScoreRow(name="b", scores=[0.0, None], support=0)
    )
    shown = make_scores(part, PartPage("p", EvaluationAddress(), untrained=["b"]))
    assert [[item.bar.text for item in score.bars] for score in shown.scores] == [
        ["1.000", "0.667"],
        ["0.000", NOT_MEASURED],
    ]
    assert shown.scores[1].bars[1].title == "Recall not measured: images of b"
    assert [score.note for score in shown.scores] == ["", "no training image"]
    assert shown.help == "Precision: share of what is called so. Recall: share of its images."


def test_a_bar_leads_to_the_images_that_it_is_about() -> None:
    part = make_part(ScoreRow(name="a", scores=[0.5, 0.5], support=1))
    (score,) = make_scores(part, PartPage("p", EvaluationAddress())).scores
    assert [item.url.rpartition("/")[2] for item in score.bars] == [
        "evaluation?predicted=a#results",
        "evaluation?class=a#results",
    ]
    assert [item.is_like_name for item in score.bars] == [False, True]


def test_many_classes_are_cut_to_the_worst() -> None:
    part = make_part(*(ScoreRow(name=f"c{number}", scores=[0.5, 0.5], support=1) for number in range(40)))
    worst = make_scores(part, PartPage("p", EvaluationAddress()))
    assert (len(worst.scores), worst.more) == (NUM_WORST_CLASSES, "Show all 40 classes")
    everything = make_scores(part, PartPage("p", EvaluationAddress(scores="all")))
    assert (len(everything.scores), everything.more) == (40, "")
