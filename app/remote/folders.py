"""Folders of the server's machine over REST."""

from __future__ import annotations

from pathlib import Path

from app.remote.transport import Transport, join_path
from app.schemas.folders import FolderListing


class Folders:
    """What `/api/folders` offers."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def get(self, path: Path | str | None = None) -> FolderListing:
        """Return what lies in a folder of the server's machine; without a path, in the first folder it allows."""
        return self._http.get(FolderListing, join_path("folders"), {"path": str(path) if path is not None else None})
