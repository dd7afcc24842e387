"""Pictures of an evaluation: figures per class, calibration, values. The confusion matrix has its own module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.annotations.results import name_value
from app.api.pages.charts import Chart, Series
from app.api.pages.evaluation.query import EvaluationAddress, page_url
from app.api.pages.evaluation.results import describe_range
from app.api.templating import Fragment
from app.number_text import format_number, format_share
from app.plurals import count
from app.schemas.class_scores import NOT_MEASURED, find_unmeasured
from app.schemas.evaluation_pages import ValuePoints
from app.schemas.tasks import MetricSpec

NUM_WORST_CLASSES = 15


@dataclass(frozen=True)
class Bar:
    """A share as text, and as the length of a bar from 0 to 100."""

    text: str
    x: float


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

    url: str
    scores: list[ClassScore]
    more: str
    more_url: str
    more_hx: str


@dataclass(frozen=True)
class ScoresContext:
    """Names for `evaluation/_class_scores.html`."""

    classes: ClassScores


@dataclass(frozen=True)
class Calibration:
    """Whether confidence means what it says. `ranges` are what `sure` of the address is for each bar and each point."""

    sentence: str
    charts: list[Chart]
    ranges: list[str]
    ranges_of_points: list[str]


@dataclass(frozen=True)
class ValueTab:
    """One of several values."""

    name: str
    url: str
    is_selected: bool


@dataclass(frozen=True)
class ValuePictures:
    """What is drawn of one value. `names` are the images of the cloud's points; `image_url` ends where a name goes."""

    tabs: list[ValueTab]
    charts: list[Chart]
    note: str
    facts: list[tuple[str, str]]
    names: list[str]
    image_url: str


def class_scores_fragment(
    project_id: str, address: EvaluationAddress, aggregate: dict[str, Any], untrained: Sequence[str]
) -> Fragment:
    """Return the figures per class of an aggregate that has them."""
    scores = make_scores(project_id, address, aggregate, untrained)
    return Fragment("evaluation/_class_scores.html", ScoresContext(scores))


def make_scores(
    project_id: str, address: EvaluationAddress, aggregate: dict[str, Any], untrained: Sequence[str]
) -> ClassScores:
    """Return precision, recall and F1 of each class, or of the worst of many; `untrained` had no training image."""
    url = page_url(project_id)
    per_class: dict[str, dict[str, float]] = aggregate["per_class"]
    ordered = sorted(per_class.items(), key=lambda item: (item[1]["support"] == 0, item[1]["f1"], item[0]))
    unmeasured = find_unmeasured(aggregate)
    shown = ordered if address.scores == "all" else ordered[:NUM_WORST_CLASSES]
    return ClassScores(
        url=url,
        scores=[
            replace(
                _make_score(url, address.keep_view(), name, figures, unmeasured.get(name, frozenset())),
                note="no training image" if name in untrained else "",
            )
            for name, figures in shown
        ],
        more=f"Show all {len(ordered):,} classes" if len(shown) < len(ordered) else "",
        more_url=url + address.to_text(scores="all"),
        more_hx=f"{url}/class-scores{address.to_text(scores='all')}",
    )


def _make_score(
    url: str, clean: EvaluationAddress, name: str, figures: dict[str, float], unmeasured: frozenset[str]
) -> ClassScore:
    """Return the figures of a class. Precision is about the images that are called so, the others about its own."""
    truth = f"{url}{clean.to_text(class_name=name)}#results"
    called = f"{url}{clean.to_text(predicted=name)}#results"
    bars = []
    for key, title in (("precision", "Precision"), ("recall", "Recall"), ("f1", "F1")):
        is_unknown = key in unmeasured
        bar = Bar(NOT_MEASURED if is_unknown else format_number(figures[key]), round(100 * figures[key], 1))
        shown = "not measured" if is_unknown else bar.text
        words = f"{title} {shown}: images {'predicted as' if key == 'precision' else 'of'} {name}"
        bars.append(ScoreBar(bar, called if key == "precision" else truth, words, key != "precision"))
    return ClassScore(name=name, url=truth, support=f"{int(figures['support']):,}", bars=bars)


