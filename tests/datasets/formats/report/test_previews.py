"""Preview pictures of a dry run: a few of each class, bounded in number and time, broken files left out."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from app.annotations.registry import get_kind
from app.datasets.formats.report import previews
from app.datasets.formats.report.check import check_source
from app.datasets.formats.source import Source
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions
from app.schemas.import_report import ImportReport
from app.schemas.payloads import ImportLimits
from tests.datasets.pictures import write_image

ALLOWED = ("image_folders", "csv", "coco")


def report(path: Path, pictures_dir: Path, kind: str = "label", **options: object) -> ImportReport:
    pictures_dir.mkdir(exist_ok=True)
    source = Source(path, get_kind(kind), ALLOWED, None, ImportOptions.model_validate(options), Work(ImportLimits()))
    return check_source(source, None, pictures_dir)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Three classes of twenty images, the first with an umlaut and a blank."""
    for name in ("Bär braun", "dog", "owl"):
        for number in range(20):
            write_image(tmp_path / "in" / name / f"{number:02}.png")
    return tmp_path / "in"


def test_each_class_has_six_pictures_from_its_beginning_to_its_end(classes: Path, tmp_path: Path) -> None:
    found = report(classes, tmp_path / "out").previews
    assert [row.class_name for row in found] == ["Bär braun", "dog", "owl"]
    for row in found:
        assert row.names == [f"{row.class_name}/{number:02}.png" for number in (0, 3, 6, 10, 13, 16)]
        assert len(row.pictures) == 6
        for picture in row.pictures:
            with Image.open(tmp_path / "out" / "previews" / picture) as image:
                assert (image.format, max(image.size) <= 128) == ("JPEG", True)


def test_pictures_of_a_zip_stay_when_it_is_packed_up_again(classes: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in sorted(classes.rglob("*.png")):
            archive.write(path, path.relative_to(classes))
    found = report(tmp_path / "a.zip", tmp_path / "out").previews
    assert [len(row.pictures) for row in found] == [6, 6, 6]
    assert len(list((tmp_path / "out" / "previews").iterdir())) == 18
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"previews"}


def test_a_file_that_cannot_be_drawn_gives_way_to_another(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "PNG")
    for number in range(8):
        write_image(tmp_path / "in" / "cat" / f"{number}.png")
        write_image(tmp_path / "in" / "dog" / f"{number}.png")
    for number in (0, 1, 2):  # sound headers, torn pixels
        (tmp_path / "in" / "cat" / f"{number}.png").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    found = {row.class_name: row.names for row in report(tmp_path / "in", tmp_path / "out").previews}
    assert sorted(found["cat"]) == [f"cat/{number}.png" for number in range(3, 8)]
    assert len(found["dog"]) == 6


def test_numbers_are_shown_with_their_pictures(tmp_path: Path) -> None:
    for number in range(10):
        write_image(tmp_path / "in" / f"{number}.png")
    rows = "".join(f"{number}.png,{number / 2},{-number}\n" for number in range(10))
    (tmp_path / "in" / "values.csv").write_text("file,weight in %,y\n" + rows)
    found = report(
        tmp_path / "in", tmp_path / "out", "values", filename_column="file", target_columns=["weight in %", "y"]
    )
    (row,) = found.previews
    assert (row.class_name, len(row.pictures)) == (None, 6)
    assert row.captions[:2] == ["0, 0", "0.5, -1"]
    assert row.names[1] == "1.png"


def test_many_classes_are_bounded_and_each_gets_one_before_any_gets_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(previews.MAX_CLASSES + 5):
        for index in range(3):
            write_image(tmp_path / "in" / f"c{number:02}" / f"{index}.png")
    found = report(tmp_path / "in", tmp_path / "out").previews
    assert [row.class_name for row in found] == [f"c{number:02}" for number in range(previews.MAX_CLASSES)]
    monkeypatch.setattr(previews, "MAX_BYTES", 1)
    assert len(report(tmp_path / "in", tmp_path / "other").previews) == 1
    monkeypatch.setattr(previews, "MAX_SECONDS", -1.0)
    assert report(tmp_path / "in", tmp_path / "last").previews == []


def test_a_limit_while_drawing_keeps_the_report(classes: Path, tmp_path: Path) -> None:
    class Stopping(Work):
        def step(self, doing: str, done: int, total: int = 0) -> None:
            if doing == "Drawing previews":
                self.is_over_memory = True
            super().step(doing, done, total)

    work = Stopping(ImportLimits())
    found = check_source(Source(classes, get_kind("label"), ALLOWED, None, ImportOptions(), work), None, tmp_path)
    assert (found.num_images, found.previews, found.can_import) == (60, [], True)


def test_without_a_directory_nothing_is_drawn(classes: Path) -> None:
    found = check_source(Source(classes, get_kind("label"), ALLOWED))
    assert (found.num_images, found.previews) == (60, [])
