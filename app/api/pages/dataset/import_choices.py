"""How a source is read, as choices on the page: annotation file, columns, and what was changed from the defaults."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from app.api.pages.dataset.problem_groups import find_remedy_label
from app.api.pages.forms import Option
from app.schemas.datasets import ImportOptions
from app.schemas.import_report import ImportReport
from app.schemas.pixels import PixelScale

MAX_COLUMNS = 200
MAX_SAMPLES = 3
MAX_DOCUMENTS = 500
_TITLES = {
    "filename_column": "Column with file names",
    "target_columns": "Columns with classes or values",
    "split_column": "Column with the subset",
    "annotation_file": "Annotation file",
    "class_mapping": "Classes renamed, merged or left out",
    "pixel_scale": "Range of pixel values",
}
_NESTED = {
    "into_class": "Images in subfolders are added to the class",
    "own_class": "Each subfolder of a class folder is a class",
}


@dataclass(frozen=True)
class OptionChange:
    """An option that is not at its default; `undo` is JSON: the fields to replace."""

    id: str
    text: str
    undo: str


@dataclass(frozen=True)
class ColumnChoice:
    """A column of the table with its first cells; `role` is what it is used as now."""

    name: str
    samples: str
    role: str


@dataclass(frozen=True)
class ScaleRange:
    """The values that become black and white now, and how they were found."""

    min: str
    max: str
    text: str


@dataclass(frozen=True)
class Choices:
    """What can be chosen of a source; without documents or columns that part is not drawn."""

    documents: list[Option]
    document: str
    columns: list[ColumnChoice]
    columns_note: str
    roles: list[Option]
    scale: ScaleRange | None
    title: str
    button: str


def make_choices(options: ImportOptions, report: ImportReport) -> Choices | None:
    """Return what can be chosen, None when there is nothing to choose."""
    documents = [Option("", "Detect automatically"), *(Option(name, name) for name in report.documents[:MAX_DOCUMENTS])]
    document = options.annotation_file or ""
    if document and document not in report.documents:
        documents.append(Option(document, document))
    scale = report.pixel_scale
    if not report.columns and len(documents) == 1 and scale is None:
        return None
    shown = report.columns[:MAX_COLUMNS]
    title, button = _name_choices(has_documents=len(documents) > 1, has_columns=bool(report.columns))
    return Choices(
        documents=documents if len(documents) > 1 else [],
        document=document,
        columns=[ColumnChoice(item.name, ", ".join(item.samples[:MAX_SAMPLES]), item.role) for item in shown],
        columns_note=_note_columns(len(report.columns)),
        roles=[
            Option("unused", "Not used"),
            Option("filename", "File name"),
            Option("target", "Value" if report.value_names else "Class" if report.classes else "Class or value"),
            Option("subset", "Subset"),
        ],
        scale=_make_range(scale) if scale is not None else None,
        title=title,
        button=button,
    )


def _name_choices(*, has_documents: bool, has_columns: bool) -> tuple[str, str]:
    """Return the title of what can be chosen and the text of a button that leads there."""
    if has_documents and has_columns:
        return "Annotation file and columns", "Choose file and columns"
    if has_documents:
        return "Annotation file", "Choose the annotation file"
    return ("Columns", "Choose columns") if has_columns else ("Range of pixel values", "Choose the range")


def _make_range(scale: PixelScale) -> ScaleRange:
    found = f"{scale.how[:1].upper()}{scale.how[1:]}. " if scale.how else ""
    text = f"{found}Leave a field empty to detect the range again."
    return ScaleRange(f"{scale.min:.10g}", f"{scale.max:.10g}", text)


def _note_columns(number: int) -> str:
    return f"The first {MAX_COLUMNS} of {number:,} columns." if number > MAX_COLUMNS else ""


def list_changes(options: ImportOptions) -> list[OptionChange]:
    """Return the options that are not at their defaults, each with what puts it back."""
    defaults, values = ImportOptions().model_dump(mode="json"), options.model_dump(mode="json")
    return [
        OptionChange(f"undo-{name}", _describe_change(name, value), json.dumps({name: defaults[name]}))
        for name, value in values.items()
        if value != defaults[name]
    ]


def _describe_change(name: str, value: Any) -> str:
    if name == "nested_folders" and value in _NESTED:
        return _NESTED[value]
    if label := find_remedy_label({name: value}):
        return label
    title = _TITLES.get(name, name.replace("_", " ").capitalize())
    if name == "split_column" and value == "":
        return f"{title}: not used"
    if name == "pixel_scale":
        return f"{title}: {value['min']:g} to {value['max']:g}"
    if isinstance(value, list):
        return f"{title}: {', '.join(map(str, value))}"
    return f"{title}: {value}" if isinstance(value, str | int | float) and not isinstance(value, bool) else title
