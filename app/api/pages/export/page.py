"""Trained models as files for other programs. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.address_fields import EmptyIsNone
from app.api.pages.export.content import (
    ExportContent,
    export_content_fragment,
    export_form_fragment,
    export_model_fragment,
    export_progress_fragment,
    make_content,
)
from app.api.pages.shell import ProjectShell, page_response, project_shell
from app.api.templating import render_fragment
from app.schemas.common import ExperimentId, ExportId

router = APIRouter(include_in_schema=False)
SelectedExport = Annotated[ExportId | None, Query(alias="export"), EmptyIsNone]
OfferedExperiment = Annotated[ExperimentId | None, Query(alias="experiment"), EmptyIsNone]


@dataclass(frozen=True)
class ExportContext:
    """Names for `export/index.html`. `form_url` gives the form; `is_form_open` where the address asked for it."""

    shell: ProjectShell
    content: ExportContent
    form_url: str
    is_form_open: bool


@router.head("/projects/{pid}/export")
@router.get("/projects/{pid}/export")
def show_export(
    pid: ProjectPath, studio: StudioDep, export: SelectedExport = None, experiment: OfferedExperiment = None
) -> HTMLResponse:
    """Trained models as files for other programs. With `experiment` the form opens with that one."""
    shell = project_shell(studio.pages.get_project_page(pid), "export")
    page = studio.export_pages.get_page(pid, export)
    form_url = f"/projects/{pid}/export/export-form" + (f"?experiment={experiment}" if experiment else "")
    is_form_open = experiment is not None and page.can_export
    return page_response("export/index.html", ExportContext(shell, make_content(pid, page), form_url, is_form_open))


@router.get("/projects/{pid}/export/export-form")
def show_form(pid: ProjectPath, studio: StudioDep, experiment: OfferedExperiment = None) -> HTMLResponse:
    """What can be exported, and how."""
    return HTMLResponse(render_fragment(export_form_fragment(pid, studio.export_pages.get_offer(pid, experiment))))


@router.get("/projects/{pid}/export/export-content")
def show_content(pid: ProjectPath, studio: StudioDep, export: SelectedExport = None) -> HTMLResponse:
    """The list and what is selected of it."""
    return HTMLResponse(render_fragment(export_content_fragment(pid, studio.export_pages.get_page(pid, export))))


@router.get("/projects/{pid}/export/export-progress")
def show_progress(pid: ProjectPath, studio: StudioDep, export: Annotated[ExportId, Query()]) -> HTMLResponse:
    """How far one export is."""
    record, progress = studio.export_pages.get_progress(pid, export)
    return HTMLResponse(render_fragment(export_progress_fragment(pid, record, progress)))


@router.get("/projects/{pid}/export/export-model")
def show_model(pid: ProjectPath, studio: StudioDep, experiment_id: Annotated[ExperimentId, Query()]) -> HTMLResponse:
    """What can be exported of one experiment."""
    return HTMLResponse(render_fragment(export_model_fragment(studio.export_pages.get_model(pid, experiment_id))))
