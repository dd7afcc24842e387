"""The curves of a run as charts, and which number of an epoch each line shows. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.api.pages.charts import Chart, Series
from app.schemas.experiments import EpochMetrics
from app.schemas.training_results import TrainingResults

BEST = "best epoch"
MAX_EPOCHS = 200


@dataclass(frozen=True)
class MetricOption:
    """An entry of the selector: which line of the chart of metrics is shown."""

    key: str
    title: str


@dataclass(frozen=True)
class RunCharts:
    """The charts of a run. `keys` says for the script which number of an epoch each line shows, by chart and line.

    A curve of more than MAX_EPOCHS is not in the page: the script reads it from `metrics_url`.
    """

    loss: Chart
    metric: Chart
    rate: Chart
    choices: tuple[MetricOption, ...]
    keys: dict[str, dict[str, str]]
    metrics_url: str


def draw_charts(results: TrainingResults) -> RunCharts:
    """Return the curves of the current run so far."""
    is_long = len(results.epochs) > MAX_EPOCHS
    epochs, best_epoch = [] if is_long else results.epochs, results.best_epoch
    address = f"/api/training/{results.project_id}/experiments/{results.experiment.id}/metrics"
    metrics = sorted(results.metrics, key=lambda metric: metric.name != results.primary_metric)
    names = {metric.title: metric.name for metric in metrics}
    primary = results.primary_metric if results.primary_metric in names.values() else ""
    losses = {"training": "train_loss", "validation": "val_loss"}
    loss = Chart(
        "run-loss",
        "Loss",
        "line",
        (*_lines(losses, epochs), _mark(epochs, best_epoch, "val_loss", "train_loss")),
        "Loss on the training and validation images after each epoch.",
        x_title="Epoch",
    )
    metric = Chart(
        "run-metric",
        "Metrics on the validation images",
        "line",
        (*_lines(names, epochs), _mark(epochs, best_epoch, primary)),
        "Metrics after each epoch.",
        x_title="Epoch",
    )
    rate = Chart(
        "run-rate",
        "Learning rate",
        "line",
        _lines({"learning rate": "lr"}, epochs),
        "Learning rate at the end of each epoch.",
        x_title="Epoch",
    )
    keys = {"run-loss": losses, "run-metric": names, "run-rate": {"learning rate": "lr"}}
    choices = tuple(MetricOption(name, title) for title, name in names.items())
    return RunCharts(loss, metric, rate, choices, keys, address if is_long else "")


def value_of(epoch: EpochMetrics, key: str) -> float | None:
    """Return one number of an epoch, None where it was not measured."""
    value = epoch.model_dump().get(key)
    return float(value) if value is not None else None


def _lines(keys: dict[str, str], epochs: Sequence[EpochMetrics]) -> tuple[Series, ...]:
    numbers = [epoch.model_dump() for epoch in epochs]
    return tuple(
        Series(title, tuple((float(epoch["epoch"]), epoch.get(key)) for epoch in numbers), is_dashed=key == "val_loss")
        for title, key in keys.items()
    )


def _mark(epochs: Sequence[EpochMetrics], best_epoch: int | None, *keys: str) -> Series:
    best = next((epoch for epoch in epochs if epoch.epoch == best_epoch), None)
    values = [] if best is None else [value_of(best, key) for key in keys]
    value = next((value for value in values if value is not None), None)
    points = () if best is None or value is None else ((float(best.epoch), value),)
    return Series(BEST, points, colour=4, is_marker=True)
