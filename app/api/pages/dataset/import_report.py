"""The report of an import preview, and the form that imports what it is about. Turns a report into texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from app.api.pages.dataset.import_choices import Choices, OptionChange, list_changes, make_choices
from app.api.pages.dataset.problem_groups import Problems, describe_problems, name_lost
from app.api.pages.subsets import SUBSET_TITLES
from app.api.templating import Fragment
from app.schemas.datasets import ImportCheck
from app.schemas.format_names import describe_format
from app.schemas.import_report import ClassPreview, ImportReport, LossLevel

MAX_MAPPED_CLASSES = 300
MAX_VALUE_NAMES = 50
# Classes whose pictures are in sight; those of the others are shown on a press.
MAX_SHOWN_PREVIEWS = 8
NoticeKind = Literal["good", "info", "warning", "error"]
_NOTICE_KINDS: dict[LossLevel, NoticeKind] = {"none": "good", "small": "info", "notable": "warning", "most": "error"}


@dataclass(frozen=True)
class MappedClassRow:
    """A class of the source and the name that it gets."""

    name: str
    count: str
    new_name: str
    is_left_out: bool


@dataclass(frozen=True)
class PreviewPicture:
    """A small picture; `name` is its path in the source, `caption` the values that annotate it."""

    url: str
    name: str
    caption: str


@dataclass(frozen=True)
class PreviewRow:
    """Pictures of one class, or of the whole source."""

    title: str
    count: str
    pictures: list[PreviewPicture]


@dataclass(frozen=True)
class ModeChoice:
    """A way to store the files, in a sentence."""

    value: str
    title: str
    text: str


MODES = (
    ModeChoice("copy", "Copy", "The project gets its own files. Changes in the folder do not affect it."),
    ModeChoice("link", "Hard link", "Takes no space. Works on the same disk only."),
    ModeChoice("reference", "Reference", "Takes no space. The files must stay where they are, unchanged."),
)
ZIP_MODE = ModeChoice(
    "copy", "Copy", "The images are unpacked into the project, because files in a zip cannot be linked."
)


@dataclass(frozen=True)
class ImportReportPanel:
    """What `dataset/_import_report.html` shows. `options` is sent with the import and with the next check."""

    project_id: str
    can_import: bool
    title: str
    text: str
    kind: NoticeKind
    facts: list[tuple[str, str]]
    notes: list[str]
    changes: list[OptionChange]
    problems: Problems | None
    previews: list[PreviewRow]
    more_previews: list[PreviewRow]
    more_previews_title: str
    choices: Choices | None
    places: dict[str, str]
    rows: list[MappedClassRow]
    rows_note: str
    source_path: str
    upload_id: str
    source_format: str
    options: dict[str, Any]
    modes: tuple[ModeChoice, ...]
    submit: str


@dataclass(frozen=True)
class ImportReportContext:
    """Names for `dataset/_import_report.html`."""

    report: ImportReportPanel


def import_report_fragment(project_id: str, request: ImportCheck, report: ImportReport, job_id: str) -> Fragment:
    """Return what an import preview found, with the form that imports it."""
    check_url = f"/api/datasets/{project_id}/import/check/{job_id}"
    previews = [_make_preview(item, report, check_url) for item in report.previews]
    num_more = len(previews) - MAX_SHOWN_PREVIEWS
    rows, rows_note = _list_classes(request, report)
    choices = make_choices(request.options, report)
    context = ImportReportPanel(
        project_id=project_id,
        can_import=report.can_import,
        title=report.in_words(),
        text=_advise(report),
        kind=_NOTICE_KINDS[report.loss_level],
        facts=_list_facts(report),
        notes=report.notes,
        changes=list_changes(request.options),
        problems=describe_problems(report.groups, report.problems, report.num_problems, f"{check_url}/problems"),
        previews=previews[:MAX_SHOWN_PREVIEWS],
        more_previews=previews[MAX_SHOWN_PREVIEWS:],
        more_previews_title=f"Images of {num_more:,} more {'class' if num_more == 1 else 'classes'}",
        choices=choices,
        places=_name_places(choices, rows),
        rows=rows,
        rows_note=rows_note,
        source_path=request.source_path or "",
        upload_id=request.upload_id or "",
        source_format=request.source_format or "",
        options=request.options.model_dump(mode="json"),
        modes=_list_modes(request.source_path or ""),
        submit=f"Import {report.num_images:,} {'image' if report.num_images == 1 else 'images'}",
    )
    return Fragment("dataset/_import_report.html", ImportReportContext(context))


def _list_modes(source_path: str) -> tuple[ModeChoice, ...]:
    """Return the ways to store the files: those in a zip are unpacked, so there is nothing to link or refer to."""
    return (ZIP_MODE,) if source_path.casefold().endswith(".zip") else MODES


def _name_places(choices: Choices | None, rows: list[MappedClassRow]) -> dict[str, str]:
    """Return the parts of the report that a group of problems can lead to, each with the text of its button."""
    places = {"choices": choices.button} if choices is not None else {}
    return places | {"classes": "Edit the classes"} if rows else places


def _advise(report: ImportReport) -> str:
    """Return what to do next, empty when nothing needs attention."""
    if not report.can_import and (report.documents or report.columns):
        what = " or ".join(
            name
            for name, is_there in (("the annotation file", report.documents), ("the columns", report.columns))
            if is_there
        )
        return f"Choose {what} to read, then preview again."
    if not report.can_import:
        return "" if report.groups or not report.problems else report.problems[0].fix
    if report.loss_level == "most":
        lost = "images would be lost" if report.num_lost >= report.num_unused_entries else "entries cannot be used"
        return f"Most {lost}. Fix the problems below, then preview again."
    lost = name_lost(report.num_lost, report.num_unused_entries)
    return f"The reasons are below; the CSV file names every {lost}." if lost else ""


def _make_preview(preview: ClassPreview, report: ImportReport, check_url: str) -> PreviewRow:
    captions = preview.captions or [""] * len(preview.pictures)
    number = report.num_images if preview.class_name is None else report.class_counts.get(preview.class_name, 0)
    return PreviewRow(
        title=preview.class_name or "All images",
        count=f"{number:,} {'image' if number == 1 else 'images'}",
        pictures=[
            PreviewPicture(f"{check_url}/previews/{picture}", name, caption)
            for picture, name, caption in zip(preview.pictures, preview.names, captions, strict=True)
        ],
    )


def _list_classes(request: ImportCheck, report: ImportReport) -> tuple[list[MappedClassRow], str]:
    """Return the classes as the source names them, and a note when there are too many to show."""
    mapping = request.options.class_mapping
    found = list(report.found_classes.items())
    rows = [
        MappedClassRow(name, f"{count:,}", (mapping.get(name, name) or ""), name in mapping and mapping[name] is None)
        for name, count in found[:MAX_MAPPED_CLASSES]
    ]
    return rows, f"The first {MAX_MAPPED_CLASSES} of {len(found):,} classes." if len(found) > len(rows) else ""


def _list_facts(report: ImportReport) -> list[tuple[str, str]]:
    # One label or value each, unless there are more annotations than images, as with boxes.
    what = "Labelled images" if report.num_annotations <= report.num_images else "Annotations"
    facts = [(what, f"{report.num_annotations:,}")] if report.can_import else []
    if report.source_format:
        facts.insert(0, ("Read as", describe_format(report.source_format)))
    if report.num_files:
        facts.insert(0, ("Image files found", f"{report.num_files:,}"))
    if report.num_left_out:
        facts.append(("Left out by class", f"{report.num_left_out:,}"))
    if report.classes:
        facts.append(("Classes", f"{report.num_classes:,}"))
    if report.value_names:
        facts.append(("Values", ", ".join(report.value_names[:MAX_VALUE_NAMES])))
    counts = report.split_counts
    order = [
        *(name for name in SUBSET_TITLES if name in counts),
        *(name for name in counts if name not in SUBSET_TITLES),
    ]
    facts += [(SUBSET_TITLES.get(name, name), f"{counts[name]:,}") for name in order]
    return facts
