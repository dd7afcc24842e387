"""The vocabulary of events: one small frozen class per fact, in one discriminated union.

The first group is the contract's vocabulary. The second group (`JOB_*`, `EXPERIMENT_STATUS`, `RECORD_CHANGED`,
`EPOCH_FINISHED`, `EVALUATION_PROGRESS`, `CHECKPOINT_SAVED`) are the studio's own facts. `JobResult` is the explicit end
that a child must report; without it a job has failed, whatever its exit code was.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import Field, model_validator

from app.schemas.common import Count, FrozenModel, ProjectId, Time
from app.schemas.experiments import EpochMetrics, ErrorInfo

StageId = Literal[
    "PARSE_INTENT", "DATA_SOURCE", "PROFILE_DATA", "PREPROCESS", "MODEL_SELECT", "TRAIN", "REVIEW_EDIT", "EXPORT"
]
STAGES: tuple[StageId, ...] = (
    "PARSE_INTENT",
    "DATA_SOURCE",
    "PROFILE_DATA",
    "PREPROCESS",
    "MODEL_SELECT",
    "TRAIN",
    "REVIEW_EDIT",
    "EXPORT",
)
StageStatusValue = Literal["PENDING", "IN_PROGRESS", "WAITING_CONFIRMATION", "COMPLETED", "FAILED", "SKIPPED"]
RunPhase = Literal["init", "fit", "eval", "finalize"]
FinishedStatus = Literal["success", "failed", "cancelled", "paused", "interrupted"]
RecordNoun = Literal["project", "dataset", "split", "experiment", "evaluation", "export"]
RecordChange = Literal["created", "changed", "deleted"]


class Event(FrozenModel):
    """A fact. Each subclass pins `type` to its own name.

    One that is no sign of life comes from a thread of the job that only watches, and would also come if the work hung.
    """

    is_sign_of_life: ClassVar[bool] = True

    type: str


class StageStatus(Event):
    """A stage changed."""

    type: Literal["STAGE_STATUS"] = "STAGE_STATUS"
    stage_id: StageId
    status: StageStatusValue
    message: str = ""


class WaitingConfirmation(Event):
    """A stage that waits for confirmation."""

    type: Literal["WAITING_CONFIRMATION"] = "WAITING_CONFIRMATION"
    stage_id: StageId
    summary: str
    next_actions: list[str]


class PlanProposed(Event):
    """A plan was proposed."""

    type: Literal["PLAN_PROPOSED"] = "PLAN_PROPOSED"
    stage_id: StageId
    plan_json: dict[str, Any]


class PlanApproved(Event):
    """A plan was approved."""

    type: Literal["PLAN_APPROVED"] = "PLAN_APPROVED"
    stage_id: StageId


class FileEntry(FrozenModel):
    """One file of a tree; size in bytes."""

    path: str
    type: Literal["file", "directory"]
    size: int
    sha: str | None = None


class FileTreeUpdate(Event):
    """Files changed."""

    type: Literal["FILE_TREE_UPDATE"] = "FILE_TREE_UPDATE"
    files: list[FileEntry]


class Artifact(FrozenModel):
    """Something that can be fetched by its URL."""

    id: str
    type: str
    name: str
    url: str
    meta: dict[str, Any] = Field(default_factory=dict)


class ArtifactAdded(Event):
    """An artefact can be fetched."""

    type: Literal["ARTIFACT_ADDED"] = "ARTIFACT_ADDED"
    artifact: Artifact


class PromptParsed(Event):
    """A sentence was understood."""

    type: Literal["PROMPT_PARSED"] = "PROMPT_PARSED"
    task_type: str
    target: str | None
    dataset_hint: str | None
    constraints: dict[str, Any]


class DatasetCandidate(FrozenModel):
    """A dataset that would fit."""

    id: str
    name: str
    source: str
    desc: str
    meta: dict[str, Any] = Field(default_factory=dict)


class DatasetCandidates(Event):
    """Datasets that would fit."""

    type: Literal["DATASET_CANDIDATES"] = "DATASET_CANDIDATES"
    datasets: list[DatasetCandidate]


class DatasetSelected(Event):
    """A dataset was chosen, or imported."""

    type: Literal["DATASET_SELECTED"] = "DATASET_SELECTED"
    dataset_id: str


class ModelCandidate(FrozenModel):
    """A model that would fit."""

    id: str
    name: str
    family: str
    why: str
    requirements: dict[str, Any] = Field(default_factory=dict)


class ModelCandidates(Event):
    """Models that would fit."""

    type: Literal["MODEL_CANDIDATES"] = "MODEL_CANDIDATES"
    models: list[ModelCandidate]


class ModelSelected(Event):
    """A model was chosen."""

    type: Literal["MODEL_SELECTED"] = "MODEL_SELECTED"
    model_id: str


class DatasetSampleReady(Event):
    """A sample of the data can be fetched."""

    type: Literal["DATASET_SAMPLE_READY"] = "DATASET_SAMPLE_READY"
    asset_url: str
    columns: list[str]
    n_rows: int


class ProfileProgress(Event):
    """Profiling goes on."""

    type: Literal["PROFILE_PROGRESS"] = "PROFILE_PROGRESS"
    phase: str
    pct: float


class ProfileSummary(Event):
    """What profiling found."""

    type: Literal["PROFILE_SUMMARY"] = "PROFILE_SUMMARY"
    n_rows: int
    n_cols: int
    missing_pct: float
    types_breakdown: dict[str, int]
    warnings: list[str]


class _AssetReady(Event):
    """An asset can be fetched."""

    asset_url: str


class MissingnessTableReady(_AssetReady):
    """The table of missing values."""

    type: Literal["MISSINGNESS_TABLE_READY"] = "MISSINGNESS_TABLE_READY"


class TargetDistributionReady(_AssetReady):
    """The distribution of the target."""

    type: Literal["TARGET_DISTRIBUTION_READY"] = "TARGET_DISTRIBUTION_READY"


class SplitSummary(Event):
    """A split was drawn; images per subset."""

    type: Literal["SPLIT_SUMMARY"] = "SPLIT_SUMMARY"
    train_rows: int
    val_rows: int
    test_rows: int
    stratified: bool
    seed: int


class PreprocessPlan(Event):
    """How data will be prepared."""

    type: Literal["PREPROCESS_PLAN"] = "PREPROCESS_PLAN"
    steps: list[str]


class TrainRunStarted(Event):
    """A run began."""

    type: Literal["TRAIN_RUN_STARTED"] = "TRAIN_RUN_STARTED"
    run_id: str
    model_id: str
    metric_primary: str
    config: dict[str, Any]


class TrainProgress(Event):
    """A run goes on; epoch from 1, step within the epoch."""

    type: Literal["TRAIN_PROGRESS"] = "TRAIN_PROGRESS"
    run_id: str
    epoch: int
    epochs: int
    step: int
    steps: int
    eta_s: float | None
    phase: RunPhase


class MetricScalar(Event):
    """One value of one metric; step is the epoch, from 1."""

    type: Literal["METRIC_SCALAR"] = "METRIC_SCALAR"
    run_id: str
    name: str
    split: Literal["train", "val", "test"]
    step: int
    value: float


class LeaderboardRow(FrozenModel):
    """One model of a comparison."""

    model: str
    params: dict[str, Any]
    metric: float
    runtime_s: float


class LeaderboardUpdated(Event):
    """The comparison changed."""

    type: Literal["LEADERBOARD_UPDATED"] = "LEADERBOARD_UPDATED"
    rows: list[LeaderboardRow]


class BestModelUpdated(Event):
    """A run has a new best model."""

    type: Literal["BEST_MODEL_UPDATED"] = "BEST_MODEL_UPDATED"
    run_id: str
    model_id: str
    metric: dict[str, float]


class ConfusionMatrixReady(_AssetReady):
    """The confusion matrix."""

    type: Literal["CONFUSION_MATRIX_READY"] = "CONFUSION_MATRIX_READY"


class RocCurveReady(_AssetReady):
    """The ROC curve."""

    type: Literal["ROC_CURVE_READY"] = "ROC_CURVE_READY"


class ResidualsPlotReady(_AssetReady):
    """The residuals."""

    type: Literal["RESIDUALS_PLOT_READY"] = "RESIDUALS_PLOT_READY"


class FeatureImportanceReady(_AssetReady):
    """What the model looks at."""

    type: Literal["FEATURE_IMPORTANCE_READY"] = "FEATURE_IMPORTANCE_READY"


class ResourceStats(Event):
    """What a run uses at this moment; gpu_pct and vram_mb are null without a GPU."""

    is_sign_of_life: ClassVar[bool] = False

    type: Literal["RESOURCE_STATS"] = "RESOURCE_STATS"
    run_id: str
    cpu_pct: float
    ram_mb: float
    gpu_pct: float | None
    vram_mb: float | None
    step_per_sec: float


class LogLine(Event):
    """A line of a run's log."""

    type: Literal["LOG_LINE"] = "LOG_LINE"
    run_id: str
    level: Literal["debug", "info", "warning", "error"]
    text: str


