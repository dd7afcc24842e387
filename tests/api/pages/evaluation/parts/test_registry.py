"""Every type of report part has a presenter and a template; neighbours with one title share a panel."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from app.api.pages.evaluation.parts.base import PartPage
from app.api.pages.evaluation.parts.registry import find_presenter, find_template, make_panels
from app.api.pages.evaluation.query import EvaluationAddress
from app.api.templating import TEMPLATES_DIR, template_environment
from app.schemas.parts import (
    AnyReportPart,
    Curve,
    CurvePart,
    CurvePoint,
    HistogramBin,
    HistogramPart,
    HistogramValues,
    NamedNumber,
    ResultFilter,
    ScatterPart,
    ScatterValues,
    ValueTablePart,
)
from tests.schemas.test_parts import NUM_TYPES, SAMPLES

PAGE = PartPage("proj-00000001", EvaluationAddress(experiment="exp-00000001"), ["width", "weight"])


def draw(part: AnyReportPart, page: PartPage = PAGE) -> str:
    """Return the HTML of one part."""
    (panel,) = make_panels([part], page)
    (shown,) = [*panel.charts, *panel.parts]
    return template_environment().get_template(shown.template).render(part=shown.content)


def test_every_type_has_a_presenter_and_a_template_of_its_name() -> None:
    types = [kind.model_fields["type"].default for kind in get_args(AnyReportPart)]
    assert len(types) == NUM_TYPES
    assert [name for name in types if not callable(find_presenter(name).present)] == []
    folder = TEMPLATES_DIR / "evaluation" / "parts"
    assert sorted(path.name for path in folder.iterdir()) == sorted(Path(find_template(name)).name for name in types)


@pytest.mark.parametrize("part", SAMPLES, ids=lambda part: part.type)
def test_a_part_is_drawn(part: AnyReportPart) -> None:
    assert re.search("<(p|div|figure|table)", draw(part))


def test_neighbours_of_one_title_share_a_panel_whose_charts_stand_side_by_side() -> None:
    panels = make_panels(SAMPLES, PAGE)
    assert [(panel.title, len(panel.charts), len(panel.parts)) for panel in panels] == [
        ("Matrix", 0, 1),
        ("Classes", 0, 1),
        ("ROC", 1, 0),
        ("Values", 2, 0),
        ("Calibration", 0, 1),
        ("Values", 0, 1),
    ]
    assert panels[2].notes == ["Click a point to see its images."]


def test_several_values_have_a_tab_each_and_one_is_shown() -> None:
    bins = [HistogramBin(lower=-1.0, upper=1.0, count=2)]
    values = [HistogramValues(mean=mean, deviation=1.0, bins=bins) for mean in (0.0, 5.0)]
    histogram = HistogramPart(
        id="residuals", panel="Values", title="errors", x_title="Error", y_title="Images", values=values
    )
    numbers = [[NamedNumber(title="Largest error", number=number)] for number in (2.0, 3.0)]
    table = ValueTablePart(id="numbers", panel="Values", values=numbers)
    page = PartPage("proj-00000001", EvaluationAddress(value=1), ["width", "weight"])
    (panel,) = make_panels([histogram, table], page)
    assert [(tab.name, tab.is_selected) for tab in panel.tabs] == [("width", False), ("weight", True)]
    html = draw(histogram, page)
    assert "weight: errors" in html
    assert "Mean error 5.000, standard deviation 1.000." in html
    assert "data-chart-filters='{}'" in html
    assert "Largest error 3.000." in draw(table, page)
    assert "Value 2: errors" in draw(histogram, PartPage("p", EvaluationAddress(value=9)))


def test_points_of_a_scatter_lead_to_their_images_and_a_sample_says_so() -> None:
    part = ScatterPart(
        id="cloud",
        panel="Values",
        title="true value and prediction",
        x_title="True value",
        y_title="Prediction",
        names=["b.png"],
        num_images=2000,
        values=[ScatterValues(truth=[1.0], prediction=[1.5])],
    )
    html = draw(part, PartPage("p", EvaluationAddress(experiment="exp-00000001")))
    assert 'data-image-url="/projects/p/evaluation/image?experiment=exp-00000001&amp;image="' in html
    assert "data-point-names='[\"b.png\"]'" in html
    assert "Value: true value and prediction" in html
    (panel,) = make_panels([part], PAGE)
    assert panel.notes == ["1 of 2,000 images are shown, sampled evenly by error. Click a point to open its image."]


def test_points_of_a_curve_and_bars_lead_to_the_results_that_they_mean() -> None:
    wrong = ResultFilter(filter_correct=False, filter_class="a")
    curve = CurvePart(
        id="pr",
        panel="PR",
        title="PR",
        summary="High.",
        x_title="Recall",
        y_title="Precision",
        curves=[Curve(name="a", points=[CurvePoint(x=0.0, y=1.0, click=wrong), CurvePoint(x=1.0, y=0.5)])],
    )
    assert 'data-chart-filters=\'{"a": ["?class=a\\u0026correct=no", null]}\'' in draw(curve)
    bins = [HistogramBin(lower=0.0, upper=1.0, count=2, click=wrong)]
    histogram = HistogramPart(
        id="sizes",
        panel="Sizes",
        title="sizes",
        x_title="Size",
        y_title="Boxes",
        values=[HistogramValues(mean=0.5, deviation=0.1, bins=bins)],
    )
    (panel,) = make_panels([histogram], PAGE)
    assert panel.notes == ["Click a bar to see its images."]
    assert '{"Boxes": ["?class=a' in draw(histogram)
