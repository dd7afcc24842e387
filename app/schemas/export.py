"""Exports: formats, options, record, certificate, metadata."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from app.schemas.common import (
    Count,
    ExperimentId,
    ExportId,
    JobId,
    ProjectId,
    RunId,
    Size,
    StrictModel,
    Time,
    refuse_repeats,
)
from app.schemas.experiments import CheckpointName, ErrorInfo
from app.schemas.pixels import PixelScale

ExportStatus = Literal["pending", "running", "completed", "failed", "cancelled", "interrupted"]


class ExportFormat(StrictModel):
    """A format that a model can be exported to."""

    name: str
    display_name: str
    description: str
    available: bool
    reason: str | None = None
    options: list[str] = Field(default_factory=list, description="Options that make a difference to it.")


class ExportFormatList(StrictModel):
    """Every format, the unavailable ones with their reason."""

    formats: list[ExportFormat]


class ExportOptions(StrictModel):
    """Options of an export."""

    opset_version: int = Field(17, ge=13, le=21, description="ONNX operator set.")
    input_shape: list[int] | None = Field(
        None, min_length=4, max_length=4, description="(1, 3, height, width); the size of training when left out."
    )
    dynamic_axes: bool = Field(True, description="Accept any number of images at once.")
    simplify: bool = Field(True, description="Fold constants and remove what has no effect.")


class ExportRequest(StrictModel):
    """What to export."""

    experiment_id: ExperimentId
    checkpoint: CheckpointName = "best"
    format: str = Field("onnx", max_length=32)
    options: ExportOptions = Field(default_factory=lambda: ExportOptions())


class ExportValidation(StrictModel):
    """The short form of the certificate."""

    passed: bool
    max_diff: Size
    mean_diff: Size


class ExportRecord(StrictModel):
    """export.json."""

    version: int = 1
    id: ExportId
    experiment_id: ExperimentId
    run_id: RunId | None = None
    checkpoint: CheckpointName
    format: str
    options: ExportOptions
    status: ExportStatus = "pending"
    created_at: Time
    started_at: Time | None = None
    completed_at: Time | None = None
    job_id: JobId | None = None
    output_file: str | None = None
    output_size_mb: Size | None = None
    checksum: str | None = Field(None, description="sha256 of the output file.")
    bundle_checksum: str | None = Field(None, description="sha256 of bundle.zip.")
    contents: list[str] = Field(default_factory=list, description="Names of the files of the bundle.")
    validation: ExportValidation | None = None
    error: ErrorInfo | None = None

    @model_validator(mode="after")
    def _are_different(self) -> ExportRecord:
        refuse_repeats(self.contents, "a file")
        return self


class ExportIndexEntry(StrictModel):
    """One line of exports_index.json."""

    id: ExportId
    experiment_id: ExperimentId
    checkpoint: CheckpointName
    format: str
    status: ExportStatus
    created_at: Time
    output_size_mb: Size | None = None


class ExportsIndex(StrictModel):
    """exports_index.json; derived from the records, rebuilt when it is missing."""

    version: int = 1
    exports: list[ExportIndexEntry] = Field(default_factory=list)

    @model_validator(mode="after")
    def _are_different(self) -> ExportsIndex:
        refuse_repeats((entry.id for entry in self.exports), "an export")
        return self


class ExportList(StrictModel):
    """The exports of a project."""

    exports: list[ExportRecord]


class ExportDeleted(StrictModel):
    """Answer to a deletion."""

    project_id: ProjectId
    export_id: ExportId
    deleted: Literal[True] = True


class WorstImage(StrictModel):
    """An image on which the exported file differs most."""

    filename: str
    diff: float
    source_name: str = Field("", description="Its name in the source that was imported.")


class ParityCertificate(StrictModel):
    """parity.json: the exported file beside the PyTorch model on real images."""

    passed: bool
    tolerance: Size
    num_images: Count
    max_diff: Size
    mean_diff: Size
    agreement: float = Field(
        ge=0.0, le=1.0, description="Share of images with the same answer; for values, within tolerance."
    )
    metric_torch: dict[str, float]
    metric_exported: dict[str, float]
    worst: list[WorstImage]
    runtime: str = Field(description="What ran the exported file, with its version.")
    subsets: list[str] = Field(default_factory=list)
    num_available: int = Field(0, ge=0, description="Images of the subsets; num_images of them were compared.")
    seed: int | None = Field(None, description="Seed that the compared images were drawn with, when not all were.")
    num_skipped: int = Field(0, ge=0, description="Images that could not be read.")
    batch_sizes: list[int] = Field(default_factory=list, description="Numbers of images given to the file at once.")
    differences: dict[str, float] = Field(default_factory=dict, description="Difference of each image by file name.")
    reason: str | None = Field(None, description="Why it did not pass.")
    reproducible: bool = Field(False, description="Whether the run was trained with `reproducible: true`.")

    @model_validator(mode="after")
    def _are_different(self) -> ParityCertificate:
        refuse_repeats(self.subsets, "a subset")
        refuse_repeats((image.filename for image in self.worst), "an image")
        return self


class ResizeRecipe(StrictModel):
    """How an image of any size becomes one of the model's size."""

    mode: Literal["stretch", "crop", "letterbox"]
    size: list[int] = Field(description="[height, width], or for crop [side that the shorter side becomes].")
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"


