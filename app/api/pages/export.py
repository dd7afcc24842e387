"""Trained models as files for other programs. The page only; rules are in core."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.shell import ProjectShell, page_response, project_shell

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class ExportContext:
    """Names for `export/index.html`."""

    shell: ProjectShell


@router.head("/projects/{pid}/export")
@router.get("/projects/{pid}/export")
def show_export(pid: ProjectPath, studio: StudioDep) -> HTMLResponse:
    """Trained models as files for other programs."""
    shell = project_shell(studio.pages.get_project_page(pid), "export")
    return page_response("export/index.html", ExportContext(shell))
