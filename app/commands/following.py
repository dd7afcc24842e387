"""Shows a run while it goes on: a bar of steps and one line per epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.client import StreamEvent
from app.commands.context import CommandLine, interruptible
from app.commands.progress import ProgressDisplay
from app.durations import show_duration
from app.metric_text import show_metric
from app.schemas.experiments import ExperimentRecord

FIRST_COLUMNS = ("train_loss", "val_loss")
LAST_COLUMNS = ("lr", "duration_s")
PHASES = {"init": "preparing", "fit": "training", "eval": "validating", "finalize": "finishing"}


def follow(line: CommandLine, project_id: str, experiment_id: str) -> ExperimentRecord:
    """Show a run to its end; Ctrl-C stops the watching and leaves the run alone."""
    what = f"The training of {experiment_id}"
    how_to_stop = f"ai-studio train stop {project_id} {experiment_id}"
    with line.progress("Training") as display, interruptible(line, what, how_to_stop):
        return line.client.follow_training(project_id, experiment_id, lambda event: show_event(display, event))


def show_event(display: ProgressDisplay, event: StreamEvent) -> None:
    """Show one event of a training stream."""
    if event.event == "epoch_end":
        display.line(describe_epoch(event.data))
    elif event.event == "progress":
        done, total = event.data.get("step", 0), event.data.get("steps", 0)
        display.update(done, total, describe_progress(event.data))
    elif event.event == "status":
        display.line(f"Status: {event.data.get('status')}")


def describe_epoch(epoch: Mapping[str, Any]) -> str:
    """Return one epoch as a line: losses first, then the metrics, then rate and time."""
    names = [name for name in epoch if name not in {"epoch", *FIRST_COLUMNS, *LAST_COLUMNS}]
    figures = [
        f"{name} {show_metric(epoch[name])}"
        for name in (*FIRST_COLUMNS, *names)
        if isinstance(epoch.get(name), int | float)
    ]
    duration_s = epoch.get("duration_s")
    tail = f"  {duration_s:.1f} s" if isinstance(duration_s, int | float) else ""
    return f"Epoch {epoch.get('epoch')}: " + "  ".join(figures) + tail


def describe_progress(data: Mapping[str, Any]) -> str:
    """Return where a run is, with the time that is left."""
    eta_s = data.get("eta_s")
    left = f", {show_duration(eta_s)} left" if isinstance(eta_s, int | float) else ""
    phase = PHASES.get(str(data.get("phase")), "training")
    return f"steps, epoch {data.get('epoch')} of {data.get('epochs')}, {phase}{left}"
