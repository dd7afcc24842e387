"""What is known of how good a checkpoint is, and on which images that was measured. For the metadata of exports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.evaluation_leaks import read_leaks
from app.core.evaluation_reports import find_headline
from app.core.lookup import Lookup
from app.core.stores import Stores
from app.schemas.evaluation import EvaluationRecord
from app.schemas.experiments import CheckpointName, ExperimentRecord
from app.schemas.export import Measurement
from app.schemas.leaks import IdenticalEvaluated, SplitLeaks
from app.schemas.parts import Figure


def find_measurements(
    stores: Stores,
    project_id: str,
    record: ExperimentRecord,
    checkpoint: CheckpointName,
    evaluation: EvaluationRecord | None,
) -> list[Measurement]:
    """Return the headline metrics of `evaluation`, which measured this checkpoint, else those of its own training."""
    lookup = Lookup(stores)
    if evaluation is not None:
        aggregate = stores.evaluations.read_aggregate(project_id, record.id) or {}
        if found := _read_aggregate(aggregate, find_headline(lookup.find_spec(project_id), aggregate), evaluation):
            return found
    values = record.best_metric if checkpoint == "best" else record.final_metrics
    counts = lookup.count_subsets(project_id, record.split_name)
    num_copies = _count_validation_copies(lookup, project_id, record.split_name)
    return [_measured_in_training(name, value, record, counts, num_copies) for name, value in values.items()]


def _read_aggregate(
    aggregate: Mapping[str, Any], headline: Mapping[str, Figure], evaluation: EvaluationRecord
) -> list[Measurement]:
    leaks = read_leaks(aggregate)
    copies = leaks.identical if leaks is not None else IdenticalEvaluated()
    without = copies.without.metrics if copies.without is not None else {}
    return [
        Measurement(
            metric=name,
            value=figure.value,
            low=figure.low,
            high=figure.high,
            level=figure.level,
            not_enough_images=figure.reason,
            not_covered=figure.not_covered,
            subsets=list(evaluation.split_subsets),
            num_images=int(aggregate.get("num_images", 0)),
            num_copies=copies.images,
            value_without_copies=without.get(name) if copies.images else None,
            redrawn_splits=leaks.redrawn_splits if leaks is not None else [],
            measured_at=evaluation.completed_at,
            source="evaluation",
        )
        for name, figure in headline.items()
        if figure.value is not None
    ]


def _count_validation_copies(lookup: Lookup, project_id: str, split_name: str) -> int:
    """Return how many validation images are copies of training images, as the split says; 0 where it does not say."""
    table, index = lookup.find_split(project_id, split_name)
    name = table.split_names[index]
    known = next((split.leaks for split in table.splits if split.name == name), None)
    return SplitLeaks.model_validate(known).identical.val_in_train if known else 0


def _measured_in_training(
    name: str, value: float, record: ExperimentRecord, counts: Mapping[str, int], num_copies: int
) -> Measurement:
    subset = "train" if name.startswith("train_") else "val"
    return Measurement(
        metric=name,
        value=value,
        subsets=[subset],
        num_images=counts.get(subset, 0),
        num_copies=num_copies if subset == "val" else 0,
        measured_at=record.completed_at,
        source="training" if subset == "train" else "validation",
    )
