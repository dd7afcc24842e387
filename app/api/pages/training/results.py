"""The results column of the training page: a run in each state, its queue, its log. Rules are in core."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import FileResponse, HTMLResponse

from app.api.dependencies import ProjectPath, StudioDep
from app.api.pages.address_fields import EmptyIsNone
from app.api.pages.forms import FormField, Option, fields_from_schema
from app.api.pages.run_words import (
    SHORT_S,
    compare_with_forecast,
    explain_end,
    show_duration,
    show_metrics,
    show_size,
    show_time,
    titles_of,
)
from app.api.pages.training.actions import ActionView, list_actions
from app.api.pages.training.curves import RunCharts, draw_charts
from app.api.pages.training.progress import LiveView, QueueRow, describe_live, describe_queue, describe_wait
from app.api.pages.training.record import RunRecordView, describe_record
from app.api.templating import Fragment, render_fragment
from app.plurals import count
from app.schemas import common
from app.schemas.common import seconds_between
from app.schemas.experiments import LogChunk, RunRecord
from app.schemas.names import add_suffix
from app.schemas.training_results import TrainingResults

router = APIRouter(include_in_schema=False)
ExperimentQuery = Annotated[common.ExperimentId, Query(alias="experiment", description="Id of an experiment.")]
RunQuery = Annotated[
    common.RunId | None,
    Query(alias="run", description="Id of a run; without it the current one."),
    EmptyIsNone,
]
LOG_TAIL_BYTES = 96 * 1024
FORK_FIELDS = ("learning_rate", "max_epochs", "warmup_epochs", "early_stopping_patience")


@dataclass(frozen=True)
class RunRow:
    """A run in the list of runs."""

    id: str
    number: int
    status: str
    is_current: bool
    started: str
    took: str
    best: str
    log_url: str


@dataclass(frozen=True)
class ForkForm:
    """The dialog that makes a fork."""

    url: str
    name: str
    checkpoints: tuple[Option, ...]
    fields: tuple[FormField, ...]


@dataclass(frozen=True)
class ResultsView:
    """Everything that `_training_results.html` shows, and what its script needs to follow the run."""

    url: str
    project_id: str
    experiment_id: str
    run_id: str
    job_id: str
    seq: int
    status: str
    best_epoch: int | None
    monitored_metric: str
    monitored_direction: str
    title: str
    explanation: str
    advice: str
    traceback: str
    facts: tuple[tuple[str, str], ...]
    metrics: tuple[tuple[str, str], ...]
    best_metrics: tuple[tuple[str, str], ...]
    checkpoints: tuple[tuple[str, str, str], ...]
    recoveries: tuple[str, ...]
    copies: str
    skipped_title: str
    skipped_advice: str
    skipped: tuple[tuple[str, str], ...]
    actions: tuple[ActionView, ...]
    live: LiveView | None
    wait: str
    queue: tuple[QueueRow, ...]
    charts: RunCharts | None
    record: RunRecordView | None
    fork: ForkForm | None
    runs: tuple[RunRow, ...]
    log_api: str
    log_url: str
    log_offset: int
    has_log: bool
    is_log_open: bool


@dataclass(frozen=True)
class TrainingResultsContext:
    """Names for `_training_results.html`; a page that includes it has `results` among its own."""

    results: ResultsView


@dataclass(frozen=True)
class LogContext:
    """Names for `training/_run_log.html`."""

    text: str
    next_offset: int


def training_results_fragment(results: TrainingResults) -> Fragment:
    """Return the column without the page around it."""
    return Fragment("training/_training_results.html", TrainingResultsContext(results_view(results)))


def run_log_fragment(chunk: LogChunk) -> Fragment:
    """Return a piece of a log."""
    return Fragment("training/_run_log.html", LogContext(chunk.text, chunk.next_offset))


@router.head("/projects/{pid}/training/training-results")
@router.get("/projects/{pid}/training/training-results")
def show_training_results(pid: ProjectPath, experiment: ExperimentQuery, studio: StudioDep) -> HTMLResponse:
    """The results of one experiment, as a fragment."""
    results = studio.training_results.get_results(pid, experiment)
    return HTMLResponse(render_fragment(training_results_fragment(results)))


@router.head("/projects/{pid}/training/log")
@router.get("/projects/{pid}/training/log")
def download_log(
    pid: ProjectPath, experiment: ExperimentQuery, studio: StudioDep, run: RunQuery = None
) -> FileResponse:
    """The whole log of a run as a file."""
    path = studio.run_logs.find_log(pid, experiment, run)
    return FileResponse(path, media_type="text/plain; charset=utf-8", filename=f"{run or experiment}-training.log")


def results_view(results: TrainingResults) -> ResultsView:
    """Return what the column shows."""
    experiment, run = results.experiment, results.run
    titles = titles_of(results.metrics)
    is_ended = experiment.status in {"failed", "interrupted", "cancelled", "paused"}
    explanation, advice = "", ""
    if is_ended:
        can_resume = "resume" not in results.reasons
        explanation, advice = explain_end(
            experiment, run, can_resume, results.log_bytes > 0, "last" in results.checkpoints
        )
    has_curve = run is not None and (bool(results.epochs) or experiment.status == "training")
    query = f"experiment={experiment.id}"
    return ResultsView(
        url=f"/projects/{results.project_id}/training/training-results?{query}",
        project_id=results.project_id,
        experiment_id=experiment.id,
        run_id=run.id if run else "",
        job_id=(run.job_id or "") if run else "",
        seq=results.seq,
        status=experiment.status,
        best_epoch=results.best_epoch,
        monitored_metric=results.monitored_metric,
        monitored_direction=results.monitored_direction,
        title=experiment.name,
        explanation=explanation,
        advice=advice,
        traceback=experiment.error.traceback if experiment.error and is_ended else "",
        facts=_list_facts(results),
        metrics=show_metrics(experiment.final_metrics, titles),
        best_metrics=show_metrics(results.best_metric, titles),
        checkpoints=tuple((name, info.moment, show_size(info.size_mb)) for name, info in results.checkpoints.items()),
        copies=_explain_copies(results.num_val_copies),
        recoveries=tuple(f"In epoch {item.epoch}: {item.message}" for item in run.recoveries) if run else (),
        skipped_title=_title_skipped(run),
        skipped_advice=_advise_skipped(run),
        skipped=tuple(
            (item.get("source_name", item.get("filename", "")), item.get("message", "")) for item in run.skipped
        )
        if run
        else (),
        actions=list_actions(results),
        live=describe_live(results) if experiment.status == "training" else None,
        wait=describe_wait(results) if experiment.status == "pending" else "",
        queue=describe_queue(results),
        charts=draw_charts(results) if has_curve else None,
        record=describe_record(results.config, run) if run else None,
        fork=_fork_form(results) if results.checkpoints and "fork" not in results.reasons else None,
        runs=tuple(_describe_runs(results, titles)),
        log_api=f"/api/training/{results.project_id}/experiments/{experiment.id}/logs",
        log_url=f"/projects/{results.project_id}/training/log?{query}",
        log_offset=max(0, results.log_bytes - LOG_TAIL_BYTES),
        has_log=run is not None and (results.log_bytes > 0 or experiment.status in {"pending", "training"}),
        is_log_open=experiment.status in {"training", "failed", "interrupted"},
    )


def _explain_copies(number: int) -> str:
    if not number:
        return ""
    what = (
        "1 validation image is identical to a training image"
        if number == 1
        else (f"{number:,} validation images are identical to training images")
    )
    return f"{what}: the validation metrics may be too good. Create a new split to keep identical images together."


def _list_facts(results: TrainingResults) -> tuple[tuple[str, str], ...]:
    experiment, run = results.experiment, results.run
    if experiment.status == "created":
        counts = [
            (name, results.num_images.get(key, 0)) for name, key in (("Training", "train"), ("Validation", "val"))
        ]
        images = [(f"{name} images", f"{count:,}") for name, count in counts] if results.num_images else []
        epochs = [("Max epochs", str(experiment.hyperparameters.get("max_epochs", "")))]
        return (*images, *epochs, ("Device", ", ".join(experiment.hardware.selected_devices)))
    facts: list[tuple[str, str]] = []
    if run is None or experiment.status in {"pending", "training"} or not results.epochs:
        return tuple(facts)
    facts.append(("Epochs trained", _describe_epochs(results)))
    if experiment.best_epoch is not None:
        facts.append(("Best epoch", str(experiment.best_epoch)))
    took_s = _find_duration(run)
    if took_s is not None:
        is_part = bool(run.resumed_count) and run.first_started_at is None  # of an earlier version
        facts.append(("Duration since resuming" if is_part else "Duration", show_duration(took_s)))
        if run.forecast_s is not None and experiment.status == "completed" and not run.resumed_count:
            facts.append(("Forecast", _compare_with_forecast(results, took_s, run.forecast_s)))
    return tuple(facts)


def _describe_epochs(results: TrainingResults) -> str:
    """Return how many epochs were trained, and how many of them the last checkpoint lacks."""
    done, last = len(results.epochs), results.checkpoints.get("last")
    if results.experiment.status == "completed" or last is None or last.epoch >= done:
        return str(done)
    return f"{done}, of which {last.epoch} {'is' if last.epoch == 1 else 'are'} saved in the last checkpoint"


def _compare_with_forecast(results: TrainingResults, took_s: float, forecast_s: float) -> str:
    """Compare with the forecast; a run that ended early took less because it had fewer epochs, not by its speed."""
    planned, done = int(results.experiment.hyperparameters.get("max_epochs", 0)), len(results.epochs)
    if done < planned and forecast_s >= SHORT_S:
        return f"{show_duration(forecast_s)} for {planned:,} epochs. The run ended after {count(done, 'epoch')}."
    return compare_with_forecast(took_s, forecast_s)


def _find_duration(run: RunRecord) -> float | None:
    """Return how long a run was trained, without the time between its parts; None where no end is recorded."""
    if run.completed_at is None or (run.started_at is None and not run.earlier_s):
        return None
    return run.earlier_s + seconds_between(run.started_at, run.completed_at)


def _title_skipped(run: RunRecord | None) -> str:
    if run is None or not run.skipped_images:
        return ""
    if run.skipped_images == 1:
        return "1 image was skipped because it cannot be read"
    return f"{run.skipped_images:,} images were skipped because they cannot be read"


def _advise_skipped(run: RunRecord | None) -> str:
    if run is not None and run.skipped_images == 1:
        return "Training continued without it. Repair or replace the file, then import it again."
    return "Training continued without them. Repair or replace the files, then import them again."


def _fork_form(results: TrainingResults) -> ForkForm:
    experiment = results.experiment
    values = experiment.hyperparameters
    fields = fields_from_schema(results.hyperparameter_schema, values, "changes.hyperparameters")
    chosen = {f"changes.hyperparameters.{name}" for name in FORK_FIELDS}
    return ForkForm(
        url=f"/api/training/{results.project_id}/experiments/{experiment.id}/fork",
        name=add_suffix(experiment.name, " fork"),
        checkpoints=_offer_checkpoints(results),
        fields=tuple(dataclasses.replace(item, default=item.value) for item in fields if item.name in chosen),
    )


def _offer_checkpoints(results: TrainingResults) -> tuple[Option, ...]:
    """Return what a fork can start from.

    The epoch of a checkpoint counts those that were finished, so the last one can be later than the best one of the
    same epoch; at the end of a run both hold the same weights and are one choice.
    """
    found = results.checkpoints
    best, last = found.get("best"), found.get("last")
    texts = {name: f"{name.capitalize()}, {info.moment}" for name, info in found.items()}
    if best and last and best.moment == last.moment:
        if last.epoch >= int(results.experiment.hyperparameters.get("max_epochs", 0)):
            return (Option("best", f"Best and last, {best.moment}"),)
        texts["last"] = f"Last, {last.moment} or within epoch {last.epoch + 1}"
    return tuple(Option(name, text) for name, text in texts.items())


def _describe_runs(results: TrainingResults, titles: dict[str, str]) -> list[RunRow]:
    experiment = results.experiment
    address = f"/projects/{results.project_id}/training/log?experiment={experiment.id}&run="
    rows = []
    for place, run in enumerate(results.runs):
        best = ", ".join(f"{name} {value}" for name, value in show_metrics(run.best_metric, titles))
        took_s = _find_duration(run)
        rows.append(
            RunRow(
                id=run.id,
                number=len(results.runs) - place,
                status=run.status,
                is_current=run.id == experiment.current_run_id,
                started=show_time(run.first_started_at or run.started_at or run.created_at),
                took="" if took_s is None else show_duration(took_s),
                best=best,
                log_url=address + run.id,
            )
        )
    return rows
