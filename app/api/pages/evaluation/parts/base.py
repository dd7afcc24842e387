"""What the presenters of report parts share: where the parts are shown, and what a presenter answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.annotations.results import name_value
from app.api.pages.charts import Chart
from app.api.pages.evaluation.query import EvaluationAddress
from app.schemas.parts import ResultFilter

Filters = dict[str, list[str | None]]
"""For each series of a chart, what the address of the page says after a click on a point; None for no click."""


@dataclass(frozen=True)
class PartPage:
    """The page that shows the parts. `untrained` are the classes that the model saw no image of."""

    project_id: str
    address: EvaluationAddress
    value_names: Sequence[str] = ()
    untrained: Sequence[str] = ()


@dataclass(frozen=True)
class PartView:
    """One part, ready to show. `content` is `part` in its template.

    Charts stand side by side above the rest of their panel; `note` stands below it. With `num_values` above 1 the
    panel has a tab for each value.
    """

    content: object
    is_chart: bool = False
    note: str = ""
    num_values: int = 1


@dataclass(frozen=True)
class ChartPart:
    """What the template of a part that is one chart shows."""

    chart: Chart
    filters: Filters = field(default_factory=dict)


def write_filter(wish: ResultFilter | None) -> str | None:
    """Return what the address of the page says of the results that a click means; None where it means none."""
    return (EvaluationAddress.from_filter(wish).to_text() or None) if wish is not None else None


def choose_value(page: PartPage, num_values: int) -> tuple[int, str]:
    """Return the number of the value that the page shows, and what it is called."""
    value = min(page.address.value, num_values - 1)
    is_named = bool(page.value_names) or num_values > 1
    return value, name_value(value, list(page.value_names)) if is_named else "Value"


def chart_id(part_id: str) -> str:
    """Return the id of the element that shows the chart of a part."""
    return part_id.replace("_", "-")
