"""`ai-studio evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

import typer

from app.client import StudioApiError
from app.commands.arguments import Checkpoint, Detach, Experiment, Project
from app.commands.context import CommandLine, command_line, find_experiment, find_project
from app.commands.errors import CommandError
from app.commands.output import Output, describe_page, require_class, show
from app.metric_text import show_metric
from app.plurals import count
from app.schemas.class_scores import NOT_MEASURED, find_unmeasured
from app.schemas.evaluation import EvaluationView
from app.schemas.leaks import EvaluationLeaks
from app.schemas.parts import Figure, explain_limits, read_headline
from app.schemas.splits import SUBSET_WORDS

_EXTREMES = {"min_error": "smallest", "max_error": "largest"}
"""Metrics of several values that are no averages."""
app = typer.Typer(no_args_is_help=True, help="Measure the accuracy of a trained model on the test images.")


@app.command("run")
def run_evaluation(
    ctx: typer.Context,
    project: Project,
    experiment: Experiment,
    subset: Annotated[
        list[str] | None,
        typer.Option(help="Subset to evaluate: test, val or train. Repeat to evaluate several together."),
    ] = None,
    checkpoint: Checkpoint = "best",
    device: Annotated[str, typer.Option(help="Device to use: cpu or gpu:N.")] = "cpu",
    detach: Detach = False,
) -> None:
    """Evaluate an experiment and print its metrics."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    experiment_id = find_experiment(line, project_id, experiment)
    record = line.client.evaluations.start(
        project_id, experiment_id, split_subsets=subset or ["test"], checkpoint=checkpoint, device=device
    )
    if detach:
        line.out.document(record)
        line.out.text(f"The evaluation is running on the server as {record.job_id}.")
        return
    line.wait_for_job(record.job_id, "Evaluation")
    view = line.client.evaluations.get(project_id, experiment_id)
    print_evaluation(line.out, view, read_value_names(line, project_id))


@app.command("show")
def show_evaluation(ctx: typer.Context, project: Project, experiment: Experiment) -> None:
    """Show the evaluation of an experiment."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    view = line.client.evaluations.get(project_id, find_experiment(line, project_id, experiment))
    if view.evaluation is None:
        raise CommandError("This experiment has no evaluation. Run: ai-studio evaluate run PROJECT EXPERIMENT.")
    print_evaluation(line.out, view, read_value_names(line, project_id))


@app.command("results")
def list_results(
    ctx: typer.Context,
    project: Project,
    experiment: Experiment,
    wrong: Annotated[bool, typer.Option("--wrong", help="Only wrong predictions.")] = False,
    filter_class: Annotated[str | None, typer.Option("--class", help="Only images of this class.")] = None,
    sort_by: Annotated[
        str,
        typer.Option(
            "--sort", help="Order: filename, worst (first), confidence (lowest first) or error (largest first)."
        ),
    ] = "filename",
    page: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """List the results per image, 50 per page."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    experiment_id = find_experiment(line, project_id, experiment)
    results = line.client.evaluations.results(
        project_id,
        experiment_id,
        filter_correct=False if wrong else None,
        filter_class=filter_class,
        sort_by=sort_by,
        sort_order="desc" if sort_by == "error" else "asc",
        page=page,
    )
    if filter_class is not None and results.total_items == 0:
        aggregate = line.client.evaluations.get(project_id, experiment_id).aggregate or {}
        require_class(filter_class, aggregate.get("classes", []))
    line.out.document(results)
    names = read_value_names(line, project_id)
    rows = [
        (
            item.get("source_name") or item.get("filename"),
            item.get("subset"),
            describe(item.get("ground_truth"), names),
            describe(item.get("prediction"), names),
        )
        for item in results.items
    ]
    line.out.table(["file", "subset", "annotation", "prediction"], rows)
    line.out.text(describe_page(results.page, results.total_pages, results.total_items, "image"))


def read_value_names(line: CommandLine, project_id: str) -> list[str]:
    """Return the names of the values of a dataset; none where there is no dataset or it has classes."""
    try:
        return line.client.datasets.get(project_id).value_names
    except StudioApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return []


def print_evaluation(out: Output, view: EvaluationView, value_names: Sequence[str] = ()) -> None:
    """Print an evaluation: its metrics with their intervals, and the metrics per class or value."""
    out.document(view)
    if view.evaluation is None or view.aggregate is None:
        out.text(f"Evaluation: {view.evaluation.status if view.evaluation else 'none'}")
        return
    subsets = " and ".join(SUBSET_WORDS[name] for name in view.evaluation.split_subsets)
    images = count(int(view.aggregate.get("num_images", 0)), f"{subsets} image")
    out.text(f"{images}, {view.evaluation.checkpoint} checkpoint.")
    out.table(["metric", "value", "95 % interval"], metric_rows(view.aggregate))
    for note in explain_figures(view.evaluation.split_subsets, view.aggregate):
        out.text(note)
    print_leaks(out, view.aggregate)
    for name, table in view.aggregate.items():
        if name.startswith("per_class") and isinstance(table, dict):
            _print_per_class(out, table, find_unmeasured(view.aggregate))
    _print_per_value(out, view.aggregate, value_names)


