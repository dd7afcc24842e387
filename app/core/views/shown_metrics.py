"""Which metrics of a run are shown, which of them decides, and its best epoch. Pure."""

from __future__ import annotations

from app.schemas.experiments import (
    ACTIVE_EXPERIMENT_STATUSES,
    EpochMetrics,
    ExperimentRecord,
    RunConfigRecord,
)
from app.schemas.tasks import Direction, MetricSpec
from app.tasks.base import LOSSES, TaskSpec


def find_monitored(spec: TaskSpec, config: RunConfigRecord | None, epochs: list[EpochMetrics]) -> str:
    """Return the metric whose best epoch a run keeps: what its record says, or what its epochs allow."""
    recorded = config.resolved.get("monitored_metric") if config else None
    known = {metric.name for metric in spec.all_metrics} | set(LOSSES)
    if recorded in known:
        return str(recorded)
    has_validation = not epochs or epochs[-1].model_dump().get(spec.info.primary_metric) is not None
    return spec.info.primary_metric if has_validation else "train_loss"


def find_shown_metrics(spec: TaskSpec, monitored: str) -> list[MetricSpec]:
    """Return the metrics of an epoch; one that is measured only because it decides is among them."""
    return [*spec.info.epoch_metrics, *(metric for metric in spec.info.optional_metrics if metric.name == monitored)]


def find_first_metric(spec: TaskSpec, monitored: str) -> str:
    """Return the metric that stands first: the one that decides, or the task's own where that is a loss."""
    return spec.info.primary_metric if monitored in LOSSES else monitored


def find_best_epoch(epochs: list[EpochMetrics], metric: str, direction: Direction) -> int | None:
    """Return the first of the best epochs, None before the first; training_results.js does the same."""
    values = [(epoch.model_dump().get(metric), epoch.epoch) for epoch in epochs]
    sign = -1 if direction == "max" else 1
    measured = [(sign * value, number) for value, number in values if value is not None]
    return min(measured)[1] if measured else None


def find_best(
    record: ExperimentRecord, epochs: list[EpochMetrics], metric: str, direction: Direction
) -> tuple[int | None, dict[str, float]]:
    """Return the best epoch with its value, both from the epochs while a run goes on.

    The experiment's record follows the checkpoints then, of which some are written much later.
    """
    if record.status not in ACTIVE_EXPERIMENT_STATUSES:
        return record.best_epoch, record.best_metric
    number = find_best_epoch(epochs, metric, direction)
    best = next((epoch for epoch in epochs if epoch.epoch == number), None)
    return (number, {metric: best.model_dump()[metric]}) if best is not None else (None, {})
