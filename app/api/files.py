"""Answers with files from the workspace: the type by content, never by name. Decides no location."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.responses import FileResponse, Response

from app.core.exceptions import NotFoundError

_IMAGE_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
OCTET_STREAM = "application/octet-stream"


def document_file(media_type: str) -> dict[int | str, dict[str, Any]]:
    """Return what the documentation of a route says when it answers with a file."""
    return {200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}}


def sniff_content_type(head: bytes) -> str:
    """Return the type of an image by its first 16 bytes; anything else is bytes to be saved."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _IMAGE_MAGIC if head.startswith(magic)), OCTET_STREAM)


def serve_file(request: Request, path: Path) -> Response:
    """Return an image or a JSON document to be shown, anything else to be saved; raises NotFoundError.

    Browsers may keep it for themselves, and get 304 when they have it.
    """
    head = _read_head(path)
    is_json = path.suffix == ".json" and head[:1] in (b"{", b"[")
    content_type = "application/json" if is_json else sniff_content_type(head)
    response = FileResponse(path, media_type=content_type, stat_result=path.stat())
    response.headers["cache-control"] = "private, max-age=0, must-revalidate"
    if content_type == OCTET_STREAM:
        response.headers["content-disposition"] = "attachment"
    if response.headers["etag"] in request.headers.get("if-none-match", ""):
        kept = {name: response.headers[name] for name in ("etag", "cache-control", "last-modified")}
        return Response(status_code=304, headers=kept)
    return response


def serve_download(path: Path, filename: str, media_type: str = OCTET_STREAM) -> Response:
    """Return a file to be saved under a name; raises NotFoundError."""
    _read_head(path)
    return FileResponse(path, media_type=media_type, filename=filename, stat_result=path.stat())


def _read_head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        msg = f"The file {path.name!r} is not there."
        raise NotFoundError(msg) from None
