"""A comparison in words, bars and curves. What is better was decided by core."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import quote

from app.annotations.base import AnnotationKind
from app.annotations.registry import get_kind
from app.api.pages.charts import Chart, Series
from app.api.pages.compare.selection import Selection, with_metric
from app.api.pages.compare.settings import SettingRow, list_settings
from app.api.pages.figures import explain_no_interval
from app.api.pages.overlays import Picture
from app.api.pages.run_words import UNFINISHED
from app.api.pages.subsets import name_measured_images
from app.api.templating import Fragment
from app.number_text import format_difference, format_number
from app.plurals import count
from app.schemas.comparison import ComparedExperiment, ComparedImage, CompareQuery, Comparison, PairedTest
from app.schemas.parts import Figure
from app.schemas.tasks import MetricSpec

BAR_WIDTH = 192.0
NO_NAMES: Mapping[str, str] = MappingProxyType({})
MAX_POINTS = 200


@dataclass(frozen=True)
class Verdict:
    """Which of two is better, or that there is no clear winner."""

    title: str
    detail: str
    is_open: bool
    lines: tuple[str, ...]


@dataclass(frozen=True)
class IntervalBar:
    """One experiment under one metric; x positions in a drawing of 192 by 12."""

    name: str
    colour: int
    value: str
    interval: str
    why_none: str
    low_x: float
    width: float
    value_x: float
    has_bar: bool


@dataclass(frozen=True)
class MetricRows:
    """A metric and how each experiment does."""

    title: str
    hint: str
    bars: tuple[IntervalBar, ...]


@dataclass(frozen=True)
class Link:
    """A choice that is an address."""

    title: str
    url: str
    is_current: bool


@dataclass(frozen=True)
class Answer:
    """What one experiment says of an image."""

    name: str
    colour: int
    text: str
    is_best: bool


@dataclass(frozen=True)
class ImageCard:
    """An image that the experiments differ on."""

    picture: Picture
    truth_title: str
    truth: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Note:
    """What to know beforehand, with addresses that mend it."""

    title: str
    text: str
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Result:
    """Everything below the list of experiments."""

    names: tuple[tuple[str, int], ...]
    notes: tuple[Note, ...]
    conclusion: str
    num_tests: int
    has_tests: bool
    has_several_tests: bool
    verdicts: tuple[Verdict, ...]
    other_pairs: tuple[str, ...]
    metrics: tuple[MetricRows, ...]
    metrics_title: str
    limits: tuple[str, ...]
    chart: Chart | None
    curves: tuple[Link, ...]
    settings: tuple[SettingRow, ...]
    num_equal_settings: int
    image_title: str
    image_filters: tuple[Link, ...]
    images: tuple[ImageCard, ...]
    image_page: int
    num_image_pages: int
    has_image_pages: bool
    num_images: int
    image_url: str


@dataclass(frozen=True)
class ComparisonContext:
    """Names for `compare/_comparison.html`; `result` is None while `problem` says what to choose."""

    num_gone: int
    problem: str
    result: Result | None


def comparison_fragment(
    project_id: str, query: CompareQuery, comparison: Comparison, names: Mapping[str, str]
) -> Fragment:
    """Return what the page shows of a comparison; its links lead to the page. `names` are as in `build_result`."""
    chosen = tuple(query.experiments)
    selection = Selection(project_id, chosen, reference=chosen[0], only=query.only or "", page=query.page)
    return Fragment("compare/_comparison.html", ComparisonContext(0, "", build_result(selection, comparison, names)))


def build_result(selection: Selection, comparison: Comparison, names: Mapping[str, str] = NO_NAMES) -> Result:
    """Return what the page shows of a comparison; `names` are texts for ids among the values of the settings."""
    sides = comparison.experiments
    colours = {side.id: index + 1 for index, side in enumerate(sides)}
    chart, curves = _curves(selection, comparison)
    is_correct = comparison.direction == "max"
    page = comparison.images
    kind = get_kind(comparison.annotation_kind)
    # Without an evaluation of the first one there are only other pairs.
    shown = [test for test in comparison.tests if test.reference == sides[0].id] or comparison.tests
    return Result(
        names=tuple((side.name, colours[side.id]) for side in sides),
        notes=tuple(_notes(selection, comparison)),
        conclusion=comparison.conclusion,
        num_tests=len(comparison.tests),
        has_tests=bool(comparison.tests),
        has_several_tests=len(comparison.tests) > 1,
        verdicts=tuple(_verdict(test, sides) for test in shown),
        other_pairs=tuple(
            f"{test.conclusion} ({_say_p(test.p_adjusted)})" for test in comparison.tests if test not in shown
        ),
        metrics=tuple(_metric_rows(metric, sides, colours) for metric in comparison.headline_metrics)
        if any(side.headline for side in sides)
        else (),
        metrics_title=_title_metrics(sides),
        limits=comparison.name_limits(),
        chart=chart,
        curves=curves,
        settings=list_settings(comparison.settings, names),
        num_equal_settings=comparison.num_equal_settings,
        image_title="Images that only one model predicts correctly"
        if is_correct
        else "Images with the largest differences",
        image_filters=_image_filters(selection, comparison),
        images=tuple(_image_card(selection.project_id, kind, image, sides, colours) for image in page.items),
        image_page=page.page,
        num_image_pages=page.total_pages,
        has_image_pages=page.total_pages > 1,
        num_images=page.total_items,
        image_url=replace(selection, page=1).url + "&page=",
    )


def _verdict(test: PairedTest, sides: Sequence[ComparedExperiment]) -> Verdict:
    names = {side.id: side.name for side in sides}
    first, second = names[test.reference], names[test.other]
    is_open = test.verdict == "open"
    return Verdict(
        title=test.conclusion,
        detail=_say_p(test.p_adjusted),
        is_open=is_open,
        lines=tuple(_explain_test(test, first, second)),
    )


def _say_p(value: float) -> str:
    return f"p = {value:.2g}" if value >= 0.001 else "p < 0.001"


def _say_own_p(test: PairedTest) -> str:
    """Return the p-value before a correction, and that it is where it differs from the one above."""
    return _say_p(test.p_value) + (" (uncorrected)" if test.p_adjusted != test.p_value else "")


def _explain_test(test: PairedTest, first: str, second: str) -> Iterable[str]:
    if test.based_on == "correct":
        difference, interval = format_difference(test.difference * 100, ".1f"), _range_text(test, 100.0, ".1f")
        yield (
            f"On the {test.num_images:,} images evaluated by both, {second} predicts {test.other_mean * 100:.1f} % "
            f"correctly and {first} {test.reference_mean * 100:.1f} %, a difference of {difference} percentage "
            f"points{interval}."
        )
        yield (
            f"{_say_who_is_right(second, test.only_other, first, test.only_reference)} "
            f"McNemar's exact test: {_say_own_p(test)}."
        )
        return
    yield (
        f"On the {test.num_images:,} images evaluated by both, the mean error of {second} is "
        f"{format_number(test.other_mean)} and of {first} {format_number(test.reference_mean)}, a difference of "
        f"{format_difference(test.difference, '.4g')}{_range_text(test, 1.0, '.4g')}."
    )
    yield (
        f"{_say_whose_error_is_smaller(second, test.only_other, first, test.only_reference)} "
        f"Permutation test: {_say_own_p(test)}."
    )


def _range_text(test: PairedTest, factor: float, digits: str) -> str:
    if test.low is None or test.high is None:
        return ""
    low, high = (format_difference(end * factor, digits) for end in (test.low, test.high))
    return f" (95 % interval {low} to {high})"


def _say_who_is_right(name: str, alone: int, other: str, other_alone: int) -> str:
    if not alone and not other_alone:
        return "There is no image that only one of them predicts correctly."
    if not alone:
        name, alone, other, other_alone = other, other_alone, name, alone
    if not other_alone:
        return f"Only {name} is correct on {count(alone, 'image')}; only {other} on none."
    return f"Only {name} is correct on {count(alone, 'image')}, only {other} on {other_alone:,}."


def _say_whose_error_is_smaller(name: str, smaller: int, other: str, other_smaller: int) -> str:
    if not smaller and not other_smaller:
        return "Both have the same error on every image."
    if not smaller:
        name, smaller, other, other_smaller = other, other_smaller, name, smaller
    on_other = f"{other_smaller:,}" if other_smaller else "none"
    return f"{name} has the smaller error on {count(smaller, 'image')}, {other} on {on_other}."


def _title_metrics(sides: Sequence[ComparedExperiment]) -> str:
    measured = {
        name_measured_images(side.evaluation.split_subsets)
        for side in sides
        if side.headline and side.evaluation is not None
    }
    return f"Metrics on {measured.pop()}" if len(measured) == 1 else "Metrics"


def _metric_rows(metric: MetricSpec, sides: Sequence[ComparedExperiment], colours: dict[str, int]) -> MetricRows:
    figures = [side.headline.get(metric.name) for side in sides]
    ends = [end for figure in figures if figure is not None for end in (figure.low, figure.high, figure.value)]
    known = [end for end in ends if end is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)

    def place(value: float) -> float:
        return round(4.0 + (BAR_WIDTH - 8.0) * ((value - low) / (high - low) if high > low else 0.5), 2)

    bars = []
    for side, figure in zip(sides, figures, strict=True):
        value = figure.value if figure is not None else None
        start, end = (figure.interval if figure is not None else None) or (value, value)
        has_bar = value is not None and start is not None and end is not None
        bars.append(
            IntervalBar(
                name=side.name,
                colour=colours[side.id],
                value="not evaluated" if value is None else format_number(value),
                interval=_interval_text(figure),
                why_none=explain_no_interval(figure.reason) if figure is not None and _has_none(figure) else "",
                low_x=place(start) if start is not None else 0.0,
                width=max(0.0, place(end) - place(start)) if start is not None and end is not None else 0.0,
                value_x=place(value) if value is not None else 0.0,
                has_bar=has_bar,
            )
        )
    hint = "higher is better" if metric.direction == "max" else "lower is better"
    return MetricRows(metric.title, hint, tuple(bars))


def _has_none(figure: Figure) -> bool:
    return figure.value is not None and figure.interval is None


def _interval_text(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return ""
    if figure.interval is None:
        return "no interval"
    return " to ".join(map(format_number, figure.interval))


def _curves(selection: Selection, comparison: Comparison) -> tuple[Chart | None, tuple[Link, ...]]:
    titles = {metric.name: metric.title for metric in comparison.epoch_metrics}
    titles |= {"val_loss": "Validation loss", "train_loss": "Training loss", "lr": "Learning rate"}
    points = {
        name: [_points(side, name) for side in comparison.experiments]
        for name in titles
        if any(_points(side, name) for side in comparison.experiments)
    }
    if not points:
        return None, ()
    chosen = selection.metric if selection.metric in points else next(iter(points))
    series = tuple(
        Series(side.name, thin(line), colour=index)
        for index, (side, line) in enumerate(zip(comparison.experiments, points[chosen], strict=True))
    )
    described = [
        f"{item.name} {'is at' if side.status in UNFINISHED else 'ends at'} {_show_end(item.points[-1][1])}"
        + (" so far" if side.status in UNFINISHED else "")
        for item, side in zip(series, comparison.experiments, strict=True)
        if item.points
    ]
    chart = Chart("curves", titles[chosen], "line", series, f"Per epoch. {'; '.join(described)}.", x_title="Epoch")
    return chart, tuple(Link(titles[name], with_metric(selection, name), name == chosen) for name in points)


def thin(line: Sequence[tuple[float, float]]) -> tuple[tuple[float, float | None], ...]:
    """Return at most about MAX_POINTS points of a line, the last one among them."""
    step = -(-len(line) // MAX_POINTS) or 1
    kept = [*line[:-1:step], *line[-1:]]
    return tuple((x, float(f"{y:.6g}")) for x, y in kept)


def _show_end(value: float | None) -> str:
    return "an unknown value" if value is None else format_number(value)


def _points(side: ComparedExperiment, name: str) -> list[tuple[float, float]]:
    rows = [(epoch.epoch, epoch.model_dump().get(name)) for epoch in side.epochs]
    return [(float(epoch), float(value)) for epoch, value in rows if value is not None]


def _notes(selection: Selection, comparison: Comparison) -> Iterable[Note]:
    titles = {
        "not_evaluated": "Some experiments are not evaluated",
        "no_common_images": "No images in common",
        "different_images": "Evaluated on different images",
        "seen_in_training": "Some images were used in training",
        "leaks": "Some images are identical to training images",
        "different_checkpoints": "Different checkpoints",
        "different_precision": "Different precisions",
    }
    names = {side.id: side.name for side in comparison.experiments}
    for note in comparison.notes:
        is_mended_there = note.code not in {"seen_in_training", "leaks", "different_precision"}
        links = [
            (f"Evaluate {names[name]}", evaluation_url(selection.project_id, name))
            for name in note.experiments
            if is_mended_there
        ]
        yield Note(titles[note.code], note.message, tuple(links))


def evaluation_url(project_id: str, experiment_id: str) -> str:
    """Return the address of the evaluation of an experiment."""
    return f"/projects/{project_id}/evaluation?experiment={experiment_id}"


def _image_filters(selection: Selection, comparison: Comparison) -> tuple[Link, ...]:
    counts = comparison.images.counts
    if not any(counts.values()):
        return ()
    form = "Only {} is correct" if comparison.direction == "max" else "{} has the smallest error"
    everything = replace(selection, only="", page=1)
    alone = [
        Link(
            f"{form.format(side.name)} ({counts.get(side.id, 0):,})",
            replace(everything, only=side.id).url,
            selection.only == side.id,
        )
        for side in comparison.experiments
    ]
    is_all = selection.only not in counts
    return (Link(f"All ({sum(counts.values()):,})", everything.url, is_all), *alone)


def _image_card(
    project_id: str,
    kind: AnnotationKind,
    image: ComparedImage,
    sides: Sequence[ComparedExperiment],
    colours: dict[str, int],
) -> ImageCard:
    name = quote(image.filename, safe="")
    url = "" if image.is_gone else f"/api/datasets/{project_id}/thumbnails/{name}"
    href = f"/api/datasets/{project_id}/images/{name}"
    answers = tuple(
        Answer(
            name=side.name,
            colour=colours[side.id],
            text=kind.say_answer(kind.read_prediction(image.results[side.id])),
            is_best=side.id in image.best,
        )
        for side in sides
    )
    picture = Picture(url, image.source_name or image.filename, 1, 1, href=href)
    return ImageCard(picture, kind.name_truth(image.ground_truth), kind.say_answer(image.ground_truth), answers)
