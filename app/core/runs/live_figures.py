"""What runs said last of themselves: progress, resources, what was asked. In memory only, gone with the job."""

from __future__ import annotations

import threading

from app.schemas.events import AnyEvent, EpochFinished, JobProgressed, ResourceStats, TrainProgress
from app.schemas.jobs import JobCommand
from app.schemas.training_results import RunFigures


class LiveFigures:
    """The newest figures of each running job. Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._figures: dict[str, RunFigures] = {}

    def note(self, job_id: str, event: AnyEvent) -> None:
        """Keep what an event says, if it says how far a run is or what it uses."""
        if isinstance(event, TrainProgress):
            self._change(job_id, progress=event)
        elif isinstance(event, ResourceStats):
            self._change(job_id, resources=event)
        elif isinstance(event, JobProgressed):
            self._change(job_id, beside=event if event.done < event.total else None)
        elif isinstance(event, EpochFinished):
            self._change(job_id, beside=None)

    def ask(self, job_id: str, command: JobCommand) -> None:
        """Keep what a job was asked for."""
        self._change(job_id, asked=command)

    def forget(self, job_id: str) -> None:
        """Drop a job that has ended."""
        with self._mutex:
            self._figures.pop(job_id, None)

    def get(self, job_id: str | None) -> RunFigures:
        """Return what is known of a job, nothing of one that does not run."""
        with self._mutex:
            return self._figures.get(job_id or "", RunFigures())

    def _change(self, job_id: str, **changes: object) -> None:
        with self._mutex:
            self._figures[job_id] = self._figures.get(job_id, RunFigures()).model_copy(update=changes)
