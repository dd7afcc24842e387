"""Words and figures of a run for people: durations, metrics, what went wrong and what to do. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app import durations
from app.api.pages.forms import title_of
from app.number_text import format_number
from app.schemas.common import parse_time
from app.schemas.experiments import ACTIVE_EXPERIMENT_STATUSES, ExperimentRecord, ExperimentStatus, RunRecord
from app.schemas.tasks import MetricSpec

PHASES = {"init": "Preparing", "fit": "Training", "eval": "Validating", "finalize": "Finishing"}
# Of a paused run, and of one that is queued again after a pause, epochs are to come.
UNFINISHED: frozenset[ExperimentStatus] = ACTIVE_EXPERIMENT_STATUSES | {"paused"}
SHORT_S = 0.5
"""A quotient of a shorter forecast would say nothing."""
_LOSSES = {"train_loss": "Training loss", "val_loss": "Validation loss"}
_ADVICE = {
    "OutOfMemory": "Resume: the run then computes each batch in smaller parts, with as many images per update. "
    "Or use a smaller batch size with a larger batch multiplier, a smaller image size or a smaller model, or close "
    "other programs.",
    "Killed": "Resume the run: it continues with the same settings and gives the same weights. To prevent this, "
    "find out what killed it: another user, a batch system or a container limit.",
    "DiskFull": "Then resume the run: it continues from the last checkpoint.",
    "LossNotFinite": "Lower the learning rate to a tenth, set gradient clip to 1, or choose precision 32. Then train "
    "again.",
    "ImageReadError": "Repair or remove the images named in the log, then import the dataset again.",
    "WeightsUnavailable": "Switch off Pretrained in the settings to train from scratch, or add the weights file. "
    "Then train again.",
    "ResumeRefused": "Set back what was changed and resume the run, or restart to train again from scratch.",
    "Silent": "Try again. If it fails again, look at the end of the log.",
    "Crash": "Try again. If it fails again, choose precision 32 and turn compilation off.",
}
# Without a checkpoint, where Resume cannot be chosen.
_ADVICE_TO_BEGIN = {
    "OutOfMemory": "Use a smaller batch size with a larger batch multiplier, a smaller image size or a smaller model, "
    "or close other programs. Then train again.",
    "Killed": "Train again. To prevent this, find out what killed it: another user, a batch system or a container "
    "limit.",
    "DiskFull": "Then train again: there is no checkpoint to resume from.",
}
_ADVICE_WITHOUT_LOG = {
    "ImageReadError": "Repair or remove the images that cannot be read, then import the dataset again.",
    "Silent": "Try again.",
}
_OTHERWISE = "See the end of the log. Fix the cause or change the settings, then train again."
_OTHERWISE_WITHOUT_LOG = "Fix the cause or change the settings, then train again. The run ended before it wrote a log."
_CAN_RESUME = "Resume continues from the last checkpoint. Restart trains again from scratch."
_MUST_BEGIN_ANEW = "It has no checkpoint yet. Restart to train again from scratch."
_IS_PREVENTED = "The reason beside Resume says what prevents it. Restart trains again from scratch."


def titles_of(metrics: Sequence[MetricSpec]) -> dict[str, str]:
    """Return the title of every number of an epoch."""
    return _LOSSES | {metric.name: metric.title for metric in metrics}


def show_metric(value: float | None) -> str:
    """Return a metric with the digits of every page."""
    return "not measured" if value is None else format_number(value)


def show_metrics(values: Mapping[str, float], titles: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return (title, value) of each metric of an epoch, in their order."""
    return tuple((name_subset(name, titles.get(name, name)), show_metric(value)) for name, value in values.items())


def name_subset(name: str, title: str) -> str:
    """Return the title with "Validation" before a metric of the validation images; evaluations use other images."""
    if not name.startswith("val_") or title.startswith("Validation"):
        return title
    is_word = title[1:2].islower()  # not F1 and R²
    return f"Validation {title[:1].lower() if is_word else title[:1]}{title[1:]}"


