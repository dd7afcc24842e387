"""The reference of the API as a page, made from the same document that tools read."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from app.api.errors import STATUS_BY_CODE
from app.api.pages.reference.openapi_view import Group, Schema, list_groups, list_schemas
from app.api.templating import Fragment, render_fragment

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class ErrorCode:
    """A code and the status that it comes with."""

    code: str
    status: int


@dataclass(frozen=True)
class ReferenceContext:
    """Names for `reference/index.html`."""

    version: str
    groups: list[Group]
    num_schemas: int
    error_codes: list[ErrorCode]
    section: str = "docs"


@dataclass(frozen=True)
class SchemasContext:
    """Names for `reference/schemas.html`."""

    schemas: list[Schema]
    section: str = "docs"


@router.head("/docs")
@router.get("/docs")
def show_reference(request: Request) -> HTMLResponse:
    """Every route, by subject."""
    document = request.app.openapi()
    codes = [ErrorCode(code, status) for code, status in sorted(STATUS_BY_CODE.items(), key=lambda item: item[1])]
    num_schemas = len(list_schemas(document))
    context = ReferenceContext(document["info"]["version"], list_groups(document), num_schemas, codes)
    return HTMLResponse(render_fragment(Fragment("reference/index.html", context)))


@router.head("/docs/schemas")
@router.get("/docs/schemas")
def show_schemas(request: Request) -> HTMLResponse:
    """Every object that requests and answers hold. A page of its own, so that the routes come fast."""
    context = SchemasContext(list_schemas(request.app.openapi()))
    return HTMLResponse(render_fragment(Fragment("reference/schemas.html", context)))
