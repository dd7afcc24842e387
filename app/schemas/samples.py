"""Sample projects: images and settings to start with."""

from __future__ import annotations

from pydantic import Field

from app.schemas.common import JobId, ProjectId, StrictModel


class SampleInfo(StrictModel):
    """The images that a sample project of one task gets."""

    task: str
    title: str
    description: str
    num_images: int
    licence: str


class SampleList(StrictModel):
    """Every task that has a sample."""

    samples: list[SampleInfo]


class SampleStarted(StrictModel):
    """A sample project whose images are being imported."""

    project_id: ProjectId
    job_id: JobId = Field(description="When it has completed, the dataset, the split and an experiment are there.")
