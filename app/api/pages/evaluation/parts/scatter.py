"""True values against predictions, one point for each image of a sample."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.pages.charts import Chart, Series
from app.api.pages.evaluation.parts.base import PartPage, PartView, chart_id, choose_value
from app.api.pages.evaluation.query import EvaluationAddress, page_url
from app.plurals import count
from app.schemas.parts import ScatterPart


@dataclass(frozen=True)
class ScatterPicture:
    """`names` are the images of the points; `image_url` ends where a name goes."""

    chart: Chart
    names: list[str]
    image_url: str


def present(part: ScatterPart, page: PartPage) -> PartView:
    """Return the points of the value that the page shows."""
    num_values = len(part.values)
    value, name = choose_value(page, num_values)
    shown = part.values[value]
    low, high = (choose([*shown.truth, *shown.prediction, *([] if part.names else [0.0])]) for choose in (min, max))
    chart = Chart(
        id=chart_id(part.id),
        title=f"{name}: {part.title}",
        type="scatter",
        series=(
            Series("images", tuple(zip(shown.truth, shown.prediction, strict=True)), colour=0),
            Series("exact", ((low, low), (high, high)), colour=7, is_dashed=True),
        ),
        summary=f"{count(len(part.names), 'image')} by true value and prediction. Exact predictions are on the "
        "diagonal.",
        x_title=part.x_title,
        y_title=part.y_title,
    )
    address = EvaluationAddress(experiment=page.address.experiment)
    image_url = f"{page_url(page.project_id)}/image{address.to_text()}&image="
    sampled = f"{len(part.names):,} of {part.num_images:,} images are shown, sampled evenly by error. "
    note = f"{sampled if len(part.names) < part.num_images else ''}Click a point to open its image."
    return PartView(ScatterPicture(chart, part.names, image_url), is_chart=True, note=note, num_values=num_values)
