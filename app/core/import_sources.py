"""What imports and dry runs point at: paths of this machine, uploads, formats. Opens and parses none of it."""

from __future__ import annotations

from pathlib import Path

from app.config import Settings
from app.core.exceptions import NotFoundError, invalid_field
from app.core.lookup import Lookup
from app.schemas.payloads import ImportLimits
from app.storage.paths import UnsafePathError
from app.storage.uploads import UploadStore

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


def resolve_source(text: str) -> Path:
    """Return an absolute path of this machine with links followed; raises ValidationFailedError."""
    if "\x00" in text:
        raise invalid_field("source_path", "A path cannot contain a null character.")
    try:
        path = Path(text).expanduser()
        if not path.is_absolute():
            raise invalid_field("source_path", f"Give an absolute path; {text[:200]!r} is relative.")
        return path.resolve(strict=True)
    except FileNotFoundError as error:
        raise invalid_field("source_path", f"{text[:200]!r} does not exist on this machine.") from error
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise invalid_field("source_path", f"{text[:200]!r} cannot be opened: {reason}.") from error
