"""A typed Python client of the REST API: one object per noun, the records of `app.schemas` as answers.

    from app.client import StudioClient

    with StudioClient("http://127.0.0.1:8000") as client:
        print([project.name for project in client.projects.all()])

It speaks HTTP and nothing else: it never imports the server's services or storage.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

import httpx

from app.remote.datasets import Datasets
from app.remote.errors import (
    StudioApiError,
    StudioConnectionError,
    StudioError,
    StudioJobError,
    StudioTimeoutError,
)
from app.remote.experiments import Experiments
from app.remote.folders import Folders
from app.remote.projects import Projects
from app.remote.results import Comparisons, Evaluations, Exports, Predictions
from app.remote.samples import Samples
from app.remote.splits import Splits
from app.remote.sse import StreamEvent
from app.remote.system import Jobs, System, Tasks
from app.remote.transport import Transport
from app.remote.waiting import RETRY_PAUSE_S, Patience
from app.remote.weights import Weights
from app.schemas.experiments import ExperimentRecord
from app.schemas.jobs import JobSummary

__all__ = [
    "DEFAULT_URL",
    "StreamEvent",
    "StudioApiError",
    "StudioClient",
    "StudioConnectionError",
    "StudioError",
    "StudioJobError",
    "StudioTimeoutError",
]

DEFAULT_URL = "http://127.0.0.1:8000"
ACTIVE_STATUSES = {"pending", "training"}


class StudioClient:
    """One server. `token` is needed where the server has one; `transport` replaces the network in tests."""

    def __init__(
        self, base_url: str = DEFAULT_URL, token: str | None = None, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._http = Transport(base_url, token, transport)
        self.base_url = self._http.base_url
        self.projects = Projects(self._http)
        self.datasets = Datasets(self._http)
        self.folders = Folders(self._http)
        self.samples = Samples(self._http)
        self.splits = Splits(self._http)
        self.experiments = Experiments(self._http)
        self.weights = Weights(self._http)
        self.evaluations = Evaluations(self._http)
        self.comparisons = Comparisons(self._http)
        self.exports = Exports(self._http)
        self.predictions = Predictions(self._http)
        self.jobs = Jobs(self._http)
        self.tasks = Tasks(self._http)
        self.system = System(self._http)

    def __enter__(self) -> StudioClient:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every connection."""
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def wait_for_job(
        self,
        job_id: str,
        on_progress: Callable[[JobSummary], None] | None = None,
        *,
        poll_s: float = 0.5,
        timeout_s: float | None = None,
        reconnect_s: float = 60.0,
    ) -> JobSummary:
        """Wait until a job has completed; a restart of the server in between does no harm.

        Raises StudioJobError when it ended otherwise, StudioTimeoutError after `timeout_s`.
        """
        return self.jobs.wait(job_id, on_progress, poll_s=poll_s, timeout_s=timeout_s, reconnect_s=reconnect_s)

    def follow_training(
        self,
        project_id: str,
        experiment_id: str,
        on_event: Callable[[StreamEvent], None] | None = None,
        *,
        timeout_s: float | None = None,
        reconnect_s: float = 60.0,
    ) -> ExperimentRecord:
        """Follow a run to its end and return the experiment, whatever the end was.

        `on_event` gets every event of the training stream once: a broken connection, or a server that was started
        again, goes on after the last event that arrived.
        """
        patience = Patience(timeout_s, reconnect_s, f"The training of {experiment_id}")
        reader = _StreamReader(self.experiments, on_event, patience)
        was_over = False
        while True:
            try:
                has_seen_end = reader.read(project_id, experiment_id)
            except StudioConnectionError as error:
                patience.lost(error)
                patience.check()
                continue
            record = patience.ask(lambda: self.experiments.get(project_id, experiment_id))
            is_over = record.status not in ACTIVE_STATUSES
            # A server that stops ends its streams early: what came after is read before the end is believed.
            if is_over and (has_seen_end or was_over):
                return record
            was_over = is_over
            patience.check()
            patience.pause(RETRY_PAUSE_S)


class _StreamReader:
    """Reads a training stream over one connection after another, from where the last one ended."""

    def __init__(
        self, experiments: Experiments, on_event: Callable[[StreamEvent], None] | None, patience: Patience
    ) -> None:
        self._experiments = experiments
        self._on_event = on_event
        self._patience = patience
        self._last_id: str | None = None

    def read(self, project_id: str, experiment_id: str) -> bool:
        """Read until the stream ends or the run pauses; returns whether it said that the run is over."""
        has_seen_end = False
        for event in self._experiments.stream(project_id, experiment_id, self._last_id):
            self._patience.heard()
            self._last_id = event.id or self._last_id
            has_seen_end = has_seen_end or event.event == "complete"
            if self._on_event:
                self._on_event(event)
            if event.event == "status" and event.data.get("status") == "paused":
                return True  # the stream stays open for a resumption that may never come
            self._patience.check()
        return has_seen_end
