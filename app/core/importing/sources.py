"""What imports and dry runs point at: paths of this machine, uploads, formats. Opens and parses none of it."""

from __future__ import annotations

from pathlib import Path

from app.config import Settings
from app.core.exceptions import NotFoundError, invalid_field
from app.core.lookup import Lookup
from app.schemas.payloads import ImportLimits
from app.storage.paths import UnsafePathError
from app.storage.uploads import UploadStore
from app.typed_paths import TypedPathError, describe_missing, read_typed_path

# The job looks at its deadline itself and reports; after this the server ends it.
DEADLINE_GRACE_S = 20.0


def make_limits(settings: Settings, timeout_s: float, timeout_setting: str) -> ImportLimits:
    """Return the limits of an import or a dry run; `timeout_setting` is the setting that raises its time."""
    return ImportLimits(
        max_entries=settings.max_entries,
        max_total_bytes=settings.max_import_bytes,
        max_annotation_bytes=settings.max_annotation_bytes,
        max_classes=settings.max_classes,
        max_memory_bytes=settings.max_import_memory,
        max_pixels=settings.max_pixels,
        max_seconds=timeout_s,
        seconds_setting=timeout_setting,
    )


def check_format(lookup: Lookup, project_id: str, source_format: str | None) -> None:
    """Raise ValidationFailedError for a format that the project's task cannot import, NotFoundError for no project."""
    allowed = lookup.find_spec(project_id).info.import_formats
    if source_format is not None and source_format not in allowed:
        raise invalid_field(
            "source_format", f"The format {source_format!r} does not fit this task. Formats: {', '.join(allowed)}."
        )


def find_upload(uploads: UploadStore, project_id: str, upload_id: str) -> Path:
    """Return the zip or the folder of an upload; raises NotFoundError."""
    try:
        return uploads.find_source(project_id, upload_id)
    except (FileNotFoundError, UnsafePathError):
        msg = f"There is no upload {upload_id}; it may have been imported or removed."
        raise NotFoundError(msg) from None


def resolve_source(text: str, workspace: Path) -> Path:
    """Return the path of this machine that a text means, links followed; raises ValidationFailedError.

    Nothing inside the workspace is a source, and no folder that holds it.
    """
    try:
        path = read_typed_path(text)
        resolved = path.resolve(strict=True)
    except TypedPathError as error:
        raise invalid_field("source_path", str(error)) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise invalid_field("source_path", describe_missing(path)) from error
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise invalid_field("source_path", f"{text[:200]!r} cannot be opened: {reason}.") from error
    if refusal := refuse_workspace(resolved, workspace):
        raise invalid_field("source_path", refusal)
    return resolved


def refuse_workspace(path: Path, workspace: Path) -> str:
    """Return why a resolved path cannot be imported beside this workspace, empty when it can."""
    if path.is_relative_to(workspace):
        return "The source lies inside the workspace; choose a folder outside of it."
    if workspace.is_relative_to(path):
        return f"The folder holds the workspace of AI Studio ({workspace}); choose a folder inside it with the images."
    return ""