def make_calibration(calibration: dict[str, Any], num_images: int) -> Calibration:
    """Return the reliability diagram and how often which confidence occurs."""
    bins = [item for item in calibration["bins"] if item["count"]]
    num = sum(item["count"] for item in bins)
    confidence = sum(item["count"] * item["confidence"] for item in bins) / num
    accuracy = sum(item["count"] * item["accuracy"] for item in bins) / num
    ece = float(calibration["ece"])
    sentence = (
        f"Average confidence {format_share(confidence)}, accuracy {format_share(accuracy)}. "
        f"Expected calibration error (ECE): {format_number(ece)}.{_judge_calibration(calibration, num_images)}"
    )
    reliability = Chart(
        id="reliability",
        title="Reliability diagram: accuracy at each confidence",
        type="line",
        series=(
            Series("perfect calibration", ((0.0, 0.0), (1.0, 1.0)), colour=7, is_dashed=True),
            Series("this model", tuple((item["confidence"], item["accuracy"]) for item in bins), colour=0),
        ),
        summary=sentence,
        x_title="Confidence",
        y_title="Accuracy",
        y_min=0.0,
        y_max=1.0,
    )
    histogram = Chart(
        id="confidence",
        title="Distribution of confidence",
        type="bar",
        series=(Series("Images", values=tuple(float(item["count"]) for item in calibration["bins"]), colour=0),),
        labels=tuple(describe_range(item["lower"], item["upper"]) for item in calibration["bins"]),
        summary=f"{count(num, 'image')} by the confidence of their prediction.",
        x_title="Confidence",
        y_title="Images",
        y_min=0.0,
    )
    ranges = [f"{number}-{len(calibration['bins'])}" for number in range(len(calibration["bins"]))]
    of_points = [name for name, item in zip(ranges, calibration["bins"], strict=True) if item["count"]]
    return Calibration(sentence, [reliability, histogram], ranges, of_points)


def _judge_calibration(calibration: dict[str, Any], num_images: int) -> str:
    """Return what the error means beyond chance, nothing of an evaluation that did not measure it."""
    chance = calibration.get("chance")
    if chance is None:
        return ""
    words = {
        "overconfident": "The model is overconfident: its confidence is higher than its accuracy.",
        "underconfident": "The model is underconfident: its confidence is lower than its accuracy.",
        "miscalibrated": "The model is overconfident at some confidences and underconfident at others.",
    }
    unclear = f"No clear difference from a perfectly calibrated model on {count(num_images, 'image')}."
    return (
        f" By chance alone, a perfectly calibrated model would show {format_number(chance['mean'])} on average and "
        f"{format_number(chance['low'])} to {format_number(chance['high'])} in 95 % of cases. "
        f"{words.get(calibration.get('verdict', ''), unclear)}"
    )


def make_values(
    project_id: str,
    address: EvaluationAddress,
    aggregate: dict[str, Any],
    points: ValuePoints,
    names: list[str],
    metrics: Sequence[MetricSpec] = (),
) -> ValuePictures:
    """Return truth against prediction, the spread of the errors and, of several values, the metrics of one value."""
    per_value: list[dict[str, float]] = aggregate.get("per_value", [])
    residuals: list[dict[str, Any]] = aggregate.get("residuals", [])
    num_values = max(1, len(per_value))
    value = min(address.value, num_values - 1)
    title = name_value(value, names) if names or num_values > 1 else "Value"
    charts = [_draw_cloud(points, title)]
    note = ""
    if len(points.points) < points.num_results:
        note = f"{len(points.points):,} of {points.num_results:,} images are shown, sampled evenly by error."
    figures = per_value[value] if per_value else aggregate
    # One value has these above the charts already.
    facts = [
        (metric.title, format_number(float(figures[metric.name])))
        for metric in (metrics if per_value else ())
        if isinstance(figures.get(metric.name), int | float)
    ]
    if value < len(residuals):
        charts.append(_draw_residuals(residuals[value], title))
        facts.append(("Mean error", format_number(residuals[value]["mean"])))
    facts += [
        (words, format_number(float(figures[name])))
        for name, words in (("median_absolute_error", "Median absolute error"), ("max_error", "Largest error"))
        if isinstance(figures.get(name), int | float)
    ]
    url = page_url(project_id)
    tabs = [
        ValueTab(name_value(index, names), f"{url}{address.to_text(value=index, image=None)}", index == value)
        for index in range(num_values)
    ]
    return ValuePictures(
        tabs=tabs if num_values > 1 else [],
        charts=charts,
        note=note,
        facts=facts,
        names=[point.filename for point in points.points],
        image_url=f"{url}/image{EvaluationAddress(experiment=address.experiment).to_text()}&image=",
    )


def _draw_cloud(points: ValuePoints, title: str) -> Chart:
    pairs = tuple((point.truth, point.prediction) for point in points.points)
    numbers = [number for pair in pairs for number in pair] or [0.0]
    low, high = min(numbers), max(numbers)
    return Chart(
        id="value-cloud",
        title=f"{title}: true value and prediction",
        type="scatter",
        series=(
            Series("images", pairs, colour=0),
            Series("exact", ((low, low), (high, high)), colour=7, is_dashed=True),
        ),
        summary=f"{count(len(pairs), 'image')} by true value and prediction. Exact predictions are on the diagonal.",
        x_title="True value",
        y_title="Prediction",
    )


def _draw_residuals(residuals: dict[str, Any], title: str) -> Chart:
    bins = residuals["bins"]
    return Chart(
        id="value-residuals",
        title=f"{title}: errors (prediction minus true value)",
        type="bar",
        series=(Series("Images", values=tuple(float(item["count"]) for item in bins), colour=0),),
        labels=tuple(format_number((item["lower"] + item["upper"]) / 2) for item in bins),
        summary=f"Mean error {format_number(residuals['mean'])}, standard deviation "
        f"{format_number(residuals['deviation'])}.",
        x_title="Error",
        y_title="Images",
        y_min=0.0,
    )
