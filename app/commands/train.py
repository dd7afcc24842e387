"""`ai-studio train`: experiments and their runs."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import typer

from app.client import StudioApiError
from app.commands.arguments import Augmentations, Detach, Experiment, Project, Settings
from app.commands.context import CommandLine, command_line, find_experiment, find_project
from app.commands.errors import CommandError
from app.commands.following import LAST_COLUMNS, follow
from app.commands.forecast import print_forecast_before_training, read_forecast_before_training
from app.commands.run_checks import print_checks, read_checks
from app.commands.settings import parse_assignments, sort_settings
from app.metric_text import show_metric
from app.remote.errors import StudioError
from app.schemas.experiments import ExperimentRecord, RunStarted
from app.schemas.forecasts import ForecastView

LOG_PAUSE_S = 1.0
AUGMENTATIONS_EXAMPLE = '{"train": [{"name": "RandomHorizontalFlip", "params": {"p": 0.5}}], "val": []}'
NONE = "No experiments yet. Create and train one with: ai-studio train run PROJECT NAME --split SPLIT"
_TIME = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)[\d.]*Z(?= )", re.MULTILINE)  # of a line in a log

app = typer.Typer(no_args_is_help=True, help="Create and train experiments, and follow their runs.")
NewName = Annotated[str, typer.Argument(help="Name of the new experiment.", metavar="NAME")]
Split = Annotated[str, typer.Option("--split", help="Split to train on.")]
NewSplit = Annotated[str | None, typer.Option("--split", help="Split to train on instead.")]


@app.command("create")
def create_experiment(
    ctx: typer.Context,
    project: Project,
    name: NewName,
    split: Split,
    settings: Settings = None,
    augmentations: Augmentations = None,
) -> None:
    """Create an experiment: --set backbone=resnet18 --set max_epochs=20 --set device=gpu:0."""
    line = command_line(ctx)
    record = _create(line, find_project(line, project), name, split, settings, augmentations)
    line.out.document(record)
    line.out.text(f"Created {record.id} ({record.name}).")


@app.command("run")
def run_experiment(
    ctx: typer.Context,
    project: Project,
    name: NewName,
    split: Split,
    settings: Settings = None,
    augmentations: Augmentations = None,
    detach: Detach = False,
) -> None:
    """Create an experiment, train it and show its progress until it is finished."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    record = _create(line, project_id, name, split, settings, augmentations)
    try:
        started, view = _start(line, project_id, record.id, "train")
    except StudioApiError as refusal:
        if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            with suppress(StudioError):  # nothing was trained, so nothing is to stay; the refusal is what counts
                line.client.experiments.delete(project_id, record.id)
        raise
    line.out.text(f"Created {record.id} ({record.name}).")
    _show_started(line, project_id, started, view, detach)


@app.command("start")
def start_training(ctx: typer.Context, project: Project, experiment: Experiment, detach: Detach = False) -> None:
    """Train an experiment and show its progress until it is finished."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    _begin(line, project_id, find_experiment(line, project_id, experiment), "train", detach)


@app.command("resume")
def resume_training(ctx: typer.Context, project: Project, experiment: Experiment, detach: Detach = False) -> None:
    """Resume a paused, cancelled, failed or interrupted run from its last checkpoint."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    _begin(line, project_id, find_experiment(line, project_id, experiment), "resume", detach)


