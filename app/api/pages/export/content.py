"""Exports as words, figures and links, and the form of a new one. No rule of exports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from app.api.pages.export.certificate import Certificate, make_certificate
from app.api.pages.forms import FormField, Option, fields_from_schema
from app.api.pages.run_words import show_size
from app.api.pages.times import Moment, describe_moment
from app.api.templating import Fragment
from app.schemas.common import parse_time
from app.schemas.export import ExportFormat, ExportOptions, ExportRecord
from app.schemas.export_pages import ExportDetail, ExportEntry, ExportModel, ExportOffer, ExportPage, ExportProgressView

STEP_TITLES = {
    "load": "Load the model",
    "convert": "Convert the model",
    "simplify": "Simplify the graph",
    "describe": "Add classes and preprocessing",
    "certify": "Compare with the trained model on images",
    "bundle": "Create the bundle",
}
CONTENT_TEXTS = {
    "README.md": "how to run the model, and how to prepare images in any language",
    "SHA256SUMS": "checksums of all files",
    "labels.txt": "classes or values, one per line, in output order",
    "parity.json": "parity certificate with the difference for each image",
    "metadata.json": "classes, input size, resizing, metrics, architecture and licence",
    "golden/": "a few of your images with their expected predictions",
    "predict.py": "runs the model on image files; --check verifies it on the images in golden/",
}
ADVICE = {
    "refused": "Try again without “Simplify”, or with another operator set. The certificate shows the difference.",
    "interrupted": "The server stopped during the export. Export again.",
    "cancelled": "No file was created. Export again if you need it.",
    "failed": "Fix the cause, or try other options. Then export again.",
}
OPTION_HELP = {
    "opset_version": "ONNX operator version, 13 to 21. Change it only if the program that runs the model requires it.",
    "dynamic_axes": "The model accepts batches of any size. If off, exactly one image at a time.",
    "simplify": "Removes unnecessary operations, which makes the file smaller and faster.",
}
OPTION_LABELS = {
    "opset_version": "Operator set (opset)",
    "dynamic_axes": "Any batch size",
    "simplify": "Simplify",
}


@dataclass(frozen=True)
class ListItem:
    """A line of the list."""

    title: str
    text: str
    status: str
    created: Moment
    href: str
    content_url: str
    is_selected: bool


@dataclass(frozen=True)
class ExportStep:
    """A step of a running export. `state`: done, current or waiting."""

    title: str
    state: str


@dataclass(frozen=True)
class ExportProgressBar:
    """Names for `export/_export_progress.html`. `value` is None while it waits; `steps` is empty when it has ended."""

    url: str
    text: str
    value: float | None
    steps: tuple[ExportStep, ...]
    cancel_url: str


@dataclass(frozen=True)
class ProgressContext:
    """The progress on its own."""

    progress: ExportProgressBar


@dataclass(frozen=True)
class FailedExport:
    """Why an export has no file, and what to do."""

    title: str
    reason: str
    advice: str
    traceback: str
    kind: str


@dataclass(frozen=True)
class ExportPanel:
    """What is shown of the selected export."""

    id: str
    title: str
    status: str
    experiment_name: str
    experiment_url: str
    facts: list[tuple[str, str]]
    progress: ExportProgressBar | None
    ending: FailedExport | None
    download_url: str
    download_text: str
    bundle_url: str
    missing_files: bool
    changed_files: bool
    checksum: str
    contents: list[tuple[str, str]]
    usage: str
    certificate: Certificate | None
    retry_values: str
    retry_reason: str
    is_active: bool


@dataclass(frozen=True)
class ExportContent:
    """Names for `export/_export_content.html`."""

    project_id: str
    url: str
    items: tuple[ListItem, ...]
    detail: ExportPanel | None
    missing_id: str
    can_export: bool
    has_experiments: bool


@dataclass(frozen=True)
class ExportContentContext:
    """List and detail on their own."""

    content: ExportContent


@dataclass(frozen=True)
class ModelChoice:
    """What there is of one experiment."""

    checkpoints: tuple[Option, ...]
    size_text: str


@dataclass(frozen=True)
class ModelContext:
    """Names for `export/_export_model.html`."""

    model: ModelChoice


@dataclass(frozen=True)
class FormatCard:
    """A format that can be chosen, with the options that matter to it."""

    name: str
    title: str
    text: str
    reason: str
    is_chosen: bool
    fields: tuple[FormField, ...]
    has_size: bool


@dataclass(frozen=True)
class ExportForm:
    """Names for `export/_export_form.html`, the form of the dialog. Without a model there is nothing to export."""

    project_id: str
    experiments: tuple[Option, ...]
    chosen: str
    model: ModelChoice | None
    formats: tuple[FormatCard, ...]


def export_content_fragment(project_id: str, page: ExportPage) -> Fragment:
    """Return the list and what is selected of it."""
    return Fragment("export/_export_content.html", ExportContentContext(make_content(project_id, page)))


def export_progress_fragment(project_id: str, record: ExportRecord, progress: ExportProgressView | None) -> Fragment:
    """Return how far an export is; of one that has ended, that it has."""
    return Fragment("export/_export_progress.html", ProgressContext(_progress(project_id, record, progress)))


def export_model_fragment(model: ExportModel) -> Fragment:
    """Return what can be exported of an experiment."""
    return Fragment("export/_export_model.html", ModelContext(_model(model)))


def make_content(project_id: str, page: ExportPage) -> ExportContent:
    """Return list and detail for the page or the fragment."""
    selected = page.selected.record.id if page.selected is not None else page.missing_id
    query = f"?{urlencode({'export': selected})}" if selected else ""
    return ExportContent(
        project_id=project_id,
        url=f"/projects/{project_id}/export/export-content{query}",
        items=tuple(_item(project_id, entry, entry.record.id == selected) for entry in page.entries),
        detail=_detail(project_id, page.selected) if page.selected is not None else None,
        missing_id=page.missing_id or "",
        can_export=page.can_export,
        has_experiments=page.has_experiments,
    )


def export_form_fragment(project_id: str, offer: ExportOffer) -> Fragment:
    """Return the form of a new export."""
    first = next((item.name for item in offer.formats if item.available), "")
    schema = ExportOptions.model_json_schema()
    fields = [_explain(item) for item in fields_from_schema(schema, {}, "options") if _key(item) != "input_shape"]
    form = ExportForm(
        project_id=project_id,
        experiments=tuple(Option(item.id, item.name, item.reason or "") for item in offer.candidates),
        chosen=offer.model.experiment_id if offer.model is not None else "",
        model=_model(offer.model) if offer.model is not None else None,
        formats=tuple(_format_card(item, fields, is_chosen=item.name == first) for item in offer.formats),
    )
    return Fragment("export/_export_form.html", form)


def _format_card(item: ExportFormat, fields: Sequence[FormField], *, is_chosen: bool) -> FormatCard:
    return FormatCard(
        name=item.name,
        title=item.display_name,
        text=item.description,
        reason=item.reason or "",
        is_chosen=is_chosen,
        fields=tuple(field for field in fields if _key(field) in item.options),
        has_size="input_shape" in item.options,
    )


def _key(field: FormField) -> str:
    return field.name.removeprefix("options.")


def _explain(field: FormField) -> FormField:
    key = _key(field)
    return replace(field, label=OPTION_LABELS.get(key, field.label), help=OPTION_HELP.get(key, field.help))


def _model(model: ExportModel) -> ModelChoice:
    options = []
    for name, title in (("best", "Best"), ("last", "Last")):
        info = model.checkpoints.get(name)  # type: ignore[call-overload]
        text = f"{title}: epoch {info.epoch}, {show_size(info.size_mb)}" if info else title
        options.append(Option(name, text, "" if info else "file missing"))
    size = f"Its input was {model.image_size} × {model.image_size} px in training." if model.image_size else ""
    return ModelChoice(tuple(options), size)


def _item(project_id: str, entry: ExportEntry, is_selected: bool) -> ListItem:
    record = entry.record
    query = urlencode({"export": record.id})
    return ListItem(
        title=entry.experiment_name or "A deleted experiment",
        text=f"{entry.format_title}, {record.checkpoint} checkpoint",
        status=record.status,
        created=describe_moment(record.created_at),
        href=f"/projects/{project_id}/export?{query}",
        content_url=f"/projects/{project_id}/export/export-content?{query}",
        is_selected=is_selected,
    )


def _detail(project_id: str, detail: ExportDetail) -> ExportPanel:
    record = detail.record
    base = f"/api/export/{project_id}/{record.id}"
    size = f", {show_size(record.output_size_mb)}" if record.output_size_mb is not None else ""
    request = record.model_dump(include={"experiment_id", "checkpoint", "format", "options"})
    return ExportPanel(
        id=record.id,
        title=f"{detail.experiment_name or 'A deleted experiment'} as {detail.format_title}",
        status=record.status,
        experiment_name=detail.experiment_name or "",
        experiment_url=f"/projects/{project_id}/training?experiment={record.experiment_id}"
        if detail.experiment_name is not None
        else "",
        facts=_facts(record, detail.option_names),
        progress=_progress(project_id, record, detail.progress) if detail.progress is not None else None,
        ending=_ending(record),
        download_url=f"{base}/download" if detail.files == "there" else "",
        download_text=f"{record.output_file or ''}{size}",
        bundle_url=f"{base}/bundle" if detail.files == "there" else "",
        missing_files=detail.files == "missing",
        changed_files=detail.files == "changed",
        checksum=record.checksum or "",
        contents=_contents(record),
        usage="\n".join(detail.usage) if detail.files == "there" else "",
        certificate=make_certificate(project_id, detail.certificate, detail.metrics, detail.worst)
        if detail.certificate is not None
        else None,
        retry_values=json.dumps(request),
        retry_reason=detail.retry_reason or "",
        is_active=detail.progress is not None,
    )


def _facts(record: ExportRecord, option_names: Sequence[str]) -> list[tuple[str, str]]:
    options = record.options
    shape = options.input_shape
    size = f"{shape[2]} × {shape[3]} px (height × width)" if shape else "as in training"
    said = {
        "input_shape": ("Input", size),
        "dynamic_axes": ("Batch", "any size" if options.dynamic_axes else "one image"),
        "simplify": ("Simplified", "yes" if options.simplify else "no"),
        "opset_version": ("Operator set", str(options.opset_version)),
    }
    return [
        ("Checkpoint", record.checkpoint),
        *(said[name] for name in said if name in option_names),
        ("Requested", describe_moment(record.created_at).exact),
        *_duration(record),
    ]


def _duration(record: ExportRecord) -> list[tuple[str, str]]:
    if record.started_at is None or record.completed_at is None:
        return []
    begin, end = (parse_time(t) for t in (record.started_at, record.completed_at))
    seconds = (end - begin).total_seconds()
    return [("Duration", f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min")]


def _progress(project_id: str, record: ExportRecord, progress: ExportProgressView | None) -> ExportProgressBar:
    query = urlencode({"export": record.id})
    url = f"/projects/{project_id}/export/export-progress?{query}"
    cancel = f"/api/jobs/{record.job_id}/cancel"
    if progress is None:
        return ExportProgressBar(url, f"This export is {record.status}.", 100.0, (), "")
    steps = tuple(
        ExportStep(
            STEP_TITLES.get(step.name, step.name),
            "done" if step.is_done else "current" if step.is_current else "waiting",
        )
        for step in progress.steps
    )
    if progress.pct is None:
        return ExportProgressBar(url, "queued", None, steps, cancel)
    counted = progress.message.partition(": ")[2]
    text = f"{progress.pct:.0f} %" + (f", {counted}" if counted else "")
    return ExportProgressBar(url, text, progress.pct, steps, cancel)


def _ending(record: ExportRecord) -> FailedExport | None:
    titles = {
        "failed": "The export failed",
        "interrupted": "The export was interrupted",
        "cancelled": "The export was cancelled",
    }
    if record.status not in titles:
        return None
    error = record.error
    is_refused = record.status == "failed" and record.validation is not None and not record.validation.passed
    advice = ADVICE["refused"] if is_refused else ADVICE[record.status]
    return FailedExport(
        title="Rejected: the exported file does not match the model" if is_refused else titles[record.status],
        reason=error.message if error is not None else "",
        advice=advice,
        traceback=error.traceback if error is not None else "",
        kind="error" if record.status == "failed" else "warning",
    )


def _contents(record: ExportRecord) -> list[tuple[str, str]]:
    described: dict[str, str] = {}
    for name in record.contents:
        key = "golden/" if name.startswith("golden/") else name
        described[key] = "the exported model" if key == record.output_file else CONTENT_TEXTS.get(key, "")
    return list(described.items())