class TrainRunFinished(Event):
    """A run ended; once per run and resumption."""

    type: Literal["TRAIN_RUN_FINISHED"] = "TRAIN_RUN_FINISHED"
    run_id: str
    status: FinishedStatus
    final_metrics: dict[str, float]


class ReportReady(_AssetReady):
    """A report."""

    type: Literal["REPORT_READY"] = "REPORT_READY"


class NotebookReady(_AssetReady):
    """A notebook."""

    type: Literal["NOTEBOOK_READY"] = "NOTEBOOK_READY"


class CodeWorkspaceReady(Event):
    """Generated code."""

    type: Literal["CODE_WORKSPACE_READY"] = "CODE_WORKSPACE_READY"
    files: list[FileEntry]


class EditSuggestions(Event):
    """What could be changed."""

    type: Literal["EDIT_SUGGESTIONS"] = "EDIT_SUGGESTIONS"
    suggestions: list[str]


class ExportProgress(Event):
    """An export goes on."""

    type: Literal["EXPORT_PROGRESS"] = "EXPORT_PROGRESS"
    pct: float
    message: str


class ExportReady(Event):
    """An exported file; checksum is sha256."""

    type: Literal["EXPORT_READY"] = "EXPORT_READY"
    asset_url: str
    contents: list[str]
    checksum: str


