"""Evaluation: record, request and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from app.schemas.common import (
    MAX_PAGE,
    Count,
    ExperimentId,
    FilterText,
    JobId,
    ProjectId,
    QueryModel,
    RunId,
    StrictModel,
    Time,
    refuse_repeats,
)
from app.schemas.experiments import CheckpointInfo, CheckpointName, DeviceId, ErrorInfo

Subset = Literal["train", "val", "test"]
EvaluationStatus = Literal["pending", "running", "completed", "failed", "cancelled", "interrupted"]


class EvaluationRequest(StrictModel):
    """Which checkpoint is measured on which images."""

    checkpoint: CheckpointName = "best"
    split_subsets: list[Subset] = Field(default=["test"], min_length=1, max_length=3)
    batch_size: int = Field(32, ge=1, le=256)
    device: DeviceId = "cpu"


class Progress(StrictModel):
    """How far something is."""

    processed: Count = 0
    total: Count = 0


class EvaluationRecord(StrictModel):
    """evaluation.json."""

    version: int = 1
    checkpoint: CheckpointName
    split_name: str
    split_subsets: list[Subset] = Field(min_length=1)
    batch_size: int = Field(ge=1)
    device: DeviceId
    status: EvaluationStatus = "pending"
    progress: Progress = Field(default_factory=lambda: Progress())
    created_at: Time
    started_at: Time | None = None
    completed_at: Time | None = None
    job_id: JobId | None = None
    run_id: RunId | None = None
    error: ErrorInfo | None = None

    @model_validator(mode="after")
    def _are_different(self) -> EvaluationRecord:
        refuse_repeats(self.split_subsets, "a subset")
        return self


class EvaluationView(StrictModel):
    """The evaluation of an experiment, null where there is none; aggregate is null until it has completed.

    `headline` of the aggregate has each main metric with its interval, or the reason why there is none; `parts`, which
    evaluations of earlier versions lack, is what the page draws (`schemas/parts.py`). The other keys are the task's.
    `failed_attempt` is a later evaluation that did not succeed, so that the completed one stayed.
    `untrained_classes` are those that the model saw no image of, so that every score on them is a guess.
    `redrawn_splits` are those that the model was trained on and that were created again since: an evaluation that is
    started now may measure images that were used for training.
    """

    evaluation: EvaluationRecord | None
    aggregate: dict[str, Any] | None
    failed_attempt: EvaluationRecord | None = None
    untrained_classes: list[str] = Field(default_factory=list)
    redrawn_splits: list[str] = Field(default_factory=list)


class EvaluationDeleted(StrictModel):
    """Answer to a reset."""

    project_id: ProjectId
    experiment_id: ExperimentId
    deleted: Literal[True] = True


class ResultQuery(QueryModel):
    """Which results a page holds and in which order."""

    page: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 1
    page_size: Annotated[int, Field(ge=1, le=500)] = 50
    sort_by: Literal["filename", "confidence", "error", "worst"] = "filename"
    sort_order: Literal["asc", "desc"] = "asc"
    filter_correct: bool | None = None
    filter_class: FilterText = None
    filter_predicted: FilterText = None
    filter_subset: Subset | None = None
    filter_confidence_above: Annotated[
        float | None, Field(ge=0, le=1, description="Only results with a higher confidence.")
    ] = None
    filter_confidence_up_to: Annotated[
        float | None, Field(ge=0, le=1, description="Only results with this confidence or a lower one.")
    ] = None


class ResultPage(StrictModel):
    """A page of per-image results."""

    page: int
    page_size: int
    total_items: int
    total_pages: int
    items: list[dict[str, Any]]


class ResultNavigation(StrictModel):
    """The neighbours of a result in the order of the query; all null when its filters leave the result out."""

    prev: str | None
    next: str | None
    position: int | None = Field(None, description="Place in that order, from 1.")
    total: int = Field(0, description="Results in that order.")


class ResultInfo(StrictModel):
    """One result with its image."""

    result: dict[str, Any]
    image: dict[str, Any]
    dataset: dict[str, Any]
    navigation: ResultNavigation


class NamedCheckpoint(CheckpointInfo):
    """A checkpoint with the name that requests use."""

    name: CheckpointName


class CheckpointList(StrictModel):
    """The checkpoints that exist."""

    checkpoints: list[NamedCheckpoint]
