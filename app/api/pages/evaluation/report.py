"""One experiment on the evaluation page: what can be chosen, what runs, what failed, what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from app.api.pages.evaluation.leaks import LeakNotice, make_leak_notice
from app.api.pages.evaluation.parts.base import PartPage
from app.api.pages.evaluation.parts.registry import ReportPanel, make_panels
from app.api.pages.evaluation.query import EvaluationAddress, page_url
from app.api.pages.evaluation.results import ResultGrid, make_grid
from app.api.pages.figures import HeadlineFigure, make_figures
from app.api.pages.forms import Option
from app.api.pages.run_words import show_size
from app.api.pages.subsets import SUBSET_TITLES, name_measured_images
from app.api.pages.times import describe_moment
from app.api.templating import Fragment
from app.plurals import count, name_first
from app.schemas.evaluation import EvaluationRecord, EvaluationRequest
from app.schemas.evaluation_pages import ResultListing, SelectedEvaluation, SubsetChoice
from app.schemas.leaks import say_redrawn
from app.schemas.parts import AnyReportPart, Figure, ValueTablePart, explain_limits

MAX_SKIPPED = 20
MAX_NAMED_CLASSES = 10
_UNBIASED = (
    "Use the test images for an unbiased result: they are used neither for training nor for choosing the best epoch."
)
_POOLED = "If you select several subsets, their images are evaluated together."
_ATTEMPT_TITLES = {
    "failed": "The new evaluation failed",
    "interrupted": "The new evaluation was interrupted",
    "cancelled": "The new evaluation was cancelled",
}


@dataclass(frozen=True)
class SubsetBox:
    """A checkbox; `reason` says why it cannot be chosen."""

    name: str
    label: str
    is_checked: bool
    reason: str


@dataclass(frozen=True)
class EvaluationForm:
    """What can be chosen for an evaluation. `reason` says why none can be started, empty when one can.

    `images_help` says what the test images are good for.
    """

    action: str
    checkpoints: list[Option]
    checkpoint: str
    subsets: list[SubsetBox]
    batch_size: int
    devices: list[Option]
    device: str
    reason: str
    images_help: str


@dataclass(frozen=True)
class EvaluationProgress:
    """One that waits or runs."""

    experiment_id: str
    label: str
    processed: int
    total: int
    text: str
    cancel_url: str


@dataclass(frozen=True)
class FailedEvaluation:
    """One that did not end well."""

    title: str
    text: str
    details: str
    kind: Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Skipped:
    """Images that could not be read."""

    title: str
    items: list[tuple[str, str]]
    more: str


@dataclass(frozen=True)
class EvaluationReport:
    """What `evaluation/_evaluation_report.html` shows. `version` changes whenever the state does."""

    project_id: str
    url: str
    version: str
    name: str
    status: str
    state: Literal["fresh", "active", "ended", "completed"]
    compare_url: str
    export_url: str
    reset_url: str
    reset_text: str
    facts: list[tuple[str, str]]
    form: EvaluationForm
    progress: EvaluationProgress | None = None
    ending: FailedEvaluation | None = None
    figures_title: str = "Metrics"
    figures: list[HeadlineFigure] = field(default_factory=list)
    figures_notes: tuple[str, ...] = ()
    leaks: LeakNotice | None = None
    skipped: Skipped | None = None
    panels: list[ReportPanel] = field(default_factory=list)
    grid: ResultGrid | None = None


@dataclass(frozen=True)
class EvaluationReportContext:
    """Names for `evaluation/_evaluation_report.html`."""

    report: EvaluationReport


def evaluation_report_fragment(report: EvaluationReport) -> Fragment:
    """Return everything that an evaluation changes of the page."""
    return Fragment("evaluation/_evaluation_report.html", EvaluationReportContext(report))


def make_report(
    project_id: str,
    address: EvaluationAddress,
    selected: SelectedEvaluation,
    listing: ResultListing | None,
) -> EvaluationReport:
    """Return the state of an evaluation as texts and links; `listing` of a completed one."""
    evaluation, record, aggregate = selected.evaluation, selected.experiment, selected.aggregate
    is_measured = aggregate is not None and listing is not None
    page = PartPage(project_id, address, selected.value_names, selected.untrained_classes)
    return EvaluationReport(
        project_id=project_id,
        url=page_url(project_id),
        version=version_of(selected),
        name=record.name,
        status=evaluation.status if evaluation is not None else "",
        state=_state_of(evaluation, is_measured),
        compare_url=f"/projects/{project_id}/compare?experiments={record.id}",
        export_url=f"/projects/{project_id}/export?experiment={record.id}",
        reset_url=f"/api/evaluation/{project_id}/{record.id}",
        reset_text=_say_what_goes(aggregate),
        facts=_list_facts(evaluation) if evaluation is not None else [],
        form=_make_form(project_id, selected),
        progress=_make_progress(record.id, evaluation),
        ending=_make_ending(evaluation, is_measured) or _make_attempt_ending(selected.failed_attempt),
        figures_title=f"Metrics on {name_measured_images(evaluation.split_subsets)}" if evaluation else "Metrics",
        figures=make_figures(selected.headline),
        figures_notes=_explain_figures(selected, aggregate) if aggregate else (),
        leaks=make_leak_notice(selected.headline, selected.leaks),
        skipped=_make_skipped(aggregate.get("skipped")) if aggregate else None,
        panels=make_panels(selected.parts, page),
        grid=make_grid(project_id, address, listing) if listing is not None else None,
    )


def version_of(selected: SelectedEvaluation) -> str:
    """Return what differs between two states that look different; progress is not among it."""
    evaluation = selected.evaluation
    parts = [selected.experiment.id, selected.experiment.status, selected.problem and "problem"]
    if evaluation is not None:
        parts += [evaluation.status, evaluation.job_id or evaluation.created_at]
    if (attempt := selected.failed_attempt) is not None:
        parts += [attempt.status, attempt.job_id or attempt.created_at]
    return ".".join(part for part in parts if part)


def _state_of(
    evaluation: EvaluationRecord | None, is_measured: bool
) -> Literal["fresh", "active", "ended", "completed"]:
    if evaluation is None:
        return "fresh"
    if evaluation.status in {"pending", "running"}:
        return "active"
    return "completed" if is_measured else "ended"


def _say_what_goes(aggregate: dict[str, Any] | None) -> str:
    results = f"the results of {count(int(aggregate.get('num_images', 0)), 'image')}" if aggregate else "its settings"
    return (
        f"The metrics, the charts and {results} are deleted. "
        "The experiment, its checkpoints and the images are kept, so you can evaluate it again."
    )


def _list_facts(evaluation: EvaluationRecord) -> list[tuple[str, str]]:
    facts = [
        ("Checkpoint", evaluation.checkpoint),
        ("Split", f"{evaluation.split_name}: {', '.join(SUBSET_TITLES[name] for name in evaluation.split_subsets)}"),
        ("Batch size", str(evaluation.batch_size)),
        ("Device", evaluation.device),
    ]
    when = evaluation.completed_at
    return [*facts, ("Finished", describe_moment(when).exact)] if when else facts


def _make_form(project_id: str, selected: SelectedEvaluation) -> EvaluationForm:
    earlier = selected.evaluation
    devices = [Option(item.id, f"{item.id} · {item.name}") for item in selected.devices.devices]
    known = {option.value for option in devices}
    device = earlier.device if earlier and earlier.device in known else selected.devices.default_selected[0]
    checkpoints = sorted(selected.checkpoints, key=lambda item: item.name != EvaluationRequest().checkpoint)
    names = [item.name for item in checkpoints]
    checkpoint = earlier.checkpoint if earlier and earlier.checkpoint in names else next(iter(names), "")
    chosen = list(earlier.split_subsets) if earlier else _choose_subset(selected.subsets)
    return EvaluationForm(
        action=f"/api/evaluation/{project_id}/{selected.experiment.id}",
        checkpoints=[
            Option(item.name, f"{item.name.capitalize()}, epoch {item.epoch}, {show_size(item.size_mb)}")
            for item in checkpoints
        ],
        checkpoint=checkpoint,
        subsets=[
            SubsetBox(
                name=item.name,
                label=f"{SUBSET_TITLES[item.name]}: {count(item.num_images, 'image')}",
                is_checked=item.name in chosen and item.num_images > 0,
                reason="" if item.num_images else "This split has no images in this subset.",
            )
            for item in selected.subsets
        ],
        batch_size=earlier.batch_size if earlier else 32,
        devices=devices,
        device=device,
        reason=selected.problem,
        images_help=f"{say_redrawn(selected.redrawn_splits, 'its test images') or _UNBIASED} {_POOLED}",
    )


def _choose_subset(subsets: list[SubsetChoice]) -> list[str]:
    present = [item.name for item in subsets if item.num_images]
    return next(([name] for name in ("test", "val", "train") if name in present), [])


def _make_progress(experiment_id: str, evaluation: EvaluationRecord | None) -> EvaluationProgress | None:
    if evaluation is None or evaluation.status not in {"pending", "running"}:
        return None
    done, total = evaluation.progress.processed, evaluation.progress.total
    return EvaluationProgress(
        experiment_id=experiment_id,
        label="Queued" if evaluation.status == "pending" else "Evaluating",
        processed=done,
        total=total,
        text=f"{done:,} of {count(total, 'image')}" if total else "starting",
        cancel_url=f"/api/jobs/{evaluation.job_id}/cancel",
    )


def _make_ending(evaluation: EvaluationRecord | None, is_measured: bool) -> FailedEvaluation | None:
    if evaluation is None or is_measured or evaluation.status in {"pending", "running"}:
        return None
    error = evaluation.error
    details = error.traceback if error is not None else ""
    if evaluation.status == "failed":
        text = error.message if error is not None else "The server's log has the details."
        return FailedEvaluation("The evaluation failed", text, details, "error")
    if evaluation.status == "interrupted":
        text = error.message if error is not None else "The server stopped during the evaluation."
        return FailedEvaluation("The evaluation was interrupted", f"{text} There is no result.", details, "warning")
    if evaluation.status == "cancelled":
        return FailedEvaluation("The evaluation was cancelled", "There is no result.", "", "info")
    return FailedEvaluation("The results cannot be read", "Their files are missing or damaged.", "", "error")


def _make_attempt_ending(attempt: EvaluationRecord | None) -> FailedEvaluation | None:
    """Return what became of a later evaluation than the one that is shown."""
    if attempt is None or attempt.status in {"pending", "running", "completed"}:
        return None
    kind: Literal["warning", "info"] = "info" if attempt.status == "cancelled" else "warning"
    title = _ATTEMPT_TITLES.get(attempt.status, _ATTEMPT_TITLES["failed"])
    reason = f"{attempt.error.message} " if attempt.error is not None and attempt.status != "cancelled" else ""
    details = attempt.error.traceback if attempt.error is not None else ""
    return FailedEvaluation(title, f"{reason}The results below are from the previous evaluation.", details, kind)


def _explain_figures(selected: SelectedEvaluation, aggregate: dict[str, Any]) -> tuple[str, ...]:
    """Return what is wrong with the classes, what the figures cover, and what flatters them."""
    notes = _explain_average(selected.value_names, selected.parts) + _explain_intervals(
        selected.evaluation, selected.headline, int(aggregate.get("num_images", 0))
    )
    untrained = [name for name in selected.untrained_classes if name in aggregate.get("classes", [])]
    if not untrained:
        return notes
    names = ", ".join(untrained[:MAX_NAMED_CLASSES])
    more = len(untrained) - MAX_NAMED_CLASSES
    names += f" and {more:,} more" if more > 0 else ""
    return (f"No training image of: {names}. The model cannot recognise a class that it was not trained on.", *notes)


def _explain_average(names: list[str], parts: Sequence[AnyReportPart]) -> tuple[str, ...]:
    """Return over what the metrics of several values are averaged, and where those of each value are."""
    num = max((len(part.values) for part in parts if isinstance(part, ValueTablePart)), default=1)
    if num < 2:
        return ()
    known = f" ({name_first(names, MAX_NAMED_CLASSES)})" if len(names) == num else ""
    return (
        f"Each metric is the average over {num} values{known}. Choose a value below to see its own metrics. "
        "Values with large numbers weigh most in the averages of the errors.",
    )


def _explain_intervals(
    evaluation: EvaluationRecord | None, headline: Mapping[str, Figure], num: int
) -> tuple[str, ...]:
    """Return what the figures of `num` images cover, and what flatters them."""
    few = " With few images, the intervals are wide." if num < 200 else ""
    notes = []
    if any(figure.interval for figure in headline.values()):
        notes.append(
            f"The 95 % intervals show the uncertainty from having only {count(num, 'image')}. They do not include the "
            f"variation between training runs.{few}"
        )
    notes += explain_limits(headline)
    subsets = evaluation.split_subsets if evaluation is not None else []
    if "val" in subsets:
        notes.append(
            "These include validation images, which were used to choose the best epoch, so the metrics are too good."
        )
    if "train" in subsets:
        notes.append("These include training images, which the model was trained on, so the metrics are too good.")
    return tuple(notes)


def _make_skipped(skipped: dict[str, Any] | None) -> Skipped | None:
    if not skipped or not skipped.get("count"):
        return None
    number = int(skipped["count"])
    items = [
        (str(item.get("source_name", item["filename"])), str(item["message"]))
        for item in skipped.get("images", [])[:MAX_SKIPPED]
    ]
    more = number - len(items)
    title = f"{count(number, 'image')} could not be read and {'was' if number == 1 else 'were'} skipped"
    return Skipped(title, items, f"And {more:,} more." if more > 0 else "")
