"""Everything that `core` can refuse, each with its stable code. `api` alone knows what HTTP makes of them."""

from __future__ import annotations

from typing import Any

from app.schemas.envelope import FieldProblem
from app.storage.json_store import CorruptDocumentError, UnreadableDocumentError


class AIStudioError(Exception):
    """Base of every error that a client sees; the message is for a person."""

    code = "INTERNAL_ERROR"

    def __init__(self, message: str, details: list[FieldProblem] | dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class NotFoundError(AIStudioError):
    """Nothing has this id or name."""

    code = "NOT_FOUND"


class ProjectGoneError(NotFoundError):
    """There is no such project, or no longer."""


class SplitNotFoundError(NotFoundError):
    """No split has this name."""

    code = "SPLIT_NOT_FOUND"


class ExperimentNotFoundError(NotFoundError):
    """No experiment has this id."""

    code = "EXPERIMENT_NOT_FOUND"


class RunNotFoundError(NotFoundError):
    """No run has this id, or the experiment has none."""

    code = "RUN_NOT_FOUND"


class CheckpointNotFoundError(NotFoundError):
    """The checkpoint does not exist on disk."""

    code = "CHECKPOINT_NOT_FOUND"


class ConflictError(AIStudioError):
    """The state of things does not allow it now."""

    code = "CONFLICT"


class TooManyChecksError(AIStudioError):
    """As many dry runs run and wait as the settings allow."""

    code = "TOO_MANY_CHECKS"


class TrainingInProgressError(ConflictError):
    """A run is pending or running."""

    code = "TRAINING_IN_PROGRESS"


class ValidationFailedError(AIStudioError):
    """A value is not acceptable; details name the fields."""

    code = "VALIDATION_ERROR"


class DatasetNotImportedError(AIStudioError):
    """The project has no dataset yet."""

    code = "DATASET_NOT_IMPORTED"


class DatasetUnreadableError(DatasetNotImportedError):
    """There is a dataset, and the disk does not give it now."""

    code = "STORAGE_UNAVAILABLE"


class ExportFormatUnavailableError(AIStudioError):
    """The format is unknown or what it needs is not installed."""

    code = "EXPORT_FORMAT_UNAVAILABLE"


class GpuNotAvailableError(AIStudioError):
    """The device does not exist on this machine."""

    code = "GPU_NOT_AVAILABLE"


class StorageUnavailableError(AIStudioError):
    """The disk cannot be written; reading still works."""

    code = "STORAGE_UNAVAILABLE"


def invalid_field(field: str, message: str) -> ValidationFailedError:
    """Return the error for one unacceptable field."""
    return ValidationFailedError("Request validation failed.", [FieldProblem(field=field, message=message)])


# What reading any document may raise: the last boundary, for what no service has turned into its own answer.
DocumentError = CorruptDocumentError


def unusable_document(error: CorruptDocumentError) -> AIStudioError:
    """Return the error for a document that a request needs and that cannot be used."""
    msg = f"{error.path.name} cannot be read: {error.reason}."
    if isinstance(error, UnreadableDocumentError) and error.is_of_disk:
        return StorageUnavailableError(f"{msg} Check the disk, then try again.")
    return ConflictError(f"{msg} Correct or restore the file, then try again. The projects page lists all such files.")
