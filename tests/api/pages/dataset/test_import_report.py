"""The report of a check as HTML: headline and tone, problems by kind, remedies and undo, pictures, choices."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from app.api.pages.dataset.import_choices import make_choices
from app.api.pages.dataset.import_report import import_report_fragment
from app.api.templating import render_fragment
from app.datasets.formats.report.problem_kinds import KINDS
from app.schemas.datasets import ImportCheck, ImportOptions
from app.schemas.import_report import ImportReport
from tests.api.checking import check_import, check_import_html

PID = "proj-00000000"
JID = "job-00000000"
BASE: dict[str, Any] = {
    "source_format": "csv",
    "num_annotations": 0,
    "classes": [],
    "class_counts": {},
    "split_counts": {},
    "num_problems": 0,
    "problems": [],
    "num_images": 100,
    "can_import": True,
}
COLUMNS = [{"name": "file", "samples": ["a.png"], "role": "filename"}]
UNDO = re.compile(r'id="undo-(\w+)" data-set-options="([^"]+)"')
REMEDY = {"label": "Add them to the class", "options": {"annotation_file": "a b %.csv"}}


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def draw(options: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return the fragment of a report that is made up."""
    request = ImportCheck.model_validate({"source_path": "/data", "options": options or {}})
    return render_fragment(import_report_fragment(PID, request, ImportReport.model_validate(BASE | changes), JID))


def group(**changes: Any) -> dict[str, Any]:
    example = {"file": "<b>/1.png", "message": "Lies too deep.", "fix": "Move it."}
    base = {"kind": "other", "title": "Images below", "severity": "error", "count": 7, "num_images": 4}
    return base | {"examples": [example], "remedies": [REMEDY]} | changes


@pytest.mark.parametrize(
    ("changes", "kind", "sentence"),
    [
        ({}, "good", "All 100 images will be imported"),
        ({"num_images": 96, "num_lost": 4}, "info", "96 of 100 images will be imported; 4 will not"),
        ({"num_images": 90, "num_lost": 10}, "warning", "90 of 100 images will be imported; 10 will not"),
        ({"num_images": 9, "num_lost": 91}, "error", "9 of 100 images will be imported; 91 will not"),
        ({"num_images": 0, "num_lost": 100, "can_import": False}, "error", "None of 100 images can be imported"),
        ({"num_images": 0, "can_import": False}, "error", "Nothing can be imported"),
        ({"num_images": 0, "can_import": False, "is_complete": False}, "error", "The preview stopped at a limit"),
    ],
)
def test_the_headline_adds_up_and_its_tone_is_that_of_the_loss(
    changes: dict[str, Any], kind: str, sentence: str
) -> None:
    html = draw(**changes)
    assert f'<div class="notice notice--{kind}" role="status">' in html
    assert sentence in text_of(html)
    assert (f"Import {changes.get('num_images', 100)} images" in html) is changes.get("can_import", True)


def test_problems_are_counted_by_kind_with_a_button_that_mends_them() -> None:
    warning = group(title="Few images", severity="warning", count=1, num_images=0, remedies=[])
    html = draw(num_images=96, num_lost=4, num_problems=8, groups=[group(), warning])
    text = text_of(html)
    assert "8 problems" in text
    assert "Images below 4 images not imported" in text
    assert "Few images 1 warning" in text
    assert "And 6 more." in text
    assert "&lt;b&gt;/1.png" in html
    (change,) = re.findall(r'id="remedy-0-0" data-add-options="([^"]+)"', html)
    assert json.loads(unescape(change)) == REMEDY["options"]
    assert "data-set-format" not in html
    other = draw(num_problems=1, groups=[group(remedies=[{**REMEDY, "source_format": "image_folders"}])])
    assert re.findall(r'id="remedy-0-0" [^>]*data-set-format="([^"]+)"', other) == ["image_folders"]
    assert f'href="/api/datasets/{PID}/import/check/{JID}/problems" download' in html
    many = draw(num_images=96, num_problems=8, groups=[group()] * 3)
    assert ("<summary>" in html, many.count("<summary>1 example</summary>")) == (False, 3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_images": 96, "num_lost": 4, "num_problems": 4}, "are below; the CSV file names every image."),
        ({"num_unused_entries": 3, "num_problems": 3}, "are below; the CSV file names every entry."),
        (
            {"num_images": 96, "num_lost": 4, "num_unused_entries": 3, "num_problems": 7},
            "are below; the CSV file names every image and every entry.",
        ),
        ({"num_images": 9, "num_lost": 91, "num_problems": 91}, "Fix the problems below, then preview again."),
        ({"num_problems": 1}, ""),
        ({}, ""),
    ],
)
def test_only_what_was_lost_is_said_to_be_named(changes: dict[str, Any], sentence: str) -> None:
    text = text_of(draw(**changes, groups=[group()] if changes else []))
    assert sentence in text
    assert ("The reasons are below" in text) is ("CSV file names" in sentence)
    assert "Each of them" not in text


def test_a_single_class_leads_to_no_table_of_classes() -> None:
    found: dict[str, Any] = {"classes": ["cat"], "class_counts": {"cat": 9}, "found_classes": {"cat": 9}}
    found["num_problems"] = 1
    one = group(kind="one_class", title=KINDS["one_class"].title, severity="warning", num_images=0, remedies=[])
    text = text_of(draw(**found, groups=[one]))
    assert "Only one class" in text
    assert "Edit the classes" not in text
    few = group(kind="few_images", title=KINDS["few_images"].title, severity="warning", num_images=0, remedies=[])
    assert "Edit the classes" in text_of(draw(**found, groups=[few]))


