"""The runs of a project that wait for a device, and their order."""

from __future__ import annotations

from app.core.announcing import announce
from app.core.collaborators import Collaborators
from app.core.exceptions import RunNotFoundError
from app.schemas.events import QueueChanged
from app.schemas.experiments import QueueEntry, QueueList


class RunQueueService:
    """Lists the runs that wait and moves them."""

    def __init__(self, shared: Collaborators) -> None:
        self._lookup = shared.lookup
        self._bus = shared.bus
        self._scheduler = shared.scheduler

    def list_queue(self, project_id: str) -> QueueList:
        """Return the runs of a project that wait, in their order."""
        self._lookup.find_project(project_id)
        entries: list[QueueEntry] = []
        for job in self._scheduler.list_queue(project_id, "train"):
            record = self._lookup.find_experiment(project_id, job.subject["experiment_id"])
            entries.append(
                QueueEntry(
                    run_id=job.subject["run_id"],
                    experiment_id=record.id,
                    experiment_name=record.name,
                    job_id=job.id,
                    position=len(entries),
                    created_at=job.created_at,
                )
            )
        return QueueList(queue=entries)

    def move_in_queue(self, project_id: str, run_id: str, position: int) -> QueueList:
        """Give a waiting run another place among the runs of its project; raises RunNotFoundError."""
        self._lookup.find_project(project_id)
        for job in self._scheduler.list_queue(project_id, "train"):
            if job.subject["run_id"] == run_id:
                self._scheduler.move(job.id, position)
                queue = self.list_queue(project_id)
                announce(self._bus, project_id, QueueChanged(run_ids=[entry.run_id for entry in queue.queue]))
                return queue
        msg = f"The run {run_id} is not in the queue."
        raise RunNotFoundError(msg)
