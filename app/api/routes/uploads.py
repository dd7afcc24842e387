"""Files for an import, in one request or in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from pydantic import ValidationError
from starlette.responses import Response

from app.api.dependencies import ProjectPath, StudioDep, UploadPath
from app.api.errors import field_problems
from app.api.json_body import StrictRoute
from app.api.json_text import UnacceptableJsonError, parse_json
from app.api.present import present
from app.core.exceptions import ValidationFailedError, invalid_field
from app.schemas.common import UploadId
from app.schemas.datasets import ImportOptions, UploadReceived, UploadRemoved
from app.schemas.envelope import Ok

router = APIRouter(prefix="/api/datasets/{pid}", tags=["Datasets"], route_class=StrictRoute)


@dataclass(frozen=True)
class UploadForm:
    """The fields of one batch."""

    files: list[UploadFile]
    upload_id: str | None
    source_format: str | None
    is_final: bool
    options: ImportOptions

    def named_files(self) -> Iterator[tuple[str, BinaryIO]]:
        """Yield each file with its name as sent, folders included."""
        for file in self.files:
            if file.filename:
                yield file.filename, file.file


def read_upload_form(
    files: Annotated[list[UploadFile] | None, File(description="Images, annotation files, or one zip.")] = None,
    file: Annotated[UploadFile | None, File(description="A single file, instead of `files`.")] = None,
    source_format: Annotated[str | None, Form(alias="format", max_length=32)] = None,
    upload_id: Annotated[
        UploadId | None, Form(description="The `upload_id` from the response to an earlier batch.")
    ] = None,
    final: Annotated[bool, Form(description="Start the import with this batch.")] = True,
    options: Annotated[str, Form(description="Options of the format as a JSON object.", max_length=65_536)] = "{}",
) -> UploadForm:
    """Return the form; raises ValidationFailedError for options that are none."""
    all_files = [*(files or []), *([file] if file is not None else [])]
    if not all_files and upload_id is None:
        raise invalid_field("files", "Send at least one file.")
    return UploadForm(all_files, upload_id, source_format or None, final, parse_options(options))


def parse_options(text: str) -> ImportOptions:
    """Return the options; raises ValidationFailedError naming the field."""
    try:
        return ImportOptions.model_validate(parse_json(text.encode("utf-8", "surrogatepass")))
    except UnacceptableJsonError as error:
        raise invalid_field("options", f"Not acceptable JSON: {error}.") from None
    except ValidationError as error:
        located = [{**problem, "loc": ("body", "options", *problem["loc"])} for problem in error.errors()]
        raise ValidationFailedError("Request validation failed.", field_problems(located)) from None


@router.post(
    "/import/upload",
    response_model=Ok[UploadReceived],
    status_code=202,
    responses={200: {"model": Ok[UploadReceived], "description": "Stored; further batches may follow."}},
    summary="Import uploaded files",
)
def import_upload(
    request: Request, pid: ProjectPath, studio: StudioDep, form: Annotated[UploadForm, Depends(read_upload_form)]
) -> Response:
    """A zip file, or images with their annotation files. File names can contain folders, such as `cats/1.jpg`.

    Send more than 1,000 files in batches: the first with `final=false`, the others with the `upload_id` from its
    response. The batch with `final=true` starts the import as a job.
    """
    received = studio.imports.receive_upload(
        pid, form.named_files(), form.upload_id, form.source_format, form.is_final, form.options
    )
    return present(request, received, status_code=202 if received.job_id else 200)


@router.delete("/import/upload/{upload_id}", response_model=Ok[UploadRemoved], summary="Cancel an upload")
def remove_upload(request: Request, pid: ProjectPath, upload_id: UploadPath, studio: StudioDep) -> Response:
    """Deletes its files. They are deleted automatically after a day."""
    return present(request, studio.imports.remove_upload(pid, upload_id))
