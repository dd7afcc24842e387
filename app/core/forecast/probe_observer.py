"""Keeps what probes measured."""

from __future__ import annotations

from collections.abc import Collection

from app.core.collaborators import Collaborators
from app.core.measurements import keep_measurement
from app.schemas.events import AnyEvent, JobProgressed
from app.schemas.jobs import JobRecord


class ProbeObserver:
    """Observes jobs of the kind `probe`."""

    def __init__(self, shared: Collaborators) -> None:
        self._stores = shared.stores
        shared.scheduler.register("probe", self)

    def on_started(self, job: JobRecord) -> None:
        """Nothing to record: a probe leaves no trace but its measurement."""

    def on_event(self, job: JobRecord, event: AnyEvent) -> bool:
        """Let progress into the project's log and nothing else: a probe is no run."""
        return isinstance(event, JobProgressed)

    def on_finished(self, job: JobRecord) -> None:
        """Keep what was measured."""
        keep_measurement(self._stores, job)

    def recover(self, living_jobs: Collection[str]) -> None:
        """Nothing to repair: a probe has no record of its own."""
