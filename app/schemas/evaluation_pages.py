"""View models of the evaluation page. Core returns them to pages; the API does not."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from app.schemas.common import ExperimentId, StrictModel
from app.schemas.evaluation import (
    EvaluationRecord,
    EvaluationStatus,
    NamedCheckpoint,
    Progress,
    ResultInfo,
    ResultPage,
    Subset,
)
from app.schemas.experiments import ExperimentRecord, ExperimentStatus
from app.schemas.leaks import EvaluationLeaks
from app.schemas.parts import Figure, ReportPart
from app.schemas.system import DeviceList
from app.schemas.tasks import TaskInfo


class EvaluatedExperiment(StrictModel):
    """A completed experiment in the list."""

    id: ExperimentId
    name: str
    status: ExperimentStatus
    evaluation_status: EvaluationStatus | None = None
    progress: Progress | None = None
    headline: float | None = Field(None, description="The first headline metric, once it was measured.")
    subsets: list[Subset] = Field(default_factory=list, description="What the evaluation measures.")
    num_copies: int = Field(0, description="Evaluated images that are identical to training images.")
    is_redrawn: bool = Field(False, description="Images may be training images of an earlier split of the same name.")


class EvaluationListing(StrictModel):
    """The completed experiments of a project, newest first, and the selected one; null without any."""

    experiments: list[EvaluatedExperiment]
    num_unfinished: int = Field(0, description="Experiments that have not completed; the list leaves them out.")
    selected_id: ExperimentId | None
    task: TaskInfo


class SubsetChoice(StrictModel):
    """A subset of the split and how many images it has."""

    name: Subset
    num_images: int


class SelectedEvaluation(StrictModel):
    """One experiment with its evaluation. `problem` says why no new one can be started, empty when it can."""

    experiment: ExperimentRecord
    evaluation: EvaluationRecord | None
    aggregate: dict[str, Any] | None
    headline: dict[str, Figure] = Field(default_factory=dict)
    parts: list[ReportPart] = Field(default_factory=list)
    failed_attempt: EvaluationRecord | None = Field(None, description="A later evaluation that did not succeed.")
    leaks: EvaluationLeaks | None = Field(None, description="Null without a completed evaluation.")
    checkpoints: list[NamedCheckpoint]
    subsets: list[SubsetChoice]
    devices: DeviceList
    value_names: list[str]
    problem: str
    task: TaskInfo
    untrained_classes: list[str] = Field(default_factory=list, description="Those the model saw no image of.")
    redrawn_splits: list[str] = Field(
        default_factory=list, description="Those that the model was trained on and that were created again since."
    )


class ResultListing(StrictModel):
    """A page of results with what the filters offer. `num_results` counts all of them, whatever the filters say.

    `gone` are the images of the page that the dataset no longer has.
    """

    page: ResultPage
    gone: list[str] = Field(default_factory=list)
    num_results: int
    classes: list[str]
    subsets: list[Subset]
    can_filter_correct: bool
    can_filter_class: bool
    has_confidence: bool
    num_confidence_bins: int
    has_error: bool
    value_names: list[str]
    task: TaskInfo


class ResultDetail(StrictModel):
    """One result for the detail view."""

    info: ResultInfo
    value_names: list[str]
    task: TaskInfo
    experiment_name: str
