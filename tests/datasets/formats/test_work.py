"""What ends a reading and what it says then; the file of all problems."""

from __future__ import annotations

import csv
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from app.annotations.registry import get_kind
from app.datasets.formats.report.check import check_source
from app.datasets.formats.report.problem_file import ProblemFile
from app.datasets.formats.source import Source
from app.datasets.formats.work import LimitError, Work
from app.schemas.import_report import ImportProblem
from app.schemas.payloads import ImportLimits

MANY = 400


def write_empty_classes(root: Path) -> None:
    for number in range(MANY):
        (root / f"class {number}").mkdir()


def write_loose_files(root: Path) -> None:
    (root / "class").mkdir()
    (root / "class" / "begins like one.jpg").write_bytes(b"\xff\xd8\xff")
    for number in range(MANY):
        (root / f"{number}.txt").touch()


def write_documents(root: Path) -> None:
    for number in range(MANY):
        (root / f"{number}.json").touch()


def write_strays(root: Path) -> None:
    """Annotations of images that are not there, of which one half has no category either."""
    annotations = [{"image_id": number, "category_id": number % 2} for number in range(2 * MANY)]
    document = {"images": [], "annotations": annotations, "categories": [{"id": 1, "name": "one"}]}
    (root / "coco.json").write_text(json.dumps(document))


def write_zip(root: Path) -> None:
    with zipfile.ZipFile(root / "many.zip", "w") as archive:
        for number in range(MANY):
            archive.writestr(f"class/{number}.txt", b"")


def write_wide_rows(root: Path) -> None:
    (root / "wide.csv").write_text("a,b\n" * 50)


def test_progress_is_told_now_and_then_and_at_the_end() -> None:
    seen: list[tuple[str, int, int]] = []
    work = Work(on_progress=lambda *told: seen.append(told), interval_s=3600.0)
    for done in range(1, 11):
        work.step("Reading", done, 10)
    assert seen == [("Reading", 1, 10), ("Reading", 10, 10)]


def test_the_deadline_says_how_far_it_came_and_which_setting_raises_it() -> None:
    work = Work(ImportLimits(max_seconds=1e-9, seconds_setting="AI_STUDIO_CHECK_TIMEOUT_S"))
    with pytest.raises(LimitError, match=r"It came to: Reading rows, 1,234 of 5,000\.") as caught:
        work.step("Reading rows", 1234, 5000)
    assert "AI_STUDIO_CHECK_TIMEOUT_S" in caught.value.fix
    assert work.seconds_over > 0 > Work().seconds_over


def test_too_much_memory_ends_it() -> None:
    work = Work(ImportLimits(max_memory_bytes=64 * 2**20))
    work.is_over_memory = True
    with pytest.raises(LimitError, match="more than the 64 MiB that it may use") as caught:
        work.step("Reading", 3)
    assert "AI_STUDIO_MAX_IMPORT_MEMORY" in caught.value.fix


def test_every_problem_is_in_the_file_and_none_is_a_formula(tmp_path: Path) -> None:
    work = Work(ImportLimits(max_named_problems=2), problems_path=tmp_path / "problems.csv")
    first, second = work.new_problems(), work.new_problems()
    for number in range(4):
        first.add(f"{number}.png", "It is bad.", "Mend it.")
    second.warn("=HYPERLINK(1)", "-1, a number", "@mend")
    first.extend(second)
    work.close()
    work.close()
    with (tmp_path / "problems.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["0.png", "1.png", "2.png", "3.png", "'=HYPERLINK(1)"]
    assert (rows[4]["message"], rows[4]["fix"], rows[4]["severity"]) == ("'-1, a number", "'@mend", "warning")
    assert (first.num_problems, len(first.named)) == (5, 2)


def test_the_file_of_problems_has_a_largest_size(tmp_path: Path) -> None:
    written = ProblemFile(tmp_path / "problems.csv", max_bytes=100)
    for number in range(50):
        written.write(ImportProblem(file=f"{number}.png", message="bad", fix="mend it"))
    written.close()
    text = (tmp_path / "problems.csv").read_text()
    assert "more problems do not fit" in text
    assert len(text) < 300


def test_without_a_problem_there_is_no_file(tmp_path: Path) -> None:
    Work(problems_path=tmp_path / "problems.csv").close()
    assert not (tmp_path / "problems.csv").exists()


@pytest.mark.parametrize(
    ("write", "doings", "fewest"),
    [
        (write_empty_classes, ["Listing the folder 'class 7'"], 1),
        (write_loose_files, ["Listing the folder 'source'"], MANY),
        (write_documents, ["Looking for annotation files"], MANY),
        (
            write_strays,
            ["Reading the list annotations", "Looking for the images and categories of annotations"],
            MANY,
        ),
        (write_zip, ["Looking for the entries of the zip", "Checking the entries of the zip"], MANY),
        (write_wide_rows, ["Finding the delimiter of wide.csv"], 4 * 50),
    ],
)
def test_every_loop_over_a_source_can_be_ended(
    tmp_path: Path, write: Callable[[Path], None], doings: list[str], fewest: int
) -> None:
    source, scratch = tmp_path / "source", tmp_path / "scratch"
    source.mkdir()
    scratch.mkdir()
    write(source)
    told: Counter[str] = Counter()
    work = Work(on_progress=lambda doing, done, total: told.update([doing]), interval_s=0.0)
    path = source / "many.zip" if write is write_zip else source
    check_source(Source(path, get_kind("label"), ("image_folders", "csv", "coco"), work=work), scratch)
    for doing in doings:
        assert told[doing] >= fewest, told
