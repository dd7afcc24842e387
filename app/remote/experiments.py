"""Experiments and their runs over REST: create, train, command, read, follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from app.remote.sse import StreamEvent
from app.remote.system import Jobs
from app.remote.transport import Transport, drop_none, join_path
from app.schemas.experiments import (
    ExperimentDeleted,
    ExperimentList,
    ExperimentRecord,
    LogChunk,
    MetricsRecord,
    QueueEntry,
    QueueList,
    RunList,
    RunRecord,
    RunStarted,
)
from app.schemas.forecasts import ForecastView
from app.schemas.jobs import JobSummary
from app.schemas.run_checks import RunCheckList


class Experiments:
    """What `/api/training` offers."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport

    def all(self, project_id: str) -> Sequence[ExperimentRecord]:
        """Return the experiments of a project."""
        return self._http.get(ExperimentList, join_path("training", project_id, "experiments")).experiments

    def get(self, project_id: str, experiment_id: str) -> ExperimentRecord:
        """Return one experiment."""
        return self._http.get(ExperimentRecord, _path(project_id, experiment_id))

    def create(self, project_id: str, name: str, split_name: str, **settings: Any) -> ExperimentRecord:
        """Create an experiment.

        `settings` as in `app.schemas.experiments.ExperimentCreate`: description, model, hyperparameters,
        augmentations, hardware. What is left out takes the task's default.
        """
        body = {"name": name, "split_name": split_name, **drop_none(settings)}
        return self._http.send("POST", ExperimentRecord, join_path("training", project_id, "experiments"), json=body)

    def update(self, project_id: str, experiment_id: str, **changes: Any) -> ExperimentRecord:
        """Change an experiment: objects are merged by key, lists replaced."""
        return self._http.send("PATCH", ExperimentRecord, _path(project_id, experiment_id), json=changes)

    def delete(self, project_id: str, experiment_id: str) -> ExperimentDeleted:
        """Delete an experiment with its runs and its evaluation."""
        return self._http.send("DELETE", ExperimentDeleted, _path(project_id, experiment_id))

    def read_forecast(self, project_id: str, experiment_id: str) -> ForecastView:
        """Return what is known of the time, memory and disk that a run would take; starts nothing."""
        return self._http.get(ForecastView, _path(project_id, experiment_id, "forecast"))

    def forecast(
        self,
        project_id: str,
        experiment_id: str,
        *,
        wait: bool = True,
        on_progress: Callable[[JobSummary], None] | None = None,
        timeout_s: float | None = None,
    ) -> ForecastView:
        """Return a measured forecast of a run; where there is none, queue a probe of a few steps and wait for it.

        Without `wait` the answer may name a `job_id` to wait for. Raises StudioJobError when the probe fails,
        StudioTimeoutError after `timeout_s`.
        """
        view = self._http.send("POST", ForecastView, _path(project_id, experiment_id, "forecast"))
        if view.job_id is None or not wait:
            return view
        Jobs(self._http).wait(view.job_id, on_progress, timeout_s=timeout_s)
        return self.read_forecast(project_id, experiment_id)

    def train(self, project_id: str, experiment_id: str) -> RunStarted:
        """Queue a run."""
        return self._command(project_id, experiment_id, "train")

    def checks(self, project_id: str, experiment_id: str, changes: Mapping[str, Any] | None = None) -> RunCheckList:
        """Return what will go wrong in a run and how to fix it; with changes as if they had been saved."""
        path = _path(project_id, experiment_id, "checks")
        if changes is None:
            return self._http.get(RunCheckList, path)
        return self._http.send("POST", RunCheckList, path, json={"changes": dict(changes)})

    def train_more(self, project_id: str, experiment_id: str, epochs: int | None = None) -> RunStarted:
        """Continue a completed experiment as a fork from its last checkpoint; the answer names the fork."""
        return self._command(project_id, experiment_id, "more", drop_none({"epochs": epochs}))

    def stop(self, project_id: str, experiment_id: str, *, keep: bool = False) -> RunStarted:
        """Cancel the run; with keep it ends as completed on the best checkpoint so far."""
        return self._command(project_id, experiment_id, "stop", {"keep": keep})

    def pause(self, project_id: str, experiment_id: str) -> RunStarted:
        """Pause the run at a checkpoint."""
        return self._command(project_id, experiment_id, "pause")

    def resume(self, project_id: str, experiment_id: str) -> RunStarted:
        """Go on with a paused, failed or interrupted run where its last checkpoint ends."""
        return self._command(project_id, experiment_id, "resume")

    def restart(self, project_id: str, experiment_id: str) -> ExperimentRecord:
        """Set an experiment back to created."""
        return self._http.send("POST", ExperimentRecord, _path(project_id, experiment_id, "restart"))

    def fork(
        self,
        project_id: str,
        experiment_id: str,
        name: str,
        *,
        checkpoint: str = "best",
        changes: Mapping[str, Any] | None = None,
    ) -> ExperimentRecord:
        """Create an experiment that starts from the weights of this one."""
        body = {"name": name, "checkpoint": checkpoint, "changes": dict(changes or {})}
        return self._http.send("POST", ExperimentRecord, _path(project_id, experiment_id, "fork"), json=body)

    def duplicate(self, project_id: str, experiment_id: str, name: str | None = None) -> ExperimentRecord:
        """Create an experiment with the same settings."""
        body = drop_none({"name": name})
        return self._http.send("POST", ExperimentRecord, _path(project_id, experiment_id, "duplicate"), json=body)

    def metrics(self, project_id: str, experiment_id: str) -> MetricsRecord:
        """Return the epochs of the current run."""
        return self._http.get(MetricsRecord, _path(project_id, experiment_id, "metrics"))

    def runs(self, project_id: str, experiment_id: str) -> Sequence[RunRecord]:
        """Return the runs of an experiment, newest first."""
        return self._http.get(RunList, _path(project_id, experiment_id, "runs")).runs

    def logs(self, project_id: str, experiment_id: str, offset: int = 0) -> LogChunk:
        """Return a piece of the current run's log from a byte offset on."""
        return self._http.get(LogChunk, _path(project_id, experiment_id, "logs"), {"offset": offset})

    def queue(self, project_id: str) -> Sequence[QueueEntry]:
        """Return the runs that wait, the next one first."""
        return self._http.get(QueueList, join_path("training", project_id, "queue")).queue

    def move_in_queue(self, project_id: str, run_id: str, position: int) -> Sequence[QueueEntry]:
        """Move a waiting run; 0 is next."""
        path = join_path("training", project_id, "queue", run_id, "move")
        return self._http.send("POST", QueueList, path, json={"position": position}).queue

    def stream(self, project_id: str, experiment_id: str, last_event_id: str | None = None) -> Iterator[StreamEvent]:
        """Yield the events of the training stream over one connection; `client.follow_training` reconnects."""
        return self._http.events(_path(project_id, experiment_id, "stream"), last_event_id)

    def _command(
        self, project_id: str, experiment_id: str, command: str, body: Mapping[str, Any] | None = None
    ) -> RunStarted:
        return self._http.send("POST", RunStarted, _path(project_id, experiment_id, command), json=body)


def _path(project_id: str, experiment_id: str, *parts: str) -> str:
    return join_path("training", project_id, "experiments", experiment_id, *parts)
