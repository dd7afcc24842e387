"""Lines over a common axis, such as ROC and precision against recall."""

from __future__ import annotations

from app.api.pages.charts import Chart, Series
from app.api.pages.evaluation.parts.base import ChartPart, PartPage, PartView, chart_id, write_filter
from app.schemas.parts import CurvePart

REFERENCE_COLOUR = 7


def present(part: CurvePart, page: PartPage) -> PartView:  # noqa: ARG001 - a curve is the same on every page
    """Return the chart, and what a click on each point filters by."""
    chart = Chart(
        id=chart_id(part.id),
        title=part.title,
        type="line",
        series=tuple(
            Series(
                curve.name,
                tuple((point.x, point.y) for point in curve.points),
                colour=REFERENCE_COLOUR if curve.is_reference else None,
                is_dashed=curve.is_reference,
            )
            for curve in part.curves
        ),
        summary=part.summary,
        x_title=part.x_title,
        y_title=part.y_title,
    )
    filters = {curve.name: [write_filter(point.click) for point in curve.points] for curve in part.curves}
    can_click = any(wish for wishes in filters.values() for wish in wishes)
    note = "Click a point to see its images." if can_click else ""
    return PartView(ChartPart(chart, filters if can_click else {}), is_chart=True, note=note)
