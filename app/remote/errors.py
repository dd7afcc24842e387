"""The errors that the client raises. The rules of the server are not repeated here."""

from __future__ import annotations

from typing import Any

from app.schemas.envelope import ErrorBody
from app.schemas.jobs import JobSummary


class StudioError(Exception):
    """Base of everything that the client raises."""


class StudioApiError(StudioError):
    """The server refused: its stable code, its sentence, its details, and the HTTP status."""

    def __init__(self, code: str, message: str, details: Any = None, status: int = 500) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.status = status

    @classmethod
    def from_body(cls, body: ErrorBody, status: int) -> StudioApiError:
        """Return the error of an envelope."""
        details: Any = body.details
        if isinstance(details, list):
            details = [problem.model_dump() for problem in details]
        return cls(body.code, body.message, details, status)

    def __str__(self) -> str:
        """Return the sentence and the code, then one line per detail."""
        lines = [f"{self.message} ({self.code}, HTTP {self.status})"]
        if isinstance(self.details, list):
            lines += [f"  {item.get('field', '')}: {item.get('message', '')}" for item in self.details]
        elif isinstance(self.details, dict):
            lines += [f"  {key}: {value}" for key, value in self.details.items() if not isinstance(value, dict)]
        return "\n".join(lines)


class StudioConnectionError(StudioError):
    """No server answers, or it stopped answering."""

    def __init__(self, base_url: str, reason: str) -> None:
        super().__init__(
            f"No AI Studio server is responding at {base_url} ({reason}). "
            "Start one with `ai-studio serve`, or choose another with --url or AI_STUDIO_URL."
        )
        self.base_url = base_url
        self.reason = reason


class StudioTimeoutError(StudioError):
    """Something did not end within the time that the caller gave it."""


class StudioJobError(StudioError):
    """A job ended in another way than completed."""

    def __init__(self, job: JobSummary) -> None:
        reason = f": {job.error.message}" if job.error else ""
        super().__init__(f"The {job.kind} job {job.id} is {job.status}{reason}")
        self.job = job
