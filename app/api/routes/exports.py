"""Exports and their files over HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.dependencies import ExportPath, ProjectPath, StudioDep
from app.api.files import OCTET_STREAM, document_file, serve_download
from app.api.json_body import StrictRoute
from app.api.pages.export.content import export_content_fragment
from app.api.present import present
from app.core.studio import Studio
from app.schemas.envelope import Ok
from app.schemas.export import (
    ExportDeleted,
    ExportFormatList,
    ExportList,
    ExportRecord,
    ExportRequest,
    ParityCertificate,
)

router = APIRouter(prefix="/api/export", tags=["Export"], route_class=StrictRoute)


@router.get("/formats", response_model=Ok[ExportFormatList], summary="List the formats of an export")
def list_formats(request: Request, studio: StudioDep) -> Response:
    """Formats that cannot be used state the reason."""
    return present(request, studio.exports.list_formats())


@router.get("/{pid}", response_model=Ok[ExportList], summary="List exports")
def list_exports(request: Request, pid: ProjectPath, studio: StudioDep) -> Response:
    """The exports of a project."""
    exports = studio.exports.list_exports(pid)
    return present(request, exports, lambda: export_content_fragment(pid, studio.export_pages.get_page(pid)))


@router.post("/{pid}", response_model=Ok[ExportRecord], summary="Export a model")
def create_export(request: Request, pid: ProjectPath, body: ExportRequest, studio: StudioDep) -> Response:
    """Runs as a job. It completes only if the file gives the same predictions as the model."""
    return _present_export(request, studio, pid, studio.exports.create_export(pid, body))


@router.get("/{pid}/{xid}", response_model=Ok[ExportRecord], summary="Get an export")
def get_export(request: Request, pid: ProjectPath, xid: ExportPath, studio: StudioDep) -> Response:
    """Its state, and the short form of its certificate."""
    return _present_export(request, studio, pid, studio.exports.get_export(pid, xid))


@router.delete("/{pid}/{xid}", response_model=Ok[ExportDeleted], summary="Delete an export")
def delete_export(request: Request, pid: ProjectPath, xid: ExportPath, studio: StudioDep) -> Response:
    """Also deletes its files."""
    return present(request, studio.exports.delete_export(pid, xid))


@router.head("/{pid}/{xid}/download", include_in_schema=False)
@router.get(
    "/{pid}/{xid}/download",
    response_class=Response,
    responses=document_file(OCTET_STREAM),
    summary="Download the exported model",
)
def download_model(pid: ProjectPath, xid: ExportPath, studio: StudioDep) -> Response:
    """The model file alone."""
    path = studio.exports.model_path(pid, xid)
    return serve_download(path, path.name)


@router.head("/{pid}/{xid}/bundle", include_in_schema=False)
@router.get(
    "/{pid}/{xid}/bundle",
    response_class=Response,
    responses=document_file("application/zip"),
    summary="Download the bundle of an export",
)
def download_bundle(pid: ProjectPath, xid: ExportPath, studio: StudioDep) -> Response:
    """A zip file with the model, labels, certificate, sample images with predictions, and a script to run it."""
    return serve_download(studio.exports.bundle_path(pid, xid), f"{xid}.zip", "application/zip")


@router.get("/{pid}/{xid}/parity", response_model=Ok[ParityCertificate], summary="Get the certificate of an export")
def get_certificate(request: Request, pid: ProjectPath, xid: ExportPath, studio: StudioDep) -> Response:
    """How far the exported file differs from the model, image by image."""
    certificate = studio.exports.read_certificate(pid, xid)
    return present(request, certificate, lambda: export_content_fragment(pid, studio.export_pages.get_page(pid, xid)))


def _present_export(request: Request, studio: Studio, pid: str, record: ExportRecord) -> Response:
    return present(request, record, lambda: export_content_fragment(pid, studio.export_pages.get_page(pid, record.id)))
