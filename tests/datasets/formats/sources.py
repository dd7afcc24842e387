"""Writes sources of many layouts for the tests of this folder, and looks at them. Tests nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.annotations.registry import get_kind
from app.datasets.formats.report.check import check_source
from app.datasets.formats.source import Source
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions
from app.schemas.import_report import ImportReport
from app.schemas.payloads import ImportLimits
from tests.datasets.pictures import write_image

ALLOWED = ("image_folders", "csv", "coco")


def write_source(root: Path, images: Iterable[str] = (), texts: Mapping[str, str] | None = None) -> Path:
    """Write pictures of the given names, and files with the given texts, below a folder."""
    root.mkdir(exist_ok=True)
    for name in images:
        write_image(root / name)
    for name, text in (texts or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def two_in(*folders: str) -> list[str]:
    """Return the names of two pictures in each of some folders."""
    return [f"{folder}/{number}.png" for folder in folders for number in range(2)]


def coco_document(names: Sequence[str], classes: Sequence[str] = ("apple", "pear")) -> str:
    """Return a COCO document whose images have the classes by turns."""
    return json.dumps(
        {
            "images": [{"id": index, "file_name": name} for index, name in enumerate(names)],
            "annotations": [
                {"id": index, "image_id": index, "category_id": index % len(classes)} for index in range(len(names))
            ],
            "categories": [{"id": index, "name": name} for index, name in enumerate(classes)],
        }
    )


def look_at(
    root: Path,
    kind: str = "label",
    allowed: Sequence[str] = ALLOWED,
    limits: ImportLimits | None = None,
    **options: Any,
) -> ImportReport:
    """Return the report of a dry run; its counts add up, whatever was found."""
    source = Source(root, get_kind(kind), allowed, None, ImportOptions(**options), Work(limits))
    report = check_source(source, root.parent)
    assert sum(group.count for group in report.groups) == report.num_problems
    assert sum(group.num_images for group in report.groups) == report.num_lost
    assert report.num_images + report.num_lost + report.num_left_out == report.num_files
    return report


def problems_of(report: ImportReport, kind: str) -> list[str]:
    """Return the files of the problems of a kind."""
    return [problem.file for problem in report.problems if problem.kind == kind]