class ResizeDescription(ResizeRecipe):
    """A recipe with all that another program needs to know of it."""

    antialias: bool = Field(
        True, description="Whether the filter widens with the factor of reduction, as in Pillow; never for nearest."
    )
    pad_value: int = Field(114, description="Grey level beside an image that is letterboxed.")


class Measurement(StrictModel):
    """One metric of the checkpoint: its value, and what it was measured on."""

    metric: str
    value: float
    low: float | None = Field(None, description="Lower end of the interval, null where there is none.")
    high: float | None = Field(None, description="Upper end of the interval.")
    level: float | None = Field(None, description="Confidence level of the interval, such as 0.95.")
    not_enough_images: str | None = Field(None, description="Why there is no interval.")
    not_covered: str | None = Field(None, description="What the interval does not cover although it could be there.")
    subsets: list[str] = Field(description="Subsets of the split that the images came from; train: seen in training.")
    num_images: int
    num_copies: int = Field(0, description="Of these images, copies of a training image; `value` counts them, too.")
    value_without_copies: float | None = Field(
        None, description="The value on the other images that were not trained on; null where none are left or known."
    )
    redrawn_splits: list[str] = Field(
        default_factory=list,
        description="Splits that the model was trained on and that were created again before this was measured, so "
        "that the images may have been used for training.",
    )
    measured_at: str | None = None
    source: Literal["evaluation", "validation", "training"] = Field(
        description="validation: during training, on the images that chose the epoch. training: on the training images."
    )


class ExportedPreprocessing(StrictModel):
    """What happens between a file and the input of the model, beside the recipe of resizing."""

    channel_order: Literal["RGB"] = "RGB"
    layout: Literal["NCHW"] = "NCHW"
    dtype: Literal["uint8"] = "uint8"
    value_range: list[int] = Field(default=[0, 255], description="Scaling and normalisation are inside the model.")
    normalisation: Literal["inside the model"] = "inside the model"
    antialias: bool = Field(True, description="The filter grows with the factor of reduction; nearest has none.")
    resampling: str = Field("Pillow", description="Whose resize is meant; the README of the bundle spells it out.")
    letterbox_grey: int = Field(114, description="Level of the padding; the image is in the middle.")
    frame: Literal["first"] = "first"
    exif_orientation: Literal["applied before resizing"] = "applied before resizing"
    alpha: Literal["dropped", "laid on the background"] = "dropped"
    palette_and_cmyk: Literal["converted to RGB by Pillow"] = "converted to RGB by Pillow"
    sixteen_bit: Literal["divided by 257 and rounded", "scaled by pixel_scale"] = "divided by 257 and rounded"


class ModelMetadata(StrictModel):
    """The property `ai_studio` of an exported file."""

    version: int = 1
    task: str
    annotation_kind: str
    classes: list[str]
    input_size: list[int] = Field(description="[height, width] in pixels.")
    resize: ResizeDescription
    channel_order: Literal["RGB"] = "RGB"
    exif: Literal["applied"] = "applied"
    pixel_scale: PixelScale | None = Field(
        None, description="How values beyond 8 bit become grey levels; null: by the type of each file."
    )
    background: list[int] | None = Field(
        None, description="Colour that transparent pixels are laid on; null: their colour is used as it is."
    )
    thresholds: dict[str, float] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(
        default_factory=dict, description="By name, on images that were not trained on; `measurements` says which."
    )
    measurements: list[Measurement] = Field(default_factory=list)
    preprocessing: ExportedPreprocessing = Field(default_factory=lambda: ExportedPreprocessing())
    architecture: str
    licence: str
    experiment_id: str
    run_id: str
    created_at: str
    details: dict[str, Any] = Field(default_factory=dict)
