"""A run that waits or goes on: its place in the queue, how far it is, what it uses. As text; counts nothing anew."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.pages.run_words import PHASES, show_duration, show_rate, show_size
from app.schemas.common import seconds_between, utc_now
from app.schemas.events import ResourceStats, TrainProgress
from app.schemas.training_results import Blocker, TrainingResults

_KINDS = {
    "train": "a training run",
    "evaluate": "an evaluation",
    "export": "an export",
    "probe": "a measurement for a forecast",
    "predict": "a prediction",
    "import": "an import",
    "check": "a preview of an import",
}


@dataclass(frozen=True)
class LiveView:
    """How far a run is. `value` of `maximum` steps over all epochs; `beside` is work beside the steps."""

    phase: str
    epoch: str
    step: str
    eta: str
    elapsed: str
    elapsed_s: float
    value: int
    maximum: int
    beside: str
    beside_value: int
    beside_maximum: int
    resources: tuple[tuple[str, str, str, bool], ...]
    forecast: str
    asked: str


@dataclass(frozen=True)
class QueueRow:
    """A waiting run, and where each button would move it; none where it stands there already."""

    run_id: str
    name: str
    url: str
    place: str
    is_this: bool
    move_url: str
    first: int | None
    up: int | None
    down: int | None


def describe_live(results: TrainingResults) -> LiveView:
    """Return how far the run is."""
    run, figures = results.run, results.figures
    progress = figures.progress or _progress_so_far(results)
    elapsed_s = run.earlier_s + seconds_between(run.started_at, utc_now()) if run else 0.0
    beside = figures.beside
    steps = max(progress.steps, 1)
    forecast_s = run.forecast_s if run else None
    return LiveView(
        phase=PHASES[progress.phase],
        epoch=f"{progress.epoch} of {progress.epochs}",
        step=f"step {progress.step:,} of {progress.steps:,}" if progress.steps else "",
        eta="estimating…" if progress.eta_s is None else show_duration(progress.eta_s),
        elapsed=show_duration(elapsed_s),
        elapsed_s=round(elapsed_s, 1),
        value=(progress.epoch - 1) * steps + progress.step,
        maximum=progress.epochs * steps,
        beside=beside.message if beside else "",
        beside_value=beside.done if beside else 0,
        beside_maximum=max(beside.total, 1) if beside else 1,
        resources=_describe_resources(results, figures.resources),
        forecast="" if forecast_s is None else show_duration(forecast_s),
        asked=figures.asked or "",
    )


def describe_queue(results: TrainingResults) -> tuple[QueueRow, ...]:
    """Return the waiting runs of the project."""
    entries = results.queue.entries
    project = results.project_id
    last = len(entries) - 1
    return tuple(
        QueueRow(
            run_id=entry.run_id,
            name=entry.experiment_name,
            url=f"/projects/{project}/training?experiment={entry.experiment_id}",
            place=f"{entry.position + 1} of {len(entries)}",
            is_this=entry.experiment_id == results.experiment.id,
            move_url=f"/api/training/{project}/queue/{entry.run_id}/move",
            first=0 if entry.position > 0 else None,
            up=entry.position - 1 if entry.position > 0 else None,
            down=entry.position + 1 if entry.position < last else None,
        )
        for entry in entries
    )


def describe_wait(results: TrainingResults) -> str:
    """Return what a pending run waits for, in a sentence or two."""
    queue = results.queue
    devices = ", ".join(results.experiment.hardware.selected_devices)
    words = [_describe_blocker(blocker) for blocker in queue.blockers]
    text = f"{devices} is in use by {' and '.join(words)}." if words else ""
    if queue.num_before:
        jobs = "1 job is" if queue.num_before == 1 else f"{queue.num_before} jobs are"
        text = f"{text} {jobs} ahead in the queue.".strip()
    return text or "It will start shortly."


def _describe_blocker(blocker: Blocker) -> str:
    kind = _KINDS.get(blocker.kind, "a job")
    return f"{kind} of “{blocker.experiment_name}”" if blocker.experiment_name else f"{kind} of another project"


def _progress_so_far(results: TrainingResults) -> TrainProgress:
    done = len(results.epochs)
    epochs = max(int(results.experiment.hyperparameters.get("max_epochs", 1)), 1)
    return TrainProgress(
        run_id=results.run.id if results.run else "",
        epoch=min(done + 1, epochs),
        epochs=epochs,
        step=0,
        steps=0,
        eta_s=None,
        phase="fit" if done else "init",
    )


def _describe_resources(
    results: TrainingResults, stats: ResourceStats | None
) -> tuple[tuple[str, str, str, bool], ...]:
    """Return (key, title, text, whether it is shown) of each figure; those of a GPU only where one is used."""
    has_gpu = any(device != "cpu" for device in results.experiment.hardware.selected_devices)
    unknown = "not measured yet"
    return (
        ("cpu", "Processor", f"{stats.cpu_pct:.0f} %" if stats else unknown, True),
        ("ram", "Memory", show_size(stats.ram_mb) if stats else unknown, True),
        ("gpu", "GPU", f"{stats.gpu_pct:.0f} %" if stats and stats.gpu_pct is not None else unknown, has_gpu),
        ("vram", "GPU memory", show_size(stats.vram_mb) if stats and stats.vram_mb is not None else unknown, has_gpu),
        ("rate", "Speed", show_rate(stats.step_per_sec) if stats else unknown, True),
    )
