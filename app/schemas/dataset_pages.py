"""View models of the dataset page: the state of the import, and a page of images with its filters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.schemas.common import StrictModel
from app.schemas.datasets import DatasetSummary, ImageInfo, ImagePage, SplitValue
from app.schemas.jobs import JobSummary

FilterName = Literal["class", "search", "subset"]


class ImportFormatInfo(StrictModel):
    """A format that the task of a project can be imported from."""

    name: str
    title: str


class RelaxedFilter(StrictModel):
    """A filter, and how many images would match without it."""

    name: FilterName
    num_items: int


class ImageListing(StrictModel):
    """A page of images and where it stands in the dataset."""

    page: ImagePage
    num_all: int = Field(description="Images of the whole dataset.")
    split_names: list[str]
    annotation_kind: str
    has_classes: bool = Field(True, description="Whether images can be filtered by class.")
    missing_split: str | None = Field(None, description="A split that was asked for and is not there (any more).")
    subset_counts: dict[SplitValue, int] = Field(default_factory=dict, description="Of the selected split.")
    relaxed: list[RelaxedFilter] = Field(default_factory=list, description="What to drop when nothing matches.")


class DatasetPage(StrictModel):
    """Everything that the page of a dataset is drawn from."""

    formats: list[ImportFormatInfo]
    max_upload_bytes: int
    import_job: JobSummary | None = Field(description="The newest import of the project.")
    is_importing: bool
    problem: str | None = Field(description="Why there is a dataset that cannot be shown.")
    summary: DatasetSummary | None
    listing: ImageListing | None


class ImageDetail(StrictModel):
    """One image, and its neighbours in the order of a query; position from 1, None when the query leaves it out."""

    info: ImageInfo
    value_names: list[str]
    classes: list[str]
    position: int | None
    num_items: int
    previous: str | None
    next: str | None


class DatasetRemoval(StrictModel):
    """What goes when a dataset is cleared, or why it cannot be cleared now."""

    reason: str | None
    num_images: int
    import_mode: str
    is_sample: bool = Field(False, description="The images come with the program, so there is no original folder.")
    split_names: list[str]
    num_experiments: int = Field(description="Experiments that have a model, which stays.")
