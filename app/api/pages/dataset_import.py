"""The report of a dry run, and the form that imports what it is about. Turns a report into texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.api.pages.dataset_content import Problems, describe_problems
from app.api.pages.subsets import SUBSET_TITLES
from app.api.templating import Fragment
from app.schemas.datasets import ImportCheck, ImportReport

MAX_MAPPED_CLASSES = 300
MAX_VALUE_NAMES = 50


@dataclass(frozen=True)
class ClassRow:
    """A class of the source and what becomes of it."""

    name: str
    count: str
    new_name: str
    is_left_out: bool


@dataclass(frozen=True)
class ModeChoice:
    """A way to bring the files in, in a sentence."""

    value: str
    title: str
    text: str


MODES = (
    ModeChoice("copy", "Copy", "The project keeps its own files and does not change when the folder does."),
    ModeChoice("link", "Link", "Uses no extra space: creates hard links to the files. Only on the same disk."),
    ModeChoice(
        "reference", "Refer", "Uses no extra space: reads the files in place. They must not be moved or changed."
    ),
)


@dataclass(frozen=True)
class Report:
    """What `dataset/_import_report.html` shows. `options` is sent with the import; the mapping changes it."""

    project_id: str
    can_import: bool
    title: str
    facts: list[tuple[str, str]]
    notes: list[str]
    problems: Problems | None
    rows: list[ClassRow]
    rows_note: str
    source_path: str
    upload_id: str
    source_format: str
    options: dict[str, Any]
    modes: tuple[ModeChoice, ...]
    submit: str


@dataclass(frozen=True)
class ReportContext:
    """Names for `dataset/_import_report.html`."""

    report: Report


def import_report_fragment(project_id: str, request: ImportCheck, report: ImportReport, job_id: str) -> Fragment:
    """Return what a dry run found, with the form that imports it."""
    mapping = request.options.class_mapping
    found = list(report.found_classes.items())
    rows = [
        ClassRow(name, f"{count:,}", (mapping.get(name, name) or ""), name in mapping and mapping[name] is None)
        for name, count in found[:MAX_MAPPED_CLASSES]
    ]
    noun = "image" if report.num_images == 1 else "images"
    context = Report(
        project_id=project_id,
        can_import=report.can_import,
        title=_title(report, noun),
        facts=_list_facts(report),
        notes=report.notes,
        problems=describe_problems(
            report.problems, report.num_problems, f"/api/datasets/{project_id}/import/check/{job_id}/problems"
        ),
        rows=rows,
        rows_note=f"The first {MAX_MAPPED_CLASSES} of {len(found):,} classes." if len(found) > len(rows) else "",
        source_path=request.source_path or "",
        upload_id=request.upload_id or "",
        source_format=request.source_format or "",
        options=request.options.model_dump(),
        modes=MODES,
        submit=f"Import {report.num_images:,} {noun}",
    )
    return Fragment("dataset/_import_report.html", ReportContext(context))


def _title(report: ImportReport, noun: str) -> str:
    if report.can_import:
        return f"{report.num_images:,} {noun} can be imported"
    return "Nothing can be imported" if report.is_complete else "The preview reached a limit"


def _list_facts(report: ImportReport) -> list[tuple[str, str]]:
    facts = [("Images", f"{report.num_images:,}"), ("Annotations", f"{report.num_annotations:,}")]
    if report.source_format:
        facts.insert(0, ("Read as", report.source_format.replace("_", " ")))
    if report.classes:
        facts.append(("Classes", f"{report.num_classes:,}"))
    if report.value_names:
        facts.append(("Values", ", ".join(report.value_names[:MAX_VALUE_NAMES])))
    facts += [(SUBSET_TITLES.get(name, name), f"{count:,}") for name, count in report.split_counts.items()]
    return facts
