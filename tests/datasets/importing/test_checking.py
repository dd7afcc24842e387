"""The job of a dry run: its report, the table of its problems, and each limit that ends it with a sentence."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from app.datasets.formats.report import check
from app.datasets.importing import checking
from app.schemas.datasets import ImportOptions
from app.schemas.import_report import ImportReport
from app.schemas.job_context import JobCancelled
from app.schemas.payloads import CheckPayload, ImportLimits
from tests.datasets.jobs import FakeContext
from tests.datasets.pictures import gradient, write_image
from tests.datasets.special import make_special_files

FORMATS = ["image_folders", "csv", "coco"]


def look(
    source: Path,
    kind: str = "label",
    options: dict[str, Any] | None = None,
    cancel_after: int | None = None,
    **limits: Any,
) -> ImportReport:
    """Return what the job leaves as its report."""
    output = source.parent / "output"
    output.mkdir(exist_ok=True)
    payload = CheckPayload(
        annotation_kind=kind,
        allowed_formats=FORMATS,
        source_path=str(source),
        source_format=None,
        options=ImportOptions(**(options or {})),
        limits=ImportLimits(**limits, seconds_setting="AI_STUDIO_CHECK_TIMEOUT_S"),
    )
    context = FakeContext(output, payload, cancel_after)
    result = checking.run(context)
    report = ImportReport.model_validate_json((output / "report.json").read_bytes())
    assert result["num_problems"] == report.num_problems
    assert all(event.message for event in context.progress)
    return report


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two classes of two images, outside of which nothing lies."""
    for name in ("cat", "dog"):
        for number in range(2):
            write_image(tmp_path / "in" / name / f"{number}.png", gradient(20 + number, 30 + (name == "dog")))
    return tmp_path / "in"