class JobStatusChanged(Event):
    """A job changed its state."""

    type: Literal["JOB_STATUS"] = "JOB_STATUS"
    job_id: str
    kind: str
    status: str
    message: str = ""


class JobProgressed(Event):
    """A job goes on; total is 0 where it is not known."""

    type: Literal["JOB_PROGRESS"] = "JOB_PROGRESS"
    job_id: str
    done: int
    total: int
    message: str = ""


class ExperimentStatusChanged(Event):
    """An experiment changed its state."""

    type: Literal["EXPERIMENT_STATUS"] = "EXPERIMENT_STATUS"
    experiment_id: str
    status: str


class RecordChanged(Event):
    """A record that pages show was made, changed or deleted by a request. A split's id is its name."""

    type: Literal["RECORD_CHANGED"] = "RECORD_CHANGED"
    noun: RecordNoun
    id: str
    change: RecordChange


class EpochFinished(Event):
    """One epoch of metrics.json."""

    type: Literal["EPOCH_FINISHED"] = "EPOCH_FINISHED"
    run_id: str
    metrics: EpochMetrics


class CheckpointSaved(Event):
    """A checkpoint is complete on disk; path relative to the run."""

    type: Literal["CHECKPOINT_SAVED"] = "CHECKPOINT_SAVED"
    run_id: str
    name: Literal["best", "last"]
    path: str
    epoch: int
    size_bytes: int
    metric: dict[str, float] = Field(default_factory=dict)


class RunConfigResolved(Event):
    """What `auto` became and what the run really uses; goes into the frozen config.json."""

    type: Literal["RUN_CONFIG_RESOLVED"] = "RUN_CONFIG_RESOLVED"
    run_id: str
    resolved: dict[str, Any]


class RunRecovered(Event):
    """A run broke, went back to its last good checkpoint, and goes on with other settings."""

    type: Literal["RUN_RECOVERED"] = "RUN_RECOVERED"
    run_id: str
    reason: Literal["loss_not_finite", "out_of_memory"]
    message: str
    epoch: int = Field(description="The epoch that it goes on in.")
    batch: int = Field(description="Batches of this epoch that were finished before.")
    learning_rate: float
    micro_batch_size: int


class SkippedSample(FrozenModel):
    """An image that could not be read, and why."""

    filename: str
    message: str
    source_name: str = Field("", description="Its name in the source that was imported.")


