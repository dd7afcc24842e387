"""Process settings: environment variables `AI_STUDIO_*`. Nothing about a task or a run belongs here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# Read by the client and the command line, not by the server.
CLIENT_VARIABLES = frozenset({"AI_STUDIO_URL"})


class Settings(BaseSettings):
    """How this server runs. Each field can be set as `AI_STUDIO_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="AI_STUDIO_", extra="forbid")

    workspace_root: Path = Field(Path("workspace"), description="Folder for all data.")
    default_device: str | None = Field(None, description="Device preselected for new experiments; cpu or gpu:N.")
    max_upload_size: int = Field(200 * 2**20, ge=1, description="Largest request body in bytes.")
    body_timeout_s: float = Field(
        30.0, gt=0, description="Seconds that the body of a request may take to arrive, all its pieces together."
    )
    min_upload_rate: int = Field(
        16 * 2**10, ge=1, description="Bytes per second at which files must arrive after those seconds."
    )
    host: str = Field("127.0.0.1", description="Address to listen on; any but loopback needs a token.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 chooses a free one.")
    token: str | None = Field(None, min_length=8, description="Secret that every request must carry as a bearer token.")
    allowed_hosts: str = Field("", description="Further host names that requests may address, separated by commas.")
    browse_roots: str = Field(
        "",
        description=(
            "Folders that the import dialog may list, separated as in PATH; by default your home, the folder in which "
            "the server was started, and other drives. Paths that are typed may lie elsewhere."
        ),
    )
    weights_url: str | None = Field(None, description="Mirror to download pretrained weights from.")
    weights_dir: Path | None = Field(None, description="Store of pretrained weights; inside the workspace by default.")
    machine_dir: Path | None = Field(
        None,
        description=(
            "What was measured once for this machine, for all workspaces; the user's cache directory by default, and "
            "can be deleted at any time."
        ),
    )
    max_pixels: int = Field(100_000_000, ge=1, description="Largest image in pixels.")
    max_import_bytes: int = Field(200 * 2**30, ge=1, description="Largest unpacked import in bytes.")
    max_import_memory: int = Field(
        4 * 2**30, ge=256 * 2**20, description="Largest memory of an import or a preview in bytes."
    )
    max_entries: int = Field(
        1_000_000, ge=1, description="Files of a folder, entries of a zip or rows of a table in one import."
    )
    max_annotation_bytes: int = Field(2 * 2**30, ge=1, description="Largest table or COCO document in bytes.")
    max_classes: int = Field(100_000, ge=1, description="Classes of one import.")
    import_timeout_s: float = Field(86_400.0, gt=0, description="Seconds an import may take.")
    check_timeout_s: float = Field(300.0, gt=0, description="Seconds a preview of an import may take.")
    cache_budget: int = Field(
        16 * 2**30, ge=0, description="Largest cache of decoded images per dataset in bytes; 0 turns it off."
    )
    jobs_per_device: int = Field(1, ge=1, le=8, description="Runs that share one device at the same time.")
    concurrent_imports: int = Field(2, ge=1, le=16, description="Imports that run at the same time.")
    concurrent_checks: int = Field(2, ge=1, le=16, description="Previews of imports that run at the same time.")
    waiting_checks: int = Field(8, ge=0, le=1000, description="Previews that may be queued; further ones are refused.")
    cancel_ask_s: float = Field(4.0, gt=0, le=60, description="Seconds a job has to end after it was asked.")
    cancel_terminate_s: float = Field(2.0, gt=0, le=60, description="Seconds a job has to end after SIGTERM.")
    silent_after_s: float = Field(
        600.0, gt=0, description="Seconds without a response after which a job is stopped as failed."
    )
    warm_spare: bool = Field(
        True, description="Keep a process with PyTorch loaded (about 0.8 GiB), so that a job starts at once; 1 or 0."
    )
    warm_spare_idle_s: float = Field(
        900.0, gt=0, description="Seconds without a look at what can start a job after which that process ends."
    )
    max_streams: int = Field(
        2000, ge=1, description="Event streams open at the same time, as far as the limit of open files allows."
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_variables(cls, values: Any) -> Any:
        """A misspelt variable would otherwise be ignored in silence."""
        prefix = cls.model_config["env_prefix"]
        known = {f"{prefix}{name}".upper() for name in cls.model_fields} | CLIENT_VARIABLES
        unknown = sorted(name for name in os.environ if name.upper().startswith(prefix) and name.upper() not in known)
        if unknown:
            msg = f"Unknown setting {', '.join(unknown)}. Known: {', '.join(sorted(known))}."
            raise ValueError(msg)
        return values

    @property
    def resolved_weights_dir(self) -> Path:
        """The weight store as an absolute path."""
        return (self.weights_dir or self.workspace_root / "weights").resolve()

    @property
    def resolved_machine_dir(self) -> Path:
        """The memory of this machine as an absolute path."""
        if self.machine_dir is not None:
            return self.machine_dir.resolve()
        if os.name == "nt":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return (base / "ai-studio").resolve()
