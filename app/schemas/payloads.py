"""The payload of each kind of job: what `core` writes into request.json and an engine reads from it.

Every path is absolute and was resolved by storage.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from app.schemas.arithmetic import RunMeasurement
from app.schemas.common import StrictModel
from app.schemas.datasets import ImportMode, ImportOptions
from app.schemas.evaluation import Subset
from app.schemas.experiments import AugmentationSettings, HardwareSettings, ModelSettings
from app.schemas.export import ExportOptions, Measurement
from app.schemas.splits import SplitCreate


class ImportLimits(StrictModel):
    """Caps that hold for everything that comes from outside."""

    max_entries: int = Field(1_000_000, description="Files of a folder, entries of a zip, rows of a table.")
    max_total_bytes: int = 200 * 2**30
    max_annotation_bytes: int = Field(2 * 2**30, description="Size of one table or COCO document.")
    max_classes: int = 100_000
    max_memory_bytes: int = Field(4 * 2**30, description="Resident memory of the job that reads.")
    max_seconds: float | None = Field(None, description="Time that the job may take; None: any.")
    seconds_setting: str = "AI_STUDIO_IMPORT_TIMEOUT_S"
    max_ratio: float = 200.0
    max_side_px: int = 30_000
    max_pixels: int = 100_000_000
    max_named_problems: int = 200


class ImportPayload(StrictModel):
    """Kind `import`. Writes dataset.json, images/ and .thumbs/ into the output directory."""

    dataset_id: str
    task: str
    annotation_kind: str
    allowed_formats: list[str]
    source_path: str
    source_label: str = Field(description="What the record says of the source, e.g. the name of the uploaded file.")
    source_format: str | None
    mode: ImportMode
    options: ImportOptions
    limits: ImportLimits = Field(default_factory=lambda: ImportLimits())
    workspace: str = Field("", description="The workspace, which is no part of a source around it.")
    sample_writer: str = Field(
        "", description="module:function that writes the images of a sample; empty: they come from source_path."
    )
    split: SplitCreate | None = Field(None, description="A split that is drawn with the dataset.")


class CheckPayload(StrictModel):
    """Kind `check`, a preview of an import. Writes report.json and problems.csv into the output directory."""

    annotation_kind: str
    allowed_formats: list[str]
    source_path: str
    source_format: str | None
    options: ImportOptions
    limits: ImportLimits = Field(default_factory=lambda: ImportLimits())
    workspace: str = Field("", description="The workspace, which is no part of a source around it.")


class DatasetLocation(StrictModel):
    """Where a dataset lies."""

    dataset_json: str
    images_dir: str
    masks_dir: str = Field("", description="Where masks lie; empty: nowhere.")
    cache_dir: str = Field(description="Where decoded images are kept; empty: nowhere.")
    cache_budget_bytes: int = Field(16 * 2**30, ge=0, description="What the cache of this dataset may take at most.")


class TrainPayload(StrictModel):
    """Kind `train`. Writes checkpoints/ and logs/ into the run's directory."""

    task: str
    experiment_id: str
    run_id: str
    dataset: DatasetLocation
    split_name: str
    model: ModelSettings
    hyperparameters: dict[str, Any]
    augmentations: AugmentationSettings
    hardware: HardwareSettings
    weights_dir: str = Field(description="Where pretrained weights are kept.")
    resume_from: str | None = Field(None, description="A last.ckpt of this run.")
    initial_weights: str | None = Field(None, description="A checkpoint whose weights a fork starts from.")
    micro_batch_limit: int | None = Field(
        None,
        ge=1,
        description="Images at a time at most: the system ended the run before because it ran out of memory.",
    )
    recorded_epochs: int = Field(
        0, ge=0, description="Epochs that metrics.json has already; a resumed run adds the rest."
    )
    machine_dir: str = Field("", description="Where decisions are kept for all workspaces of a user; empty: nowhere.")
    known: RunMeasurement | None = Field(None, description="What an earlier run or probe with the same key measured.")


class EvaluatePayload(StrictModel):
    """Kind `evaluate`. Writes results.json and aggregate.json into the output directory."""

    task: str
    experiment_id: str
    run_id: str
    checkpoint_path: str
    dataset: DatasetLocation
    split_name: str
    split_subsets: list[Subset]
    batch_size: int
    device: str
    trained_splits: list[str] = Field(
        default_factory=list, description="Splits whose training images were used for the model; empty: split_name."
    )
    redrawn_splits: list[str] = Field(
        default_factory=list,
        description="Splits of the same name took the place of those that the model was trained on.",
    )


class ExportPayload(StrictModel):
    """Kind `export`. Writes the model, parity.json, metadata and the bundle into the output directory."""

    task: str
    experiment_id: str
    run_id: str
    export_id: str
    checkpoint_path: str
    dataset: DatasetLocation
    split_name: str
    split_subsets: list[Subset]
    format: str
    options: ExportOptions
    measurements: list[Measurement] = Field(
        default_factory=list, description="Headline metrics of the evaluation, or of validation."
    )
    licence: str


class PredictPayload(StrictModel):
    """Kind `predict`. Stays and answers: each message {id, image_path, explain?, target?} becomes `<id>.json` in the
    output directory."""

    task: str
    experiment_id: str
    checkpoint_path: str
    idle_timeout_s: float = 300.0
    limits: ImportLimits = Field(default_factory=lambda: ImportLimits())


class AugmentPayload(StrictModel):
    """Kind `augment`. Stays and answers: each AugmentationPreviewMessage becomes `<id>.json` in the directory."""

    idle_timeout_s: float = 300.0
    limits: ImportLimits = Field(default_factory=lambda: ImportLimits())
