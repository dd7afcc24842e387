"""A forecast in words: one sentence that sums it up, and what may not fit. Pure."""

from __future__ import annotations

from app.core.forecast.free_space import FreeSpace
from app.schemas.forecasts import Forecast

MIB_PER_GIB = 1024


def describe_forecast(forecast: Forecast) -> str:
    """Return the forecast as a sentence or two."""
    basis = forecast.basis
    origin = f"{'a run' if basis.source == 'run' else 'a short measurement'} of {basis.measured_at[:10]}"
    # The number of epochs may be another one: it changes how long a run takes, not how fast it is.
    settings = "other settings" if basis.differences else "settings that give the same speed"
    verb = "estimated from" if basis.differences else "based on"
    text = f"About {format_duration(forecast.duration_s)}, {verb} {origin} with {settings}."
    return f"{text} Early stopping may make it shorter." if forecast.can_end_earlier else text


def find_warnings(forecast: Forecast, free: FreeSpace, batch_size: int) -> list[str]:
    """Return a sentence for everything that may not fit, with what to change."""
    advice = "choose a smaller batch size" if batch_size > 1 else "choose a smaller image size"
    advice_ram = "close other programs" if forecast.vram_mb is not None else advice
    disk_mb = count_disk_mb(forecast)
    # Scaled from other settings, memory is an upper limit, as disk always is.
    verb = "may need up to" if forecast.basis.differences else "needs about"
    checks = (
        (verb, "memory", forecast.memory_mb, free.ram_mb, advice_ram),
        (verb, "GPU memory", forecast.vram_mb, free.vram_mb, advice),
        ("may need up to", "disk", disk_mb, free.disk_mb, "free up disk space first"),
    )
    return [
        f"The run {needs} {format_size(needed_mb)} of {what}, but only {format_size(free_mb)} are free: {what_to_do}."
        for needs, what, needed_mb, free_mb, what_to_do in checks
        if needed_mb is not None and free_mb is not None and needed_mb > free_mb
    ]


def count_disk_mb(forecast: Forecast) -> float:
    """Return what a run needs on the disk at most, in MiB: images that are kept, and checkpoints."""
    return forecast.disk_cache_mb + (forecast.disk_checkpoints_mb or 0.0)


def format_duration(duration_s: float) -> str:
    """Return a duration for people, in the two largest units that say something."""
    if duration_s < 10:
        return f"{duration_s:.1f} s"
    if duration_s < 120:
        return f"{duration_s:.0f} s"
    minutes = round(duration_s / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 10 else f"{round(duration_s / 3600)} h"


def format_size(size_mb: float) -> str:
    """Return MiB as readable text."""
    if size_mb >= MIB_PER_GIB:
        return f"{size_mb / MIB_PER_GIB:.1f} GiB"
    return f"{size_mb:.0f} MiB" if size_mb >= 1 else "less than 1 MiB"
