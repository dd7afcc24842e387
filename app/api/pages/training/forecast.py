"""The forecast of a run as it stands beside the button that starts it."""

from __future__ import annotations

from dataclasses import dataclass

from app.api.templating import Fragment
from app.core.forecast.wording import count_disk_mb, format_duration, format_size
from app.schemas.forecasts import Forecast, ForecastView


@dataclass(frozen=True)
class ForecastContext:
    """Names for `training/_training_forecast.html`. `done` is None where how far the probe is cannot be said."""

    url: str
    status: str
    message: str
    failure: str
    facts: tuple[tuple[str, str], ...]
    details: tuple[str, ...]
    warnings: tuple[str, ...]
    job_id: str
    done: int | None
    total: int
    progress_text: str


def training_forecast_fragment(project_id: str, experiment_id: str, view: ForecastView) -> Fragment:
    """Return the forecast, or how far the measuring is."""
    forecast, progress = view.forecast, view.progress
    context = ForecastContext(
        url=f"/api/training/{project_id}/experiments/{experiment_id}/forecast",
        status=view.status,
        message=view.message,
        failure=view.failure,
        facts=_facts(forecast) if forecast else (),
        details=(*forecast.basis.differences, *forecast.notes) if forecast else (),
        warnings=tuple(forecast.warnings) if forecast else (),
        job_id=view.job_id or "",
        done=progress.done if progress and progress.total else None,
        total=progress.total if progress and progress.total else 1,
        progress_text=progress.message if progress and progress.message else "Queued",
    )
    return Fragment("training/_training_forecast.html", context)


def _facts(forecast: Forecast) -> tuple[tuple[str, str], ...]:
    sizes = (("Memory", forecast.memory_mb), ("GPU memory", forecast.vram_mb), ("Disk", count_disk_mb(forecast)))
    facts = [("Time", format_duration(forecast.duration_s))]
    # What was not measured, or is nothing, is left out: 0 MiB would read as a promise.
    facts += [(title, format_size(size_mb)) for title, size_mb in sizes if size_mb]
    facts.append(("Images", f"{forecast.num_train:,} training + {forecast.num_val:,} validation"))
    return tuple(facts)
