"""What the columns of the training page are made of: the list of experiments, and the settings of one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from app.schemas.common import ExperimentId, QueryModel, StrictModel
from app.schemas.experiments import ExperimentRecord, ExperimentStatus
from app.schemas.run_checks import RunCheckList
from app.schemas.system import DeviceList
from app.schemas.tasks import MetricSpec, TaskInfo, TaskSchema

StatusFilter = Literal["all"] | ExperimentStatus
Missing = Literal["", "images", "split"]


class ExperimentQuery(QueryModel):
    """Which experiment is selected, and which of the others are listed in which order."""

    experiment: ExperimentId | None = None
    search: Annotated[str, Field(max_length=80)] = ""
    status: StatusFilter = "all"
    sort: Literal["newest", "oldest", "name", "metric"] = "newest"
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    metric: Annotated[str, Field(max_length=64)] = ""  # of the curve; only the page's script reads it


class ExperimentRow(StrictModel):
    """One experiment of the list."""

    record: ExperimentRecord
    metric: float | None = Field(description="Best value of the metric that decides its best checkpoint.")
    metric_title: str = Field("", description="Title of that metric.")
    queue_position: int | None = Field(description="From 1, for a run that waits.")
    epochs_done: int = Field(description="Of the current run.")
    epochs: int
    eta_s: float | None = Field(description="Time that its run still takes, as the run last said.")


class ExperimentRows(StrictModel):
    """A page of the list."""

    query: ExperimentQuery
    rows: list[ExperimentRow]
    num_all: int
    num_matching: int
    page: int
    num_pages: int
    metric: MetricSpec
    missing: Missing = Field(description="What has to be there before the first experiment.")
    suggested_name: str
    split_names: list[str]
    names: dict[str, str] = Field(
        description="The name to show by id: with the digits of the id where several share a name."
    )


class WeightsState(StrictModel):
    """Published weights of an architecture, and whether they lie in the store."""

    file: str
    is_here: bool


class MetricAdvice(StrictModel):
    """What the setting `checkpoint_metric` comes to with the training images of a split; empty without a split."""

    metric: str = ""
    title: str = ""
    reason: str = ""
    warning: str = Field("", description="What this metric hides in these images; empty when it hides nothing.")
    unvalidated: str = Field("", description="Which classes have no validation images; empty when all have some.")
    has_lone_class: bool = Field(False, description="Whether one of them has a single image, so that no split helps.")
    classes: list[str] = Field(default_factory=list, description="Classes with training images, the commonest first.")


class SettingsView(StrictModel):
    """Everything that the form of an experiment needs."""

    record: ExperimentRecord
    task: TaskInfo
    hyperparameters: TaskSchema
    model_schema: dict[str, Any] = Field(description="JSON Schema of the model settings of all architectures.")
    can_mix: bool = Field(description="Whether images of a batch can be mixed, as MixUp does.")
    split_names: list[str]
    devices: DeviceList
    weights: dict[str, WeightsState] = Field(description="By architecture.")
    lock_reason: str = Field(description="Why the settings cannot be changed now; empty when they can.")
    advice: MetricAdvice = Field(default_factory=MetricAdvice)
    checks: RunCheckList = Field(description="What is known before a run of how it will go.")
    prefers_pretrained: bool = Field(description="Whether a new experiment would start from published weights.")
    more_epochs: int = Field(0, description="Epochs that a completed experiment can be continued for; 0: it cannot.")
    train_refusal: str = Field(description="Why no run can be started now; empty when one can.")


class TrainingPage(StrictModel):
    """The page: the list, and the settings of the selected experiment where there is one."""

    list: ExperimentRows
    settings: SettingsView | None
    is_unknown: bool = Field(description="The experiment that was asked for is not there.")


class DeletionView(StrictModel):
    """What would go with an experiment."""

    record: ExperimentRecord
    num_runs: int
    checkpoints_mb: float
    has_evaluation: bool
    num_exports: int = Field(description="Exports made from it; they stay.")
    forks: list[str] = Field(description="Names of experiments that start from its weights and were not trained yet.")
    refusal: str = Field(description="Why it cannot be deleted now; empty when it can.")
