"""What an import tells at its end: figures of the dataset, and of the split that was drawn with it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from app.datasets.identical import find_identical, summarize_identical
from app.datasets.table import DatasetTable
from app.schemas.events import SplitSummary
from app.schemas.import_report import MAX_NAMED_CLASSES
from app.schemas.payloads import ImportPayload


def summarize_import(table: DatasetTable, payload: ImportPayload) -> dict[str, Any]:
    """Return the result of the job."""
    return _summarize(table) | _summarize_split(table, payload)


def _summarize(table: DatasetTable) -> dict[str, Any]:
    return {
        "dataset_id": table.id,
        "num_images": len(table.images),
        "num_problems": table.num_problems,
        "num_files": table.num_files,
        "num_lost": table.num_lost,
        "num_left_out": table.num_left_out,
        "num_unused_entries": table.num_unused_entries,
        "num_classes": len(table.classes),
        "classes": table.classes[:MAX_NAMED_CLASSES],
        "source_format": table.source_format,
        "split_names": table.split_names,
        "value_names": table.value_names,
        "notes": table.notes,
        "identical": summarize_identical(table.images, find_identical(table.images)).model_dump(),
    }


def _summarize_split(table: DatasetTable, payload: ImportPayload) -> dict[str, Any]:
    """Return the split that was drawn as the event that will tell of it."""
    if payload.split is None:
        return {}
    counts = Counter(image.split[-1] for image in table.images)
    summary = SplitSummary(
        train_rows=counts["train"],
        val_rows=counts["val"],
        test_rows=counts["test"],
        stratified=True,
        seed=payload.split.seed,
    )
    return {"split": summary.model_dump(mode="json")}
