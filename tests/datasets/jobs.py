"""A job context for tests: events are kept in a list, the command is what the test says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.datasets.table import DatasetTable, decode_dataset
from app.schemas.common import StrictModel
from app.schemas.datasets import ImportMode, ImportOptions
from app.schemas.events import Event, JobProgressed
from app.schemas.jobs import JobCommand, JobRequest
from app.schemas.payloads import ImportLimits, ImportPayload


class FakeContext:
    """An import job in a directory; `cancel_after` is the number of progress events after which it is cancelled."""

    def __init__(self, output_dir: Path, payload: StrictModel, cancel_after: int | None = None) -> None:
        self.output_dir = output_dir
        self.events: list[Event] = []
        self.request = JobRequest(
            job_id="job-00000001",
            kind="import",
            project_id="proj-00000001",
            job_dir=str(output_dir),
            output_dir=str(output_dir),
            payload=payload.model_dump(),
        )
        self._cancel_after = cancel_after

    @property
    def progress(self) -> list[JobProgressed]:
        return [event for event in self.events if isinstance(event, JobProgressed)]

    def report(self, event: Event) -> None:
        self.events.append(event)

    def command(self) -> JobCommand | None:
        is_due = self._cancel_after is not None and len(self.progress) >= self._cancel_after
        return "cancel" if is_due else None

    def next_message(self, timeout_s: float) -> dict[str, Any] | None:
        return None


def make_payload(
    source: Path,
    kind: str = "label",
    mode: ImportMode = "copy",
    allowed: Sequence[str] = ("image_folders", "csv", "coco"),
    source_format: str | None = None,
    **options: Any,
) -> ImportPayload:
    return ImportPayload(
        dataset_id="dataset-00000001",
        task="some_task",
        annotation_kind=kind,
        allowed_formats=list(allowed),
        source_path=str(source),
        source_label=source.name,
        source_format=source_format,
        mode=mode,
        options=ImportOptions(**options),
        limits=ImportLimits(),
    )


def read_table(output_dir: Path) -> DatasetTable:
    return decode_dataset((output_dir / "dataset.json").read_bytes())
