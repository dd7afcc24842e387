"""The table from error codes to HTTP statuses, and the one shape of all error responses. Raises nothing itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from app.api.os_errors import describe_os_error
from app.api.templating import Fragment, render_fragment
from app.core.exceptions import AIStudioError, DocumentError, unusable_document
from app.schemas.envelope import ErrorBody, ErrorEnvelope, FieldProblem
from app.schemas.refusals import explain_refusal

logger = logging.getLogger(__name__)

STATUS_BY_CODE: Mapping[str, int] = {
    "NOT_FOUND": 404,
    "SPLIT_NOT_FOUND": 404,
    "EXPERIMENT_NOT_FOUND": 404,
    "RUN_NOT_FOUND": 404,
    "CHECKPOINT_NOT_FOUND": 404,
    "CONFLICT": 409,
    "TRAINING_IN_PROGRESS": 409,
    "VALIDATION_ERROR": 422,
    "DATASET_NOT_IMPORTED": 422,
    "EXPORT_FORMAT_UNAVAILABLE": 422,
    "GPU_NOT_AVAILABLE": 422,
    "PAYLOAD_TOO_LARGE": 413,
    "INSUFFICIENT_STORAGE": 507,
    "STORAGE_UNAVAILABLE": 503,
    "FORBIDDEN_ORIGIN": 403,
    "UNAUTHORIZED": 401,
    "METHOD_NOT_ALLOWED": 405,
    "REQUEST_TIMEOUT": 408,
    "TOO_MANY_STREAMS": 503,
    "TOO_MANY_CHECKS": 503,
    "INTERNAL_ERROR": 500,
}

# What the framework raises by itself, in the vocabulary above.
_FRAMEWORK_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("VALIDATION_ERROR", "Request validation failed."),
    401: ("UNAUTHORIZED", "A bearer token is required."),
    403: ("FORBIDDEN_ORIGIN", "This request is not allowed."),
    404: ("NOT_FOUND", "This page or address does not exist."),
    405: ("METHOD_NOT_ALLOWED", "This address does not support this HTTP method."),
    413: ("PAYLOAD_TOO_LARGE", "The request is larger than the limit."),
}

_PAGE_TITLES: Mapping[int, str] = {
    404: "Page not found",
    500: "Something went wrong",
    422: "This address is not valid",
    503: "The disk is not available",
    507: "The disk is full",
}

_NOT_AVAILABLE = "This page is not available"
_PROJECT_PAGE = re.compile(r"/projects/[^/]+")
_REFUSED_ADDRESS = "The link has values that this page does not know. Remove them from the address, or go back."

INTERNAL_ERROR = ErrorBody(
    code="INTERNAL_ERROR", message="An internal error occurred. The server's log has the details."
)


# A body can hold a hundred thousand unknown fields; naming them all would take a second and megabytes.
MAX_PROBLEMS = 100


class BodyError(HTTPException):
    """A body that could not be read; passes through the framework's own body parsing unchanged."""

    def __init__(self, code: str, message: str, details: list[FieldProblem] | None = None) -> None:
        super().__init__(STATUS_BY_CODE[code], message)
        self.body = ErrorBody(code=code, message=message, details=details)


class TooManyStreamsError(AIStudioError):
    """As many event streams are open as the settings allow."""

    code = "TOO_MANY_STREAMS"


@dataclass(frozen=True)
class ErrorContext:
    """What the fragment of a failure shows."""

    code: str
    message: str
    problems: Sequence[FieldProblem]


@dataclass(frozen=True)
class ErrorPageContext:
    """Names for `error.html`, the page in place of one that cannot be shown."""

    status: int
    title: str
    message: str
    problems: Sequence[FieldProblem]
    dataset_url: str = ""
    section: str = ""


def error_response(headers: Headers, body: ErrorBody, extra_headers: Mapping[str, str] | None = None) -> Response:
    """Return the failure as JSON, or as HTML for a request with `HX-Request: true`."""
    status = STATUS_BY_CODE[body.code]
    if headers.get("hx-request") == "true":
        return HTMLResponse(render_fragment(error_fragment(body)), status, extra_headers)
    content = ErrorEnvelope(error=body).model_dump_json(exclude_none=True)
    return Response(content, status, extra_headers, media_type="application/json")