def print_leaks(out: Output, aggregate: Mapping[str, Any]) -> None:
    """Print how many images are identical to training images or may be some, and the figures without the former."""
    if not aggregate.get("leaks"):
        return
    leaks = EvaluationLeaks.model_validate(aggregate["leaks"])
    if not leaks.in_words():
        return
    out.note(f"Warning: {leaks.in_words()}")
    without = leaks.identical.without
    if without is not None and without.metrics:
        rows = [
            (name, show_metric(value), _interval_or_reason(name, without.intervals, without.not_enough_images))
            for name, value in without.metrics.items()
        ]
        out.table(["metric without them", "value", "95 % interval"], rows)


def metric_rows(aggregate: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return metric, value and interval: what has an interval first, then the other numbers."""
    headline = {name: figure for name, figure in read_headline(aggregate).items() if figure.value is not None}
    rows = [
        (name, show_metric(figure.value), _show_figure_interval(figure))
        for name, figure in sorted(headline.items(), key=lambda item: item[1].interval is None)
        if figure.value is not None
    ]
    others = [
        (name, show_metric(value), "")
        for name, value in aggregate.items()
        if isinstance(value, float) and name not in headline and name != "duration_s"
    ]
    return rows + others


def explain_figures(subsets: Sequence[str], aggregate: Mapping[str, Any]) -> list[str]:
    """Return which images the metrics cover, and why they may be too good, as sentences."""
    headline = read_headline(aggregate)
    notes = []
    if any(figure.interval for figure in headline.values()):
        notes.append(
            "The 95 % intervals show the uncertainty from having only these images. They do not include the variation "
            "between training runs."
        )
    notes += explain_limits(headline)
    if "val" in subsets:
        notes.append("Validation images were used to choose the best epoch, so the metrics are too good.")
    if "train" in subsets:
        notes.append("The model was trained on some of these images, so the metrics are too good.")
    reasons: dict[str, list[str]] = {}
    for name, figure in headline.items():
        if figure.reason:
            reasons.setdefault(figure.reason, []).append(name)
    return [*notes, *(f"No interval of {', '.join(names)}: {reason}" for reason, names in reasons.items())]


def _show_figure_interval(figure: Figure) -> str:
    if figure.interval is None:
        return "not enough images" if figure.reason else ""
    return " to ".join(map(show_metric, figure.interval))


def _interval_or_reason(name: str, intervals: Mapping[str, Any], reasons: Mapping[str, str]) -> str:
    return describe_interval(intervals.get(name)) or ("not enough images" if name in reasons else "")


def describe_interval(interval: Mapping[str, Any] | None) -> str:
    """Return an interval as text, empty where there is none."""
    return f"{show_metric(interval['low'])} to {show_metric(interval['high'])}" if interval else ""


def describe(value: Any, value_names: Sequence[str] = ()) -> str:
    """Return a truth or a prediction of any kind as text; several values with their names where these are known."""
    if isinstance(value, list) and len(value) == len(value_names) > 1:
        return ", ".join(f"{name} {show(item)}" for name, item in zip(value_names, value, strict=True))
    if isinstance(value, dict):
        name = value.get("class_name")
        if name is not None:
            confidence = value.get("confidence")
            return f"{name} ({confidence:.3f})" if isinstance(confidence, float) else str(name)
        return ", ".join(f"{key} {show(item)}" for key, item in value.items())
    return show(value)


def _print_per_value(out: Output, aggregate: Mapping[str, Any], value_names: Sequence[str]) -> None:
    """Print the metrics of each of several values, which those above are taken over."""
    per_value = aggregate.get("per_value") or []
    if not per_value:
        return
    columns = list(per_value[0])
    extremes = [
        f"{name} is the {word} of all" for name, word in _EXTREMES.items() if name in columns and name in aggregate
    ]
    but = f"; {' and '.join(extremes)}" if extremes else ""
    out.text(f"The metrics above are averages over {len(per_value)} values{but}. Each value:")
    known = value_names if len(value_names) == len(per_value) else ()
    names = known or [f"value {number}" for number in range(1, len(per_value) + 1)]
    rows = [[name, *(show_metric(item[key]) for key in columns)] for name, item in zip(names, per_value, strict=True)]
    out.table(["", *columns], rows)


def _print_per_class(out: Output, table: Mapping[str, Any], unmeasured: Mapping[str, frozenset[str]]) -> None:
    def show_one(name: str, key: str) -> Any:
        return NOT_MEASURED if key in unmeasured.get(name, ()) else _show_score(rows[name].get(key))

    rows = {name: item for name, item in table.items() if isinstance(item, dict)}
    columns = list(dict.fromkeys(key for item in rows.values() for key in item))
    if columns:
        out.table(["class", *columns], [[name, *(show_one(name, key) for key in columns)] for name in rows])


def _show_score(value: Any) -> Any:
    return show_metric(value) if isinstance(value, float) else value