@app.command("more")
def train_more_epochs(
    ctx: typer.Context,
    project: Project,
    experiment: Experiment,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Epochs to train. By default as many as the maximum was raised by since the run, or as the run had.",
        ),
    ] = None,
    detach: Detach = False,
) -> None:
    """Train a completed experiment for more epochs, as a new experiment that starts from its last checkpoint."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    started = line.client.experiments.train_more(project_id, find_experiment(line, project_id, experiment), epochs)
    line.out.text(f"Created {started.experiment_id}.")
    _show_run(line, project_id, started, detach)


@app.command("check")
def check_experiment(
    ctx: typer.Context, project: Project, experiment: Experiment, settings: Settings = None, split: NewSplit = None
) -> None:
    """Show what will go wrong in a run and how to fix it. Exits with code 1 if the experiment cannot be trained.

    With --set or --split the settings are checked as if they were saved; nothing is changed.
    """
    line = command_line(ctx)
    project_id = find_project(line, project)
    experiment_id = find_experiment(line, project_id, experiment)
    found = read_checks(line, project_id, experiment_id, _read_changes(settings, split) or None)
    print_checks(line, project_id, experiment_id, found)
    if not found.can_train:
        raise typer.Exit(1)


@app.command("change")
def change_experiment(
    ctx: typer.Context,
    project: Project,
    experiment: Experiment,
    settings: Settings = None,
    split: NewSplit = None,
    augmentations: Augmentations = None,
) -> None:
    """Change settings of an experiment: --set batch_size=8 --set pretrained=false."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    changes = _read_changes(settings, split)
    if augmentations:
        changes["augmentations"] = _read_augmentations(augmentations)
    if not changes:
        raise typer.BadParameter("Give at least one of --set, --split and --augmentations.")
    record = line.client.experiments.update(project_id, find_experiment(line, project_id, experiment), **changes)
    line.out.document(record)
    line.out.text(f"Changed {record.id} ({record.name}).")
    if record.status == "paused":  # some changes keep the run from being resumed
        line.out.note(line.client.experiments.checks(project_id, record.id, None).refusal)


@app.command("stop")
def stop_training(
    ctx: typer.Context,
    project: Project,
    experiment: Experiment,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the best checkpoint so far as the result.")] = False,
) -> None:
    """Stop a run. Without --keep it is cancelled; you can resume it if it has saved a checkpoint."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    answer = line.client.experiments.stop(project_id, find_experiment(line, project_id, experiment), keep=keep)
    line.out.document(answer)
    if answer.status == "completed":  # it had ended already
        line.out.text(f"Kept the best checkpoint of {answer.run_id}. The experiment is completed.")
    else:
        line.out.text(f"Asked {answer.run_id} to stop.")


@app.command("pause")
def pause_training(ctx: typer.Context, project: Project, experiment: Experiment) -> None:
    """Pause a run. Resume it with `train resume`."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    answer = line.client.experiments.pause(project_id, find_experiment(line, project_id, experiment))
    line.out.document(answer)
    line.out.text(f"Asked {answer.run_id} to pause.")


@app.command("status")
def show_experiment(ctx: typer.Context, project: Project, experiment: Experiment) -> None:
    """Show an experiment."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    print_experiment(line, line.client.experiments.get(project_id, find_experiment(line, project_id, experiment)))


@app.command("list")
def list_experiments(ctx: typer.Context, project: Project) -> None:
    """List the experiments of a project."""
    line = command_line(ctx)
    experiments = line.client.experiments.all(find_project(line, project))
    line.out.document({"experiments": list(experiments)})
    rows = [
        (item.id, item.name, item.status, item.model.backbone, _show_metrics(item.best_metric)) for item in experiments
    ]
    line.out.table(["id", "name", "status", "model", "best"], rows, empty=NONE)


@app.command("metrics")
def show_metrics(ctx: typer.Context, project: Project, experiment: Experiment) -> None:
    """Show the metrics of every epoch of the current run."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    record = line.client.experiments.metrics(project_id, find_experiment(line, project_id, experiment))
    line.out.document(record)
    epochs = [epoch.model_dump() for epoch in record.epochs]
    columns = list(dict.fromkeys(key for epoch in epochs for key in epoch))
    line.out.table(columns, [[_show_cell(column, epoch.get(column)) for column in columns] for epoch in epochs])


