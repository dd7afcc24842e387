"""Sample projects over REST."""

from __future__ import annotations

from collections.abc import Sequence

from app.remote.transport import Transport, join_path
from app.schemas.samples import SampleInfo, SampleList, SampleStarted


class Samples:
    """What `/api/samples` offers."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def all(self) -> Sequence[SampleInfo]:
        """Return the tasks that have a sample."""
        return self._http.get(SampleList, join_path("samples")).samples

    def create(self, task: str) -> SampleStarted:
        """Create a project with the sample of a task; wait for the job that is returned."""
        return self._http.send("POST", SampleStarted, join_path("samples", task))
