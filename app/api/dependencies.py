"""Dependencies of handlers: the studio, and ids and file names in paths. Checks no more than their form."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path
from pydantic import AfterValidator
from starlette.requests import HTTPConnection

from app.core.studio import Studio
from app.schemas import common
from app.schemas.envelope import ErrorEnvelope
from app.schemas.names import Name

MAX_FILENAME_LENGTH = 1024


async def get_studio(connection: HTTPConnection) -> Studio:
    """Return the services of this process; async, because FastAPI calls a plain function in a thread."""
    studio: Studio = connection.app.state.studio
    return studio


def without_control_characters(value: str) -> str:
    """Return the text; raises ValueError for characters that no file name has."""
    if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in value):
        msg = "Control characters are not part of a file name."
        raise ValueError(msg)
    return value


StudioDep = Annotated[Studio, Depends(get_studio)]


async def expect_job(studio: StudioDep) -> None:
    """Prepare a spare process, because this client may start a job next. Does not block, so it needs no thread."""
    studio.scheduler.expect_job()


ProjectPath = Annotated[common.ProjectId, Path(alias="pid", description="Id of a project.")]
ExperimentPath = Annotated[common.ExperimentId, Path(alias="eid", description="Id of an experiment.")]
RunPath = Annotated[common.RunId, Path(alias="run_id", description="Id of a run.")]
ExportPath = Annotated[common.ExportId, Path(alias="xid", description="Id of an export.")]
JobPath = Annotated[common.JobId, Path(alias="job_id", description="Id of a job.")]
UploadPath = Annotated[common.UploadId, Path(alias="upload_id", description="Id of an upload.")]
SplitPath = Annotated[Name, Path(alias="split_name", description="Name of a split.")]
FilenamePath = Annotated[
    str,
    Path(
        alias="filename",
        min_length=1,
        max_length=MAX_FILENAME_LENGTH,
        description="Name of an image as in the list of images. It can contain slashes.",
    ),
    AfterValidator(without_control_characters),
]

# Documented once for every operation; which of them can happen is in the error's code. Named by reference and not as a
# model: of that, FastAPI builds a validator of its own for each status of each route before it answers a first request
# (a thousand, 0.2 s).
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{ErrorEnvelope.__name__}"}}},
    }
    for status, description in {
        401: "The server requires a token and the request has none.",
        403: "The request comes from another site or names another host.",
        404: "There is no object with this id or name.",
        409: "Not possible in the current state.",
        413: "The body is larger than the limit.",
        422: "A value is invalid; details name the fields.",
        500: "An internal error; the server's log has the traceback.",
        503: "The disk cannot be written, or too many streams are open.",
        507: "The disk is full.",
    }.items()
}