class SamplesSkipped(Event):
    """Images that a run leaves out because they cannot be read; `count` is the total so far."""

    type: Literal["SAMPLES_SKIPPED"] = "SAMPLES_SKIPPED"
    run_id: str
    count: int
    images: list[SkippedSample] = Field(description="Those found since the last such event, the first ones named.")


class RunAsked(Event):
    """Someone asked a run to pause or to end; it does so within one batch."""

    type: Literal["RUN_ASKED"] = "RUN_ASKED"
    run_id: str
    command: Literal["pause", "stop_keep", "cancel"]


class QueueChanged(Event):
    """Someone gave a waiting run another place; `run_ids` is the new order, the first one is next."""

    type: Literal["QUEUE_CHANGED"] = "QUEUE_CHANGED"
    run_ids: list[str]


class EvaluationProgressed(Event):
    """An evaluation goes on."""

    type: Literal["EVALUATION_PROGRESS"] = "EVALUATION_PROGRESS"
    experiment_id: str
    processed: int
    total: int


class JobResult(Event):
    """The explicit end of a job. Stays inside the job; the scheduler turns it into records and JOB_STATUS."""

    type: Literal["JOB_RESULT"] = "JOB_RESULT"
    outcome: Literal["completed", "paused", "cancelled", "failed"]
    result: dict[str, Any] = Field(default_factory=dict)
    error: ErrorInfo | None = None


AnyEvent = Annotated[
    Union[  # noqa: UP007 - one name a line reads better than a line of bars
        StageStatus,
        WaitingConfirmation,
        PlanProposed,
        PlanApproved,
        FileTreeUpdate,
        ArtifactAdded,
        PromptParsed,
        DatasetCandidates,
        DatasetSelected,
        ModelCandidates,
        ModelSelected,
        DatasetSampleReady,
        ProfileProgress,
        ProfileSummary,
        MissingnessTableReady,
        TargetDistributionReady,
        SplitSummary,
        PreprocessPlan,
        TrainRunStarted,
        TrainProgress,
        MetricScalar,
        LeaderboardUpdated,
        BestModelUpdated,
        ConfusionMatrixReady,
        RocCurveReady,
        ResidualsPlotReady,
        FeatureImportanceReady,
        ResourceStats,
        LogLine,
        TrainRunFinished,
        ReportReady,
        NotebookReady,
        CodeWorkspaceReady,
        EditSuggestions,
        ExportProgress,
        ExportReady,
        JobStatusChanged,
        JobProgressed,
        ExperimentStatusChanged,
        RecordChanged,
        EpochFinished,
        CheckpointSaved,
        RunConfigResolved,
        RunRecovered,
        SamplesSkipped,
        RunAsked,
        QueueChanged,
        EvaluationProgressed,
        JobResult,
    ],
    Field(discriminator="type"),
]


# The server itself reads the payloads of these; the others it hands on as they are.
FOLDED_EVENTS: dict[str, type[Event]] = {
    "STAGE_STATUS": StageStatus,
    "WAITING_CONFIRMATION": WaitingConfirmation,
    "ARTIFACT_ADDED": ArtifactAdded,
}


class EventLine(FrozenModel):
    """One line of a project's log."""

    id: str
    seq: int = Field(ge=1)
    ts: Time
    type: str
    project_id: ProjectId
    run_id: str | None = None
    stage_id: StageId | None = None
    node_id: str | None = None
    job_id: str | None = Field(None, description="The job that reported it.")
    job_seq: Count | None = Field(None, description="Its line in the job's own log; makes forwarding exactly-once.")
    payload: dict[str, Any]

    @model_validator(mode="after")
    def _has_its_payload(self) -> EventLine:
        event = FOLDED_EVENTS.get(self.type)
        if event is not None:
            event.model_validate(self.payload)
        return self


class EventPage(FrozenModel):
    """Events after a sequence number."""

    events: list[EventLine]
    last_seq: int = Field(description="The newest event of the log.")


class StageState(FrozenModel):
    """A stage as it stands."""

    id: StageId
    index: int
    status: StageStatusValue
    message: str = ""


class ProjectState(FrozenModel):
    """What a client needs to draw a project before it follows the events."""

    project_id: str
    current_stage: StageState
    stages: list[StageState]
    waiting_confirmation: WaitingConfirmation | None
    artifacts: list[Artifact]
    seq: int
