"""How a number is distributed over the images."""

from __future__ import annotations

from app.api.pages.charts import Chart, Series
from app.api.pages.evaluation.parts.base import ChartPart, PartPage, PartView, chart_id, choose_value, write_filter
from app.number_text import format_number
from app.schemas.parts import HistogramPart


def present(part: HistogramPart, page: PartPage) -> PartView:
    """Return the bars of the value that the page shows, and what a click on each filters by."""
    num_values = len(part.values)
    value, name = choose_value(page, num_values)
    shown = part.values[value]
    chart = Chart(
        id=chart_id(part.id),
        title=f"{name}: {part.title}",
        type="bar",
        series=(Series(part.y_title, values=tuple(float(item.count) for item in shown.bins), colour=0),),
        labels=tuple(format_number((item.lower + item.upper) / 2) for item in shown.bins),
        summary=f"Mean {part.x_title.lower()} {format_number(shown.mean)}, standard deviation "
        f"{format_number(shown.deviation)}.",
        x_title=part.x_title,
        y_title=part.y_title,
        y_min=0.0,
    )
    filters = {part.y_title: [write_filter(item.click) for item in shown.bins]}
    note = "Click a bar to see its images." if any(filters[part.y_title]) else ""
    return PartView(ChartPart(chart, filters if note else {}), is_chart=True, note=note, num_values=num_values)
