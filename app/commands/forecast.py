"""`ai-studio forecast`, and the forecast that precedes a training."""

from __future__ import annotations

from typing import Annotated

import typer

from app.client import StudioApiError
from app.commands.arguments import Experiment, Project
from app.commands.context import CommandLine, command_line, find_experiment, find_project
from app.schemas.forecasts import Forecast, ForecastView

MIB_PER_GIB = 1024
PARTS = {
    "startup_s": "start",
    "probe_s": "choosing precision and memory format",
    "caching_s": "reading images",
    "features_s": "features",
    "training_s": "training",
    "validation_s": "validation",
    "overhead_s": "checkpoints and the rest",
}


def forecast_experiment(
    ctx: typer.Context,
    project: Project,
    experiment: Experiment,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe/--no-probe", help="Run a few training steps to measure speed and memory if nothing is known yet."
        ),
    ] = True,
    detach: Annotated[bool, typer.Option("--detach", help="Start the measurement and return immediately.")] = False,
) -> None:
    """Forecast the time, memory and disk space that a training run needs."""
    line = command_line(ctx)
    project_id = find_project(line, project)
    experiment_id = find_experiment(line, project_id, experiment)
    view = _ask(line, project_id, experiment_id, has_probe=probe, detach=detach)
    line.out.document(view)
    print_forecast(line, view)
    if view.job_id is not None:
        line.out.text(f"The measurement is running on the server as {view.job_id}.")


def read_forecast_before_training(line: CommandLine, project_id: str, experiment_id: str) -> ForecastView | None:
    """Return the forecast of a run that is about to start, None without one; never stops the run."""
    if line.is_json:
        return None
    try:
        return line.client.experiments.read_forecast(project_id, experiment_id)
    except StudioApiError:
        return None  # what is wrong with the experiment, the start will say


def print_forecast_before_training(line: CommandLine, view: ForecastView) -> None:
    """Print the forecast of a run, when there is one; its warnings are printed with those of the run."""
    if view.forecast is not None:
        line.out.text(f"Forecast: {view.message}")
        print_warnings(line, view.forecast)


def print_forecast(line: CommandLine, view: ForecastView) -> None:
    """Print a forecast with the parts of its time."""
    line.out.text(view.message)
    for warning in view.warnings:
        line.out.note(f"Warning: {warning}")
    forecast = view.forecast
    if forecast is None:
        return
    parts = forecast.parts.model_dump()
    done = f", after {forecast.epochs_done} finished" if forecast.epochs_done else ""
    sizes = {
        "memory": forecast.memory_mb,
        "GPU memory": forecast.vram_mb,
        "cache on disk": forecast.disk_cache_mb,
        "checkpoints": forecast.disk_checkpoints_mb,
    }
    rows = [
        ("images", f"{forecast.num_train} for training, {forecast.num_val} for validation"),
        ("epochs", f"{forecast.epochs}{done}"),
        *((title, f"{parts[name]:.1f} s") for name, title in PARTS.items() if parts[name]),
        *((title, _show_size(size_mb)) for title, size_mb in sizes.items() if size_mb is not None),
    ]
    line.out.pairs(rows)
    for text in (*forecast.basis.differences, *forecast.notes):
        line.out.text(text)
    print_warnings(line, forecast)


def print_warnings(line: CommandLine, forecast: Forecast) -> None:
    """Print what may not fit, to stderr."""
    for warning in forecast.warnings:
        line.out.note(f"Warning: {warning}")


def _ask(line: CommandLine, project_id: str, experiment_id: str, *, has_probe: bool, detach: bool) -> ForecastView:
    experiments = line.client.experiments
    if not has_probe:
        return experiments.read_forecast(project_id, experiment_id)
    view = experiments.forecast(project_id, experiment_id, wait=False)
    if view.job_id is None or detach:
        return view
    line.wait_for_job(view.job_id, "Measurement")
    return experiments.read_forecast(project_id, experiment_id)


def _show_size(size_mb: float) -> str:
    return f"{size_mb / MIB_PER_GIB:.1f} GiB" if size_mb >= MIB_PER_GIB else f"{size_mb:.0f} MiB"
