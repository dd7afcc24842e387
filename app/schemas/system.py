"""What the installation says of itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.schemas.common import StrictModel
from app.schemas.projects import CorruptDocument


class SpareHealth(StrictModel):
    """The process that has loaded the engines and waits for the next job."""

    state: Literal["off", "none", "warming", "ready"]
    pid: int | None = None
    memory_mb: float | None = Field(None, description="Resident memory in MiB.")
    reason: str = Field("", description="Why there is none.")


class StreamHealth(StrictModel):
    """Event streams, each of which holds a connection."""

    num_open: int
    max_open: int = Field(description="What the setting and the limit of open files allow.")
    wanted: int = Field(description="The setting AI_STUDIO_MAX_STREAMS.")
    open_files_limit: int | None = Field(description="Files and connections that this process may have open.")


class Health(StrictModel):
    """Response of a running server."""

    version: str
    workspace: str
    uptime_s: float
    pid: int
    memory_mb: float
    streams: StreamHealth
    spare: SpareHealth = Field(default_factory=lambda: SpareHealth(state="none"))


class Device(StrictModel):
    """Something that a run can compute on."""

    id: str = Field(description="cpu or gpu:N.")
    name: str
    type: Literal["cpu", "cuda"]
    memory_total_mb: int
    memory_free_mb: int


class DeviceList(StrictModel):
    """The devices of this machine."""

    devices: list[Device]
    cuda_available: bool
    cuda_version: str | None
    default_selected: list[str]


class HeldSpace(StrictModel):
    """Disk space used by one kind of leftover files, including those in use at the moment."""

    kind: Literal["half_written", "upload", "staging", "job_file", "download", "trash", "set_aside"]
    title: str
    num_bytes: int
    num_entries: int
    largest: list[str] = Field(
        description="The largest of them, at most five, as paths inside the workspace; in full where they lie outside."
    )


class WorkspaceHealth(StrictModel):
    """State of the workspace on disk."""

    path: str
    num_projects: int
    disk_total_mb: int
    disk_free_mb: int
    is_writable: bool
    problem: str = Field("", description="Why nothing can be changed.")
    corrupt: list[CorruptDocument]
    held: list[HeldSpace] = Field(
        default_factory=list, description="Disk space used by leftover files, measured at most a minute ago."
    )
