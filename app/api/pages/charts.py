"""Typed descriptions of charts: what the macro `chart` writes and charts.js draws. Computes nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Series:
    """One line, cloud or row of bars. Lines and scatters have `points` (x, y), bars have `values` along the labels.

    `colour` is 0 to 7; without one the place in the chart decides. A marker is large points without a line.
    """

    name: str
    points: tuple[tuple[float, float | None], ...] = ()
    values: tuple[float | None, ...] = ()
    colour: int | None = None
    is_dashed: bool = False
    is_marker: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart. `summary` says in a sentence what it shows, for those who do not see it."""

    id: str
    title: str
    type: Literal["line", "bar", "scatter"]
    series: tuple[Series, ...]
    summary: str
    labels: tuple[str, ...] = ()
    x_title: str = ""
    y_title: str = ""
    y_min: float | None = None
    y_max: float | None = None
    is_stacked: bool = False
    is_horizontal: bool = False

    @property
    def data(self) -> dict[str, Any]:
        """Everything that charts.js needs."""
        return asdict(self)