def name_metric(name: str) -> str:
    """Return the title of a number of an epoch where the task's own titles are not at hand."""
    return _LOSSES.get(name) or title_of(name.removeprefix("val_"))


def show_best(best_metric: Mapping[str, float]) -> str:
    """Return the best metric of a run, such as "Validation accuracy 0.912"; empty before the first epoch."""
    for name, value in best_metric.items():
        return f"{name_subset(name, name_metric(name))} {format_number(value)}"
    return ""


def add_so_far(best: str, status: ExperimentStatus) -> str:
    """Return the best result of an experiment, with "so far" where its run is not at its end."""
    return f"{best} so far" if best and status in UNFINISHED else best


def show_duration(duration_s: float | None) -> str:
    """Return a duration, or that it is unknown."""
    return "unknown" if duration_s is None else durations.show_duration(duration_s)


def show_size(size_mb: float | None) -> str:
    """Return MiB for people; nothing weighs 0, so that stands for what was not measured."""
    if size_mb is None or size_mb < 0.05:
        return "not measured"
    if size_mb >= 1024:
        return f"{size_mb / 1024:.1f} GiB"
    return f"{size_mb:.1f} MiB" if size_mb < 10 else f"{size_mb:.0f} MiB"


def show_rate(steps_per_s: float) -> str:
    """Return the speed of a run; so few steps that none fell into the interval must not read as a standstill."""
    return f"{steps_per_s:.3g} steps/s" if steps_per_s >= 0.1 else "below 0.1 steps/s"


def show_time(iso: str | None) -> str:
    """Return a time to the minute."""
    return parse_time(iso).strftime("%Y-%m-%d %H:%M UTC") if iso else ""


def compare_with_forecast(took_s: float, forecast_s: float) -> str:
    """Compare the duration of a run with its forecast, in a sentence."""
    if forecast_s < SHORT_S:
        return "Less than a second."
    ratio = took_s / forecast_s
    text = f"{show_duration(forecast_s)}"
    if abs(ratio - 1.0) < 0.05:
        return f"{text}."
    if ratio >= 10.0:
        return f"{text}. The run took {ratio:,.0f} times as long."
    if ratio >= 2.0:
        return f"{text}. The run took {ratio:.1f} times as long."
    if ratio <= 0.5:
        return f"{text}. The run took {f'{ratio:.0%}' if ratio >= 0.01 else 'less than 1 %'} of that."
    return f"{text}. The run took {abs(ratio - 1.0):.0%} {'longer' if ratio > 1.0 else 'less'}."


def explain_end(
    record: ExperimentRecord,
    run: RunRecord | None,
    can_resume: bool,
    has_log: bool = True,
    has_checkpoint: bool = False,
) -> tuple[str, str]:
    """Return what happened to a run that did not complete, and what to do about it.

    One with a checkpoint that cannot be resumed is prevented by something that can be set back or brought back.
    """
    error = record.error
    is_prevented = has_checkpoint and not can_resume
    how = _IS_PREVENTED if is_prevented else _CAN_RESUME if can_resume else _MUST_BEGIN_ANEW
    if record.status == "cancelled":
        if run is not None and run.started_at is None:
            start = "Resume" if can_resume else "Train"
            again = _IS_PREVENTED if is_prevented else f"Choose {start} to queue it again."
            return "Removed from the queue before it started.", again
        return "Cancelled.", how
    if error is None and record.status == "paused":
        return "Paused. The state is saved and the device is free.", ""
    if error is None or error.type == "Interrupted":
        return "Interrupted, because the server stopped during the run.", how
    if is_prevented and error.type in _ADVICE_TO_BEGIN:
        return error.message, _IS_PREVENTED
    advice = _ADVICE if can_resume else _ADVICE | _ADVICE_TO_BEGIN
    if not has_log:
        return error.message, (advice | _ADVICE_WITHOUT_LOG).get(error.type, _OTHERWISE_WITHOUT_LOG)
    return error.message, advice.get(error.type, _OTHERWISE)
