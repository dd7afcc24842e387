"""Damaged files behind sound headers are found by a dry run, those that seem cut off first."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats.base import FoundImage
from app.datasets.formats.report import check
from app.datasets.formats.report.decoding import find_damaged
from app.datasets.formats.work import Work
from app.schemas.payloads import ImportLimits
from tests.datasets.formats.sources import look_at, problems_of, two_in, write_source
from tests.datasets.pictures import write_image, write_truncated_jpeg


def cut(path: Path) -> Path:
    """Cut an image file off in its middle."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


def test_damaged_files_are_named_by_the_dry_run(tmp_path: Path) -> None:
    root = write_source(tmp_path / "in", two_in("cat", "dog"))
    write_truncated_jpeg(root / "cat" / "cut.jpg")
    for ending in ("png", "webp", "bmp", "tif"):
        cut(write_image(root / "dog" / f"cut.{ending}"))
    report = look_at(root)
    named = sorted(problems_of(report, "unreadable_image"))
    assert named == ["cat/cut.jpg", "dog/cut.bmp", "dog/cut.png", "dog/cut.tif", "dog/cut.webp"]
    assert (report.class_counts, report.num_files, report.num_lost) == ({"cat": 2, "dog": 2}, 9, 5)


def test_files_that_seem_cut_off_come_first(tmp_path: Path) -> None:
    paths = [write_image(tmp_path / f"{number:03}.jpg") for number in range(200)]
    paths.append(write_truncated_jpeg(tmp_path / "cut.jpg"))
    images = [FoundImage(path, path.name, ()) for path in paths]
    problems = Work().new_problems()
    kept, num_decoded = find_damaged(images, Work(), problems, max_seconds=0.0)
    assert (num_decoded, len(kept), problems.num_problems) == (0, 201, 0)
    work = Work(on_progress=lambda doing, done, total: None)
    kept, num_decoded = find_damaged(images, work, problems, max_seconds=60.0)
    assert (num_decoded, [image.name for image in images if image not in kept]) == (201, ["cut.jpg"])


def test_the_report_says_how_many_were_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_MIN_STEP_S", 0.0)
    monkeypatch.setattr(check, "_MAX_CHECK_S", 0.0)
    report = look_at(write_source(tmp_path / "in", two_in("cat", "dog")))
    assert "0 of 4 images were decoded; the import decodes all of them." in report.notes


def test_a_limit_ends_the_decoding_and_not_the_report(tmp_path: Path) -> None:
    image = FoundImage(write_image(tmp_path / "a.png"), "a.png", ())
    work = Work(ImportLimits(max_seconds=1e-9))
    assert find_damaged([image], work, Work().new_problems(), 60.0) == ([image], 0)
