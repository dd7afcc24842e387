"""Datasets over REST, with uploads of folders in batches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from app.remote.errors import StudioJobError
from app.remote.transport import Transport, UploadPart, drop_none, join_path
from app.remote.waiting import Patience
from app.schemas.datasets import (
    CheckState,
    DatasetCleared,
    DatasetSummary,
    ImageInfo,
    ImagePage,
    ImportStarted,
    UploadReceived,
)
from app.schemas.import_report import ImportReport
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobSummary
from app.typed_paths import read_typed_path

POLL_S = 0.5
RECONNECT_S = 60.0
MAX_BATCH_FILES = 500
MAX_BATCH_BYTES = 32 * 2**20


@dataclass(frozen=True)
class UploadFile:
    """A file to send, and the name that says where it lies inside the source."""

    path: Path
    name: str
    size_bytes: int


class Datasets:
    """What `/api/datasets` offers."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def get(self, project_id: str) -> DatasetSummary:
        """Return the summary of a project's dataset."""
        return self._http.get(DatasetSummary, join_path("datasets", project_id))

    def clear(self, project_id: str) -> DatasetCleared:
        """Delete the dataset of a project."""
        return self._http.send("DELETE", DatasetCleared, join_path("datasets", project_id))

    def check(
        self,
        project_id: str,
        source: Path | str | None = None,
        *,
        upload_id: str | None = None,
        source_format: str | None = None,
        options: dict[str, Any] | None = None,
        on_progress: Callable[[CheckState], None] | None = None,
    ) -> ImportReport:
        """Return what an import of a source on the server's machine, or of an upload, would find.

        Waits for the report; `on_progress` gets how far a longer preview is. Raises StudioJobError when it
        was cancelled.
        """
        body = drop_none(
            {
                "source_path": _absolute(source) if source is not None else None,
                "upload_id": upload_id,
                "source_format": source_format,
                "options": options,
            }
        )
        path = join_path("datasets", project_id, "import", "check")
        answer = self._http.send("POST", _LooseAnswer, path, json=body).model_dump()
        if "job_id" not in answer:
            return ImportReport.model_validate_json(json.dumps(answer))
        return self._wait_for_check(project_id, CheckState.model_validate_json(json.dumps(answer)), on_progress)

    def _wait_for_check(
        self, project_id: str, state: CheckState, on_progress: Callable[[CheckState], None] | None
    ) -> ImportReport:
        job_id = state.job_id
        patience = Patience(None, RECONNECT_S, f"The preview {job_id}")
        while state.report is None:
            if on_progress:
                on_progress(state)
            if state.status in TERMINAL_JOB_STATUSES:
                raise StudioJobError(self._http.get(JobSummary, join_path("jobs", job_id)))
            patience.pause(POLL_S)
            state = patience.ask(lambda: self.get_check(project_id, job_id))
        return state.report

    def get_check(self, project_id: str, job_id: str) -> CheckState:
        """Return the progress of a preview, with its report once it is done."""
        return self._http.get(CheckState, join_path("datasets", project_id, "import", "check", job_id))

    def download_problems(self, project_id: str, destination: Path, *, check_job_id: str | None = None) -> Path:
        """Store the table of every problem of the import, or of a preview."""
        parts = ["check", check_job_id] if check_job_id else []
        return self._http.download(join_path("datasets", project_id, "import", *parts, "problems"), destination)

    def download_preview(self, project_id: str, check_job_id: str, picture: str, destination: Path) -> Path:
        """Store one of the small pictures that `previews` of a report names; `check_id` of the report is the job."""
        path = join_path("datasets", project_id, "import", "check", check_job_id, "previews", picture)
        return self._http.download(path, destination)

    def import_local(
        self,
        project_id: str,
        source: Path | str,
        *,
        source_format: str | None = None,
        mode: str = "copy",
        options: dict[str, Any] | None = None,
    ) -> ImportStarted | DatasetSummary:
        """Import from a folder, zip or annotation file on the server's machine; wait for the job that is returned."""
        body = drop_none(
            {"source_path": _absolute(source), "source_format": source_format, "mode": mode, "options": options}
        )
        path = join_path("datasets", project_id, "import", "local")
        answer = self._http.send("POST", _LooseAnswer, path, json=body).model_dump()
        model: TypeAdapter[ImportStarted | DatasetSummary] = TypeAdapter(
            ImportStarted if "job_id" in answer else DatasetSummary
        )
        return model.validate_json(json.dumps(answer))

    def upload(
        self,
        project_id: str,
        source: Path | str,
        *,
        source_format: str | None = None,
        options: dict[str, Any] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> UploadReceived:
        """Send a zip, or a folder in batches, and start its import; `on_progress` takes files sent and files in all.

        Raises FileNotFoundError when there is nothing to send.
        """
        files = list_upload_files(read_typed_path(str(source), is_relative_allowed=True))
        batches = list(make_batches(files))
        fields = drop_none({"format": source_format, "options": json.dumps(options) if options else None})
        num_sent = 0
        for number, batch in enumerate(batches, start=1):
            fields["final"] = "true" if number == len(batches) else "false"
            received = self._send_batch(project_id, batch, fields)
            fields["upload_id"] = received.upload_id
            num_sent += len(batch)
            if on_progress:
                on_progress(num_sent, len(files))
        return received

    def images(self, project_id: str, **query: Any) -> ImagePage:
        """Return a page of images; `query` as in `app.schemas.datasets.ImageQuery`."""
        return self._http.get(ImagePage, join_path("datasets", project_id, "images"), drop_none(query))

    def image_info(self, project_id: str, filename: str) -> ImageInfo:
        """Return everything known of one image."""
        return self._http.get(ImageInfo, join_path("datasets", project_id, "images", filename, "info"))

    def download_image(self, project_id: str, filename: str, destination: Path) -> Path:
        """Store one image."""
        return self._http.download(join_path("datasets", project_id, "images", filename), destination)

    def _send_batch(self, project_id: str, batch: Sequence[UploadFile], fields: dict[str, str]) -> UploadReceived:
        path = join_path("datasets", project_id, "import", "upload")
        with ExitStack() as opened:
            parts: list[UploadPart] = []
            for file in batch:
                is_alone = len(batch) == 1  # then it may be large: it is streamed, the others are small
                content = opened.enter_context(file.path.open("rb")) if is_alone else file.path.read_bytes()
                parts.append(("files", (file.name, content, "application/octet-stream")))
            return self._http.upload(UploadReceived, path, parts, fields)


class _LooseAnswer(BaseModel):
    model_config = {"extra": "allow"}


def list_upload_files(source: Path) -> list[UploadFile]:
    """Return a file, or every file of a folder that is not hidden, sorted by name; FileNotFoundError when none."""
    if source.is_file():
        return [UploadFile(source, source.name, source.stat().st_size)]
    found = []
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            found.append(UploadFile(path, name.as_posix(), path.stat().st_size))
    if not found:
        raise FileNotFoundError(f"There is no file to send in {source}.")
    return found


def make_batches(
    files: Sequence[UploadFile], max_files: int = MAX_BATCH_FILES, max_bytes: int = MAX_BATCH_BYTES
) -> Iterator[list[UploadFile]]:
    """Yield the files in order, as few requests as the limits allow; a file above the limit travels alone."""
    batch: list[UploadFile] = []
    size_bytes = 0
    for file in files:
        if batch and (len(batch) == max_files or size_bytes + file.size_bytes > max_bytes):
            yield batch
            batch, size_bytes = [], 0
        batch.append(file)
        size_bytes += file.size_bytes
    if batch:
        yield batch


def _absolute(source: Path | str) -> str:
    # The server has a working directory of its own.
    return str(read_typed_path(str(source), is_relative_allowed=True).resolve())
