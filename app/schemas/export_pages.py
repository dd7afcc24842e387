"""View models of the export page: the list, one export with its files, and what can be exported."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.schemas.common import ExperimentId, StrictModel
from app.schemas.experiments import CheckpointInfo, CheckpointName, ExperimentStatus
from app.schemas.export import ExportFormat, ExportRecord, ParityCertificate

FileState = Literal["none", "there", "missing", "changed"]


class ExportEntry(StrictModel):
    """A line of the list; the name is None when the experiment was deleted."""

    record: ExportRecord
    format_title: str
    experiment_name: str | None


class ComparedMetric(StrictModel):
    """A metric of the model and of its exported file on the same images."""

    title: str
    model: float | None
    exported: float | None


class ParityImage(StrictModel):
    """An image and how far the file differs on it; `is_there` says whether the dataset still holds it."""

    filename: str
    diff: float
    is_there: bool
    source_name: str = ""


class StepState(StrictModel):
    """A step of a running export by its name in the events."""

    name: str
    is_done: bool
    is_current: bool


class ExportProgressView(StrictModel):
    """How far a running export is."""

    pct: float | None = Field(description="None while it is queued.")
    message: str
    steps: list[StepState]


class ExportDetail(ExportEntry):
    """One export with its certificate, its files and what can be done with it."""

    progress: ExportProgressView | None
    certificate: ParityCertificate | None
    metrics: list[ComparedMetric]
    worst: list[ParityImage]
    option_names: list[str] = Field(description="Options that make a difference to the format.")
    files: FileState = Field(description="changed: not what was certified, and not handed out.")
    usage: list[str] = Field(description="Lines that run what was downloaded.")
    retry_reason: str | None = Field(description="Why the same cannot be exported again now.")


class ExportCandidate(StrictModel):
    """An experiment that the dialog offers; `reason` says why it cannot be exported now."""

    id: ExperimentId
    name: str
    status: ExperimentStatus
    reason: str | None


class ExportModel(StrictModel):
    """What can be exported of one experiment."""

    experiment_id: ExperimentId
    checkpoints: dict[CheckpointName, CheckpointInfo]
    image_size: int | None = Field(description="Side in pixels that it was trained with.")


class ExportPage(StrictModel):
    """The list and what is selected of it."""

    entries: list[ExportEntry]
    selected: ExportDetail | None
    missing_id: str | None = Field(description="The export that was asked for and is not there.")
    can_export: bool = Field(description="Whether an experiment is completed.")
    has_experiments: bool


class ExportOffer(StrictModel):
    """What can be exported, and how."""

    candidates: list[ExportCandidate]
    model: ExportModel | None = Field(description="Of the candidate that the dialog begins with; None without one.")
    formats: list[ExportFormat]
