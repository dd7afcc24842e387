"""Pretrained weights over REST."""

from __future__ import annotations

from pathlib import Path

from app.remote.transport import Transport, join_path
from app.schemas.run_checks import WeightsFileState, WeightsList
from app.typed_paths import read_typed_path


class Weights:
    """What `/api/weights` offers."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def all(self) -> WeightsList:
        """Return the weights folder of the server, and which published weights are in it."""
        return self._http.get(WeightsList, join_path("weights"))

    def add(self, file: Path | str) -> WeightsFileState:
        """Send a file of published weights; its content says which one it is, whatever its name."""
        path = read_typed_path(str(file), is_relative_allowed=True)
        with path.open("rb") as content:
            parts = [("file", (path.name, content, "application/octet-stream"))]
            return self._http.upload(WeightsFileState, join_path("weights"), parts, {})
