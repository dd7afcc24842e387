"""Serves files of the workspace; the type comes from the content, never from the name. Knows no location."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

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
_ONE_RANGE = re.compile(rb"bytes=([0-9]{0,15})-([0-9]{0,15})")
OCTET_STREAM = "application/octet-stream"
# A file up to this size is read before the answer begins, so that one which is removed meanwhile is no broken answer.
_WHOLE_BYTES = 2**20


def document_file(media_type: str) -> dict[int | str, dict[str, Any]]:
    """Return what the documentation of a route says when it answers with a file."""
    return {200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}}


def sniff_content_type(head: bytes) -> str:
    """Return the type of an image by its first 16 bytes, the type of arbitrary bytes for anything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _IMAGE_MAGIC if head.startswith(magic)), OCTET_STREAM)


class StoredFileResponse(FileResponse):
    """A file, whole or one range of it; an invalid range is ignored, as the protocol allows."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        size = self.stat_result.st_size if self.stat_result is not None else 0
        headers = [item for item in scope["headers"] if item[0] != b"range" or _is_range_within(item[1], size)]
        await super().__call__({**scope, "headers": headers}, receive, send)


def serve_file(request: Request, path: Path) -> Response:
    """Return an image or a JSON document to be shown, anything else to be saved; raises NotFoundError.

    Browsers may keep it for themselves, and get 304 when they have it.
    """
    head = _read_head(path)
    is_json = path.suffix == ".json" and head[:1] in (b"{", b"[")
    content_type = "application/json" if is_json else sniff_content_type(head)
    try:
        stat = path.stat()
        stored = StoredFileResponse(path, media_type=content_type, stat_result=stat)
        is_small = stat.st_size <= _WHOLE_BYTES and "range" not in request.headers
        stored.headers["cache-control"] = "private, max-age=0, must-revalidate"
        if stored.headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=_kept_headers(stored))
        response = Response(path.read_bytes(), 200, _kept_headers(stored), content_type) if is_small else stored
    except FileNotFoundError:
        raise _not_there(path) from None
    if content_type == OCTET_STREAM:
        response.headers["content-disposition"] = "attachment"
    return response


def _kept_headers(response: Response) -> dict[str, str]:
    return {name: response.headers[name] for name in ("etag", "cache-control", "last-modified")}


def _not_there(path: Path) -> NotFoundError:
    return NotFoundError(f"The file {path.name!r} does not exist.")


def serve_download(path: Path, filename: str, media_type: str = OCTET_STREAM) -> Response:
    """Return a file to be saved under a name; raises NotFoundError."""
    _read_head(path)
    return StoredFileResponse(path, media_type=media_type, filename=filename, stat_result=path.stat())


def stream_download(pieces: Iterator[str], filename: str, media_type: str) -> Response:
    """Return text to be saved under a name of any script, as it is written."""
    plain = re.sub(r"[^A-Za-z0-9 _.+()-]", "_", filename)
    headers = {"content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"}
    return StreamingResponse(pieces, media_type=media_type, headers=headers)


def _is_range_within(value: bytes, size: int) -> bool:
    match = _ONE_RANGE.fullmatch(value)
    if match is None:
        return False
    first, last = (int(part) if part else None for part in match.groups())
    if first is None:
        return last is not None and last > 0 and size > 0
    return first < size and (last is None or first <= last)


def _read_head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise _not_there(path) from None