def test_the_report_names_the_first_problems_and_the_table_all(source: Path) -> None:
    for number in range(7):
        (source / "cat" / f"=bad{number}.png").write_text("no image")
    report = look(source, max_named_problems=3)
    assert (report.num_images, report.num_classes, report.num_problems, len(report.problems)) == (4, 2, 7, 3)
    assert (report.can_import, report.is_complete) == (True, True)
    with (source.parent / "output" / "problems.csv").open(encoding="utf-8", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [f"cat/=bad{number}.png" for number in range(7)]


def test_it_is_cancelled(source: Path) -> None:
    with pytest.raises(JobCancelled):
        look(source, cancel_after=0)


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")
@pytest.mark.parametrize("ending", [".png", ".csv", ".json", ".zip", ""])
def test_special_files_are_named_and_never_waited_for(source: Path, ending: str) -> None:
    names = make_special_files(source / "cat", ending)
    report = look(source)
    assert (report.num_images, report.is_complete) == (4, True)
    assert {item.file for item in report.problems} == {f"cat/{name}" for name in names}
    for name in names[:4]:
        alone = look(source / "cat" / name)
        assert (alone.can_import, alone.num_images) == (False, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")
@pytest.mark.parametrize("ending", [".csv", ".json"])
def test_a_document_that_is_a_pipe_is_none(source: Path, ending: str) -> None:
    make_special_files(source, ending)
    write_image(source / "a.png")
    report = look(source, options={"annotation_file": f"pipe{ending}"})
    assert report.source_format == "image_folders"
    assert look(source, options={"annotation_file": f"../in/pipe{ending}"}).is_complete


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="Linux shows its state below /proc")
@pytest.mark.parametrize("name", ["/proc", "/proc/self/fd", "/sys", "/proc/kmsg", "/dev/zero"])
def test_the_state_of_the_machine_is_no_source(source: Path, name: str) -> None:
    (source / "link").symlink_to(name)
    report = look(source / "link")
    assert (report.can_import, report.num_images) == (False, 0)


def test_folders_in_folders_and_links_in_circles_end(tmp_path: Path) -> None:
    root = tmp_path / "in"
    deep = root.joinpath(*["d"] * 200)
    deep.mkdir(parents=True)
    (deep / "again").symlink_to(root, target_is_directory=True)
    (root / "d" / "d" / "circle").symlink_to(root / "d" / "d" / "circle")
    assert not look(root).can_import


@pytest.mark.parametrize(
    ("limits", "setting"),
    [
        ({"max_entries": 3}, "AI_STUDIO_MAX_ENTRIES"),
        ({"max_classes": 1}, "AI_STUDIO_MAX_CLASSES"),
        ({"max_total_bytes": 100}, "AI_STUDIO_MAX_IMPORT_BYTES"),
        ({"max_seconds": 1e-9}, "AI_STUDIO_CHECK_TIMEOUT_S"),
    ],
)
def test_a_limit_is_said_with_its_setting(source: Path, limits: dict[str, Any], setting: str) -> None:
    report = look(source, **limits)
    assert (report.can_import, report.is_complete, report.num_problems) == (False, False, 1)
    assert setting in report.problems[0].fix


@pytest.mark.parametrize("name", ["table.csv", "labels.json"])
def test_a_document_has_a_largest_size(source: Path, name: str) -> None:
    (source / name).write_text("x" * 2000)
    report = look(source / name, max_annotation_bytes=1000)
    assert not report.is_complete
    assert "AI_STUDIO_MAX_ANNOTATION_BYTES" in report.problems[0].fix


def test_a_line_without_an_end_is_refused(source: Path) -> None:
    (source / "table.csv").write_text("filename,label\n" + "x," * 3_000_000)
    report = look(source / "table.csv")
    assert "A line of the table has" in report.problems[0].message


def write_table(path: Path, num_rows: int) -> Path:
    with path.open("w") as file:
        file.write("filename,label\n")
        for number in range(num_rows):
            file.write(f"images/{number}.png,class{number % 100}\n")
    return path


def test_a_table_of_a_million_rows_ends_by_the_deadline(source: Path) -> None:
    table = write_table(source / "table.csv", 1_000_000)
    report = look(table, max_seconds=0.5)
    assert (report.can_import, report.is_complete) == (False, False)
    assert any(
        "It took longer than the 0.5 s that it may take. It came to:" in item.message for item in report.problems
    )


def test_too_many_rows_are_refused(source: Path) -> None:
    report = look(write_table(source / "table.csv", 5000), max_entries=1000)
    assert any("more than 1,000 entries" in item.message for item in report.problems)
    assert not report.is_complete


def test_very_many_categories_are_read_once_each(source: Path) -> None:
    """A step that is quadratic in them would take hours."""
    count = 60_000
    document = {
        "images": [{"id": 1, "file_name": "cat/0.png"}, *({"id": n, "file_name": f"{n}.png"} for n in range(2, 2000))],
        "categories": [{"id": number, "name": f"class {number}"} for number in range(count)],
        "annotations": [{"image_id": 1 if n == 7 else n, "category_id": n} for n in range(count)],
    }
    (source / "labels.json").write_text(json.dumps(document))
    report = look(source / "labels.json", options={"class_mapping": {f"class {n}": f"new {n}" for n in range(10_000)}})
    assert report.is_complete
    assert report.num_problems > count
    assert len(report.problems) == 200


def test_all_classes_are_counted_and_the_first_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "MAX_NAMED_CLASSES", 100)
    count = 300
    root = tmp_path / "in"
    write_image(root / "a" / "0.png")
    for number in range(count):
        (root / f"{number}").mkdir()
        os.link(root / "a" / "0.png", root / f"{number}" / "0.png")
    report = look(root)
    assert (report.num_classes, len(report.classes), len(report.class_counts)) == (count + 1, 100, 100)
    assert len(report.found_classes) == 100


def test_very_many_columns_are_looked_up_once(source: Path) -> None:
    names = [f"column {number}" for number in range(15_000)]
    (source / "table.csv").write_text("filename," + ",".join(names) + "\n")
    report = look(source / "table.csv", "values", options={"target_columns": names[-1000:]})
    assert report.is_complete
    (source / "table.csv").write_text("filename," + ",".join(f"value_{n}" for n in range(1001)) + "\n")
    assert "1,000 is the limit" in look(source / "table.csv", "values").problems[0].message


def test_a_small_document_fits_into_less_memory_than_the_largest_would_need(tmp_path: Path) -> None:
    source = tmp_path / "in"
    write_image(source / "a.png")
    content = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 1, "category_id": 1}]}
    (source / "coco.json").write_text(json.dumps({**content, "categories": [{"id": 1, "name": "cat"}]}))
    report = look(source, max_memory_bytes=2**30, max_annotation_bytes=2**33)
    assert (report.is_complete, report.num_images) == (True, 1)