@app.command("logs")
def show_logs(
    ctx: typer.Context,
    project: Project,
    experiment: Experiment,
    follow_end: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new lines until the run is finished.")
    ] = False,
) -> None:
    """Print the log of the current run."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    experiment_id = find_experiment(line, project_id, experiment)
    offset = 0
    while True:
        chunk = line.client.experiments.logs(project_id, experiment_id, offset)
        line.out.document(chunk)
        if chunk.text:
            line.out.text(_TIME.sub(lambda found: f"{found[1]} {found[2]}", chunk.text.rstrip("\n")))
        if chunk.is_complete or (not follow_end and chunk.next_offset == offset):
            return
        if chunk.next_offset == offset:
            time.sleep(LOG_PAUSE_S)
        offset = chunk.next_offset


def print_experiment(line: CommandLine, record: ExperimentRecord) -> None:
    """Print an experiment with its metrics."""
    line.out.document(record)
    rows = [
        ("id", record.id),
        ("name", record.name),
        ("status", record.status),
        ("model", record.model.backbone),
        ("split", record.split_name),
        ("best epoch", record.best_epoch),
        *((f"{name}, best epoch", show_metric(value)) for name, value in record.best_metric.items()),
        *((f"{name}, last epoch", show_metric(value)) for name, value in record.final_metrics.items()),
        *(
            (f"checkpoint {name}", f"{item.moment}, {item.size_mb:.1f} MiB")
            for name, item in record.checkpoints.items()
        ),
    ]
    line.out.pairs(rows)
    if record.error:
        line.out.note(f"{record.status.capitalize()}: {record.error.message}")
        if "last" in record.checkpoints and record.status != "completed":
            line.out.note("Continue from the last checkpoint with: ai-studio train resume PROJECT EXPERIMENT")


def _create(
    line: CommandLine,
    project_id: str,
    name: str,
    split: str,
    settings: list[str] | None,
    augmentations: Path | None,
) -> ExperimentRecord:
    values = sort_settings(parse_assignments(settings or []))
    chosen = _read_augmentations(augmentations) if augmentations else None
    return line.client.experiments.create(project_id, name, split, **values, augmentations=chosen)


def _read_augmentations(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        msg = f"{path} is not valid JSON ({error}). Give a file such as {AUGMENTATIONS_EXAMPLE}."
        raise CommandError(msg) from error


def _read_changes(settings: list[str] | None, split: str | None) -> dict[str, Any]:
    return {**sort_settings(parse_assignments(settings or [])), **({"split_name": split} if split else {})}


def _begin(line: CommandLine, project_id: str, experiment_id: str, command: str, detach: bool) -> None:
    _show_started(line, project_id, *_start(line, project_id, experiment_id, command), detach)


def _start(
    line: CommandLine, project_id: str, experiment_id: str, command: str
) -> tuple[RunStarted, ForecastView | None]:
    """Start or resume a run, and return it with the forecast that was made before."""
    view = read_forecast_before_training(line, project_id, experiment_id)
    start = line.client.experiments.resume if command == "resume" else line.client.experiments.train
    return start(project_id, experiment_id), view


def _show_started(
    line: CommandLine, project_id: str, started: RunStarted, view: ForecastView | None, detach: bool
) -> None:
    if view is not None:
        print_forecast_before_training(line, view)
        # Both are of the same checks; those of the start are later, and know whether weights can be downloaded.
        started = started.model_copy(update={"warnings": started.warnings or view.warnings})
    _show_run(line, project_id, started, detach)


def _show_run(line: CommandLine, project_id: str, started: RunStarted, detach: bool) -> None:
    """Show a queued run until it is finished, with the problems that the checks found."""
    for warning in started.warnings:
        line.out.note(f"Warning: {warning}")
    if detach:
        line.out.document(started)
        line.out.text(f"The training is running on the server as {started.run_id} of {started.experiment_id}.")
        return
    record = follow(line, project_id, started.experiment_id)
    print_experiment(line, record)
    if record.status not in {"completed", "paused"}:
        raise typer.Exit(1)


def _show_metrics(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {show_metric(value)}" for name, value in metrics.items()) or "-"


def _show_cell(column: str, value: Any) -> Any:
    return show_metric(value) if isinstance(value, float) and column not in LAST_COLUMNS else value