def test_problems_without_groups_are_shown_all_the_same() -> None:
    problem = {"file": "the source", "message": "It ended.", "fix": "Check a part of the data."}
    html = draw(num_images=0, can_import=False, num_problems=1, problems=[problem])
    assert "1 problem Problem 1 problem the source It ended. Check a part of the data." in text_of(html)


def test_changed_options_are_listed_and_can_be_undone() -> None:
    options = {"annotation_file": "Ä 100 %.csv", "target_columns": ["a b", "ü"], "class_mapping": {"x": None}}
    html = draw(options)
    text = text_of(html)
    assert "Annotation file: Ä 100 %.csv Undo" in text
    assert "Columns with classes or values: a b, ü Undo" in text
    assert "Classes renamed, merged or left out Undo" in text
    undone = {name: json.loads(unescape(change)) for name, change in UNDO.findall(html)}
    assert undone == {
        "annotation_file": {"annotation_file": None},
        "target_columns": {"target_columns": None},
        "class_mapping": {"class_mapping": {}},
    }
    assert "Undo" not in draw()
    assert json.loads(unescape(html.partition('data-options="')[2].partition('"')[0]))["target_columns"] == ["a b", "ü"]


def test_files_and_columns_are_chosen_from_lists() -> None:
    columns = [
        {"name": "image file", "samples": ["a.png", "b.png", "c.png", "d.png"], "role": "filename"},
        {"name": "Größe in %", "samples": ["1", "2"], "role": "target"},
        {"name": '"q" <i>', "samples": [], "role": "unused"},
    ]
    html = draw({"annotation_file": "b.csv"}, documents=["a.csv", "b.csv"], columns=columns, value_names=["y"])
    assert '<option value="b.csv" selected>b.csv</option>' in html
    assert "a.png, b.png, c.png" in html
    assert "d.png" not in html
    roles = re.findall(r'data-choice-column="([^"]+)".*?<option value="(\w+)" selected>', html, re.DOTALL)
    assert [(unescape(name), role) for name, role in roles] == [(item["name"], item["role"]) for item in columns]
    assert "Value" in text_of(html)
    assert "data-choices" not in draw()
    assert "data-choices" in draw(num_images=0, can_import=False, columns=columns)


@pytest.mark.parametrize(
    ("changes", "title", "advice"),
    [
        ({"documents": ["a.json", "b.json"]}, "Annotation file", "Choose the annotation file to read, then"),
        ({"columns": COLUMNS}, "Columns", "Choose the columns to read, then"),
        (
            {"documents": ["a.csv", "b.csv"], "columns": COLUMNS},
            "Annotation file and columns",
            "Choose the annotation file or the columns to read, then",
        ),
    ],
)
def test_only_what_the_source_has_is_offered_as_a_choice(changes: dict[str, Any], title: str, advice: str) -> None:
    html = draw(num_images=0, can_import=False, **changes)
    assert f"<summary>{title}</summary>" in re.sub(r"\s*(</?summary)[^>]*(>)", r"\1\2", html)
    assert advice in text_of(html)
    buttons = {"Annotation file": "Choose the annotation file", "Columns": "Choose columns"}
    choices = make_choices(ImportOptions(), ImportReport.model_validate(BASE | changes))
    assert choices is not None
    assert choices.button == buttons.get(title, "Choose file and columns")


@pytest.mark.parametrize(
    ("path", "modes"),
    [
        ("/data/images", ["copy", "link", "reference"]),
        ("/data/images.zip", ["copy"]),
        ("/data/IMAGES.ZIP", ["copy"]),
        ("/data/zip", ["copy", "link", "reference"]),
    ],
)
def test_a_zip_can_only_be_copied(path: str, modes: list[str]) -> None:
    request = ImportCheck.model_validate({"source_path": path})
    html = render_fragment(import_report_fragment(PID, request, ImportReport.model_validate(BASE), JID))
    assert re.findall(r'name="mode" value="(\w+)"', html) == modes
    assert ("files in a zip cannot be linked" in text_of(html)) == (len(modes) == 1)


def test_pictures_of_the_first_classes_are_in_sight(client: httpx.Client, project_id: str, tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"Bär {number}").mkdir()
        for index in range(2):
            Image.new("RGB", (20, 10), (25 * number, index, 0)).save(tmp_path / f"Bär {number}" / f"{index} ü.png")
    html = check_import_html(client, project_id, {"source_path": str(tmp_path)})
    assert "Images of 2 more classes" in html
    pictures = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', html)
    assert len(pictures) == 20
    assert pictures[0][1] == "Bär 0/0 ü.png"
    answer = client.get(pictures[0][0])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["x-content-type-options"] == "nosniff"
    folder = pictures[0][0].rpartition("/")[0]
    for name in (
        "0-99.jpg",
        "..%2Freport.json",
        "report.json",
        "0-0.jpg%00",
        "%2e%2e%2freport.json",
        "0-0.JPG",
        "0-0.jpg.jpg",
    ):
        assert client.get(f"{folder}/{name}").status_code in {404, 422}
    report = check_import(client, project_id, {"source_path": str(tmp_path)})
    assert [len(row["pictures"]) for row in report["previews"]] == [2] * 10
    address = f"/api/datasets/{project_id}/import/check/{report['check_id']}"
    found = [client.get(f"{address}/previews/{name}") for row in report["previews"] for name in row["pictures"]]
    assert [answer.status_code for answer in found] == [200] * 20