def error_fragment(body: ErrorBody) -> Fragment:
    """Return what a request with `HX-Request: true` gets of a failure."""
    problems = body.details if isinstance(body.details, list) else []
    return Fragment("_error.html", ErrorContext(body.code, body.message, problems))


def field_problems(errors: Sequence[Mapping[str, Any]]) -> list[FieldProblem]:
    """Return pydantic's list of errors as field and message, without the refused values; the first of very many."""
    problems = []
    for error in errors[:MAX_PROBLEMS]:
        location = [str(part) for part in error["loc"]]
        is_whole = len(location) == 1 or error["type"] == "json_invalid"
        path = location[:1] if is_whole else location[1:]
        message = explain_refusal(error)
        problems.append(FieldProblem(field=".".join(path), message=message))
    return problems


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error that a route or the framework raises in the one shape."""
    app.add_exception_handler(AIStudioError, _answer_core_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid_request)
    app.add_exception_handler(HTTPException, _answer_framework_error)
    app.add_exception_handler(DocumentError, _answer_document_error)
    app.add_exception_handler(OSError, _answer_os_error)


def answer_failure(request: Request, body: ErrorBody, extra_headers: Mapping[str, str] | None = None) -> Response:
    """Answer a failure: with a page where a person opened one, else in the envelope or its fragment."""
    if not _is_page_request(request):
        return error_response(request.headers, body, extra_headers)
    status = STATUS_BY_CODE[body.code]
    is_without_dataset = body.code == "DATASET_NOT_IMPORTED"  # then the address is right
    title = _NOT_AVAILABLE if is_without_dataset else _PAGE_TITLES.get(status, _NOT_AVAILABLE)
    problems = body.details if isinstance(body.details, list) else []
    # For programs the message stays the same for every refused value; on a page the values say what is wrong.
    message = _REFUSED_ADDRESS if body.code == "VALIDATION_ERROR" and problems else body.message
    found = _PROJECT_PAGE.match(request.url.path)
    dataset_url = f"{found.group()}/dataset" if found is not None and is_without_dataset else ""
    page = Fragment("error.html", ErrorPageContext(status, title, message, problems, dataset_url))
    return HTMLResponse(render_fragment(page), status, extra_headers)


def _is_page_request(request: Request) -> bool:
    is_page = not request.url.path.startswith(("/api/", "/static/", "/openapi.json"))
    is_fragment = request.headers.get("hx-request") == "true"
    return is_page and not is_fragment and "text/html" in request.headers.get("accept", "")


async def _answer_core_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AIStudioError)  # noqa: S101 - registered for this class
    return answer_failure(request, ErrorBody(code=error.code, message=error.message, details=error.details))


async def _answer_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    problems = field_problems(error.errors())
    is_path = any(problem["loc"][0] == "path" for problem in error.errors())
    if is_path and _is_page_request(request):
        return answer_failure(request, ErrorBody(code="NOT_FOUND", message=_FRAMEWORK_ERRORS[404][1]))
    body = ErrorBody(code="VALIDATION_ERROR", message="Request validation failed.", details=problems)
    return answer_failure(request, body)


async def _answer_framework_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    if isinstance(error, BodyError):
        is_unread = error.status_code != STATUS_BY_CODE["VALIDATION_ERROR"]
        return error_response(request.headers, error.body, {"connection": "close"} if is_unread else None)
    code, message = _FRAMEWORK_ERRORS.get(error.status_code, ("INTERNAL_ERROR", INTERNAL_ERROR.message))
    return answer_failure(request, ErrorBody(code=code, message=message), error.headers)


async def _answer_document_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DocumentError)  # noqa: S101 - registered for this class
    return await _answer_core_error(request, unusable_document(error))


async def _answer_os_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)  # noqa: S101 - registered for this class
    body = describe_os_error(error, request.app.state.workspace)
    if body is None:
        raise error
    logger.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return answer_failure(request, body)
