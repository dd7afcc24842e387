"""Datasets: summary, import requests, preview report, pages of images."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from app.schemas.common import MAX_PAGE, DatasetId, FilterText, JobId, ProjectId, QueryModel, StrictModel, UploadId
from app.schemas.import_report import ImportProblem, ImportReport, ProblemGroup
from app.schemas.jobs import JobProgress, JobStatus
from app.schemas.leaks import IdenticalImages
from app.schemas.names import SoughtName
from app.schemas.pixels import PixelScale, ScaleChoice

ImportMode = Literal["copy", "link", "reference"]
SplitValue = Literal["train", "val", "test", "none"]
NestedFolders = Literal["leave_out", "into_class", "own_class"]
ClassName = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$", max_length=200)
]


class ImageStats(StrictModel):
    """Extent of the images of a dataset; sides in pixels."""

    num_images: int
    min_width: int
    max_width: int
    min_height: int
    max_height: int
    formats: list[str]


class DatasetSummary(StrictModel):
    """A dataset without its list of images."""

    project_id: ProjectId
    id: DatasetId
    task: str
    source_format: str
    source_path: str
    import_mode: ImportMode = "copy"
    class_mapping: dict[str, str | None] = Field(default_factory=dict, description="New names given at the import.")
    imported_at: str
    classes: list[str]
    class_counts: dict[str, int] = Field(default_factory=dict, description="Images per class.")
    split_names: list[str]
    image_stats: ImageStats
    value_names: list[str] = Field(default_factory=list, description="Names of the numbers that annotate an image.")
    total_bytes: int = Field(0, description="Size of all image files.")
    num_problems: int = 0
    problems: list[ImportProblem] = Field(default_factory=list, description="The first of them.")
    groups: list[ProblemGroup] = Field(default_factory=list, description="All of them by kind.")
    num_files: int = Field(0, description="Image files that lay in the source; 0 where it was not counted.")
    num_lost: int = Field(0, description="Image files of the source that were not imported.")
    num_left_out: int = Field(0, description="Image files of the classes that the class mapping leaves out.")
    num_unused_entries: int = Field(
        0, description="Rows and entries of annotation files that were not used and have no image file in num_lost."
    )
    notes: list[str] = Field(
        default_factory=list, description="What the import found out, e.g. encoding and delimiter."
    )
    content_hash: str = Field(description="Hash of file contents and annotations.")
    pixel_scale: PixelScale | None = Field(
        None, description="How values beyond 8 bit become grey levels, the same for all images."
    )
    background: list[int] | None = Field(
        None, description="Colour that transparent images are laid on; null: their transparency is ignored."
    )
    identical: IdenticalImages = Field(
        default_factory=lambda: IdenticalImages(), description="Images with the same content as another one."
    )


class ImportOptions(StrictModel):
    """Choices of a format; what a format has no use for is ignored by it."""

    filename_column: str | None = Field(
        None, description="CSV column with file names; detected automatically by default."
    )
    target_columns: list[str] | None = Field(
        None, max_length=1000, description="CSV columns with the label or the values.", examples=[["x", "y"]]
    )
    split_column: str | None = Field(
        None,
        description="CSV column with train, val or test; detected automatically when left out, not used when empty.",
    )
    annotation_file: str | None = Field(None, description="Annotation file inside the source, when there are several.")
    class_mapping: dict[str, ClassName | None] = Field(
        default_factory=dict,
        max_length=10_000,
        description="New names of classes; equal names merge, null leaves a class out, others stay.",
        examples=[{"kitten": "cat", "unsure": None}],
    )
    nested_folders: NestedFolders = Field(
        "leave_out",
        description="Images in subfolders of a class folder: left out and named, read into the class folder's class, "
        "or read as classes of their own, named after the folder that holds them.",
    )
    pixel_scale: ScaleChoice | None = Field(
        None,
        description="Values that become black and white in images beyond 8 bit; found from the images when left out.",
        examples=[{"min": 0, "max": 4095}],
    )


class ImportLocal(StrictModel):
    """Import from a folder, or a zip or annotation file, on this machine."""

    source_path: str = Field(min_length=1, max_length=4096)
    source_format: str | None = Field(None, description="Found from the content when left out.")
    mode: ImportMode = Field("copy", description="copy the files, hard-link them, or refer to them where they lie.")
    options: ImportOptions = Field(default_factory=lambda: ImportOptions())


class ImportCheck(StrictModel):
    """A preview of a local source or of uploaded files; give exactly one of the two."""

    source_path: str | None = Field(None, min_length=1, max_length=4096)
    upload_id: UploadId | None = None
    source_format: str | None = None
    options: ImportOptions = Field(default_factory=lambda: ImportOptions())

    @model_validator(mode="after")
    def _one_source(self) -> ImportCheck:
        if (self.source_path is None) == (self.upload_id is None):
            msg = "Give exactly one of source_path and upload_id."
            raise ValueError(msg)
        return self


class CheckState(StrictModel):
    """The progress of a preview, and its report when it is finished."""

    job_id: JobId
    status: JobStatus
    progress: JobProgress = Field(default_factory=lambda: JobProgress())
    report: ImportReport | None = None


class ImportStarted(StrictModel):
    """An import that runs as a job."""

    job_id: JobId


class UploadReceived(StrictModel):
    """A batch of files that was stored; the import starts with the batch that says final."""

    upload_id: UploadId
    num_files: int = Field(description="Files received under this upload so far.")
    job_id: JobId | None = None


class UploadRemoved(StrictModel):
    """Response to a cancelled upload."""

    upload_id: UploadId
    removed: Literal[True] = True


class DatasetCleared(StrictModel):
    """Answer to a deletion."""

    project_id: ProjectId
    cleared: Literal[True] = True


class ImageItem(StrictModel):
    """One image in a page of images; sides in pixels."""

    filename: str
    source_name: str = Field("", description="Its name in the source that was imported.")
    width: int
    height: int
    class_name: str | None
    values: list[float] | None = None
    split: list[SplitValue]
    selected_split_value: SplitValue | None
    annotation_count: int


class ImagePage(StrictModel):
    """A page of images."""

    page: int
    page_size: int
    total_items: int
    total_pages: int
    selected_split_name: str | None
    items: list[ImageItem]


class ImageInfo(StrictModel):
    """Everything known of one image."""

    image: dict[str, Any]


class ImageQuery(QueryModel):
    """Which images a page holds and in which order."""

    page: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 1
    page_size: Annotated[int, Field(ge=1, le=500)] = 50
    sort_by: Literal["filename", "class", "size"] = "filename"
    sort_order: Literal["asc", "desc"] = "asc"
    filter_class: FilterText = None
    search: FilterText = None
    split_name: Annotated[SoughtName | None, Field(description="Default: the first split.")] = None
    subset: SplitValue | None = None
