"""`ai-studio compare`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.commands.arguments import Project
from app.commands.context import command_line, find_experiment, find_project
from app.commands.output import Output, show
from app.metric_text import show_metric
from app.schemas.arithmetic import PRECISION_WORDS
from app.schemas.comparison import ComparedExperiment, Comparison, PairedTest


def compare_experiments(
    ctx: typer.Context,
    project: Project,
    experiments: Annotated[
        list[str], typer.Argument(help="IDs or unique names of 2 to 6 experiments.", metavar="EXPERIMENTS")
    ],
) -> None:
    """Compare experiments, with a significance test for every pair."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    ids = [find_experiment(line, project_id, name) for name in experiments]
    comparison = line.client.comparisons.get(project_id, ids)
    line.out.document(comparison)
    print_comparison(line.out, comparison)


def print_comparison(out: Output, comparison: Comparison) -> None:
    """Print the settings that differ, the metrics, the verdicts and what to know beforehand."""
    names = [item.name for item in comparison.experiments]
    if comparison.settings:
        out.table(["setting", *names], [(item.key, *map(_show_setting, item.values)) for item in comparison.settings])
    rows = [
        (metric.title, *(describe_figure(item, metric.name) for item in comparison.experiments))
        for metric in comparison.headline_metrics
    ]
    out.table(["metric", *names], rows)
    for limit in comparison.name_limits():
        out.text(limit)
    if comparison.conclusion and len(comparison.tests) != 1:  # a single test says the same
        out.text(f"{comparison.conclusion}.")
    for test in comparison.tests:
        out.text(describe_test(test))
    for note in comparison.notes:
        out.text(note.message)


def describe_figure(experiment: ComparedExperiment, metric: str) -> str:
    """Return a metric with its interval as text, empty where it was not measured."""
    figure = experiment.headline.get(metric)
    if figure is None or figure.value is None:
        return ""
    if figure.interval is None:
        return show_metric(figure.value) + (" (no interval: not enough images)" if figure.reason else " (no interval)")
    return f"{show_metric(figure.value)} ({' to '.join(map(show_metric, figure.interval))})"


def describe_test(test: PairedTest) -> str:
    """Return the verdict of a paired test as a sentence."""
    p_value = f"p = {test.p_adjusted:.2g}" if test.p_adjusted >= 0.001 else "p < 0.001"
    return f"{test.conclusion} on the {test.num_images:,} images evaluated by both ({p_value})."


def _show_setting(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return PRECISION_WORDS.get(str(value), show(value))
