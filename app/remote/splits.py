"""Splits over REST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.remote.transport import Transport, join_path
from app.schemas.splits import SplitDeleted, SplitInfo, SplitList, SplitPreview

DEFAULT_RATIOS: Mapping[str, float] = {"train": 0.7, "val": 0.15, "test": 0.15}


class Splits:
    """What `/api/splits` offers. Ratios are {train, val, test} and sum to 1."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def all(self, project_id: str) -> Sequence[SplitInfo]:
        """Return the splits of a project's dataset."""
        return self._http.get(SplitList, join_path("splits", project_id)).splits

    def get(self, project_id: str, name: str) -> SplitInfo:
        """Return one split."""
        return self._http.get(SplitInfo, join_path("splits", project_id, name))

    def preview(self, project_id: str, ratios: Mapping[str, float] = DEFAULT_RATIOS, seed: int = 42) -> SplitPreview:
        """Preview a split without creating it."""
        body = {"ratios": dict(ratios), "seed": seed}
        return self._http.send("POST", SplitPreview, join_path("splits", project_id, "preview"), json=body)

    def create(
        self, project_id: str, name: str, ratios: Mapping[str, float] = DEFAULT_RATIOS, seed: int = 42
    ) -> SplitInfo:
        """Create a split; it never changes afterwards."""
        body = {"name": name, "ratios": dict(ratios), "seed": seed}
        return self._http.send("POST", SplitInfo, join_path("splits", project_id), json=body)

    def delete(self, project_id: str, name: str) -> SplitDeleted:
        """Delete a split; the answer names the experiments that used it."""
        return self._http.send("DELETE", SplitDeleted, join_path("splits", project_id, name))
