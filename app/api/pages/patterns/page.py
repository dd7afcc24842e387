"""Every macro in every state, for those who build pages and for the tests. No page links here, and no data is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from app.annotations.shapes import Shape
from app.api.pages.charts import Chart, Series
from app.api.pages.forms import FormField, Option
from app.api.pages.overlays import Picture
from app.api.pages.shell import page_response
from app.api.pages.times import Moment, describe_moment

router = APIRouter(include_in_schema=False)

_OPTIONS = (Option("a", "First"), Option("b", "Second"), Option("c", "Third", "needs a GPU"))
_FIELDS = (
    FormField(
        "learning_rate", "Learning rate", "number", 0.01, 0.001, "Step size.", 0.0, 10.0, "any", group="Optimizer"
    ),
    FormField("epochs", "Epochs", "integer", 50, 50, "Passes over the images.", 1, 1000, 1, group="Training"),
    FormField(
        "rule",
        "Rule",
        "select",
        "adam",
        "adam",
        options=(Option("adam", "adam"), Option("sgd", "sgd")),
        group="Optimizer",
    ),
    FormField("ema", "Average of the weights", "checkbox", True, False, "Keeps a moving average.", group="Training"),
    FormField(
        "milestones", "Milestones", "list", [30, 40], [30, 40], "Epochs, with commas between.", group="Optimizer"
    ),
    FormField("dropout", "Dropout", "range", 0.2, 0.0, "", 0.0, 0.9, 0.1, group="Training"),
    FormField("clip", "Clip", "number", None, None, "Largest norm.", 0, None, "any", unit="norm", is_optional=True),
    FormField("frozen", "Frozen", "checkbox", False, False, reason="Cannot change while a run is going on."),
)
_LINE = Chart(
    "line",
    "Loss",
    "line",
    (
        Series("train", tuple((float(x), 1.0 / x) for x in range(1, 21))),
        Series("val", tuple((float(x), 1.1 / x + 0.05) for x in range(1, 21)), is_dashed=True),
    ),
    "Both fall and level off.",
    x_title="Epoch",
)
_BARS = Chart(
    "bars",
    "Images per class",
    "bar",
    (Series("images", values=(12, 7, 3)),),
    "Most are of the first class.",
    labels=("first", "second", "third"),
    is_horizontal=True,
)
_CLOUD = Chart(
    "cloud",
    "Predicted and true",
    "scatter",
    (Series("test", tuple((x / 4, x / 4 + (-1) ** x * 0.3) for x in range(20))),),
    "Close to the diagonal.",
    x_title="true",
    y_title="predicted",
)
_AGES = (timedelta(seconds=5), timedelta(minutes=3), timedelta(hours=5), timedelta(days=2), timedelta(days=40))
_SHAPES = (
    Shape("box", (4, 4, 14, 10), "a box", 0),
    Shape("rotated_box", (22, 20, 12, 6, 30), "a rotated box", 1, is_prediction=True),
    Shape("polygon", (6, 20, 12, 18, 14, 28, 5, 29), "a polygon", 2),
)


@dataclass(frozen=True)
class PatternsContext:
    """Names for `patterns/index.html`."""

    fields: tuple[FormField, ...]
    options: tuple[Option, ...]
    charts: tuple[Chart, ...]
    picture: Picture
    plain_picture: Picture
    statuses: tuple[str, ...]
    moments: tuple[Moment, ...]
    section: str = ""


@router.head("/_patterns")
@router.get("/_patterns")
def show_patterns() -> HTMLResponse:
    """All patterns on one page."""
    now = datetime.now(timezone.utc)
    context = PatternsContext(
        fields=_FIELDS,
        options=_OPTIONS,
        charts=(_LINE, _BARS, _CLOUD),
        picture=Picture("/static/favicon.svg", "An icon", 32, 32, "With shapes over it", "#images", _SHAPES),
        plain_picture=Picture("/static/favicon.svg", "An icon", 32, 32),
        statuses=("created", "pending", "training", "paused", "completed", "failed", "cancelled", "interrupted"),
        moments=tuple(describe_moment((now - age).isoformat()) for age in _AGES),
    )
    return page_response("patterns/index.html", context)
