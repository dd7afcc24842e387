"""Import and dry run of images beyond 8 bit, transparent or with several frames: what is decided, said and drawn."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.datasets.images import read_rgb
from app.datasets.importing import checking, importer
from app.datasets.pixels.records import reading_of
from app.datasets.table import DatasetTable
from app.schemas.import_report import ImportReport
from app.schemas.payloads import CheckPayload
from app.schemas.pixels import LEGACY, PixelReading, ScaleChoice
from tests.datasets.jobs import FakeContext, make_payload, read_table
from tests.datasets.pictures import gradient, write_image, write_png, write_tiff

CASES = Path(__file__).parents[2] / "cases"
Samples = np.ndarray[Any, Any]


def ramp(low: float, high: float, dtype: Any = np.float32) -> Samples:
    return np.linspace(low, high, 256).astype(dtype).reshape(16, 16)


def strokes(colour: int, *, is_cross: bool) -> Samples:
    """Return a drawing (16, 16, 4) of one colour on a transparent ground that has the same colour."""
    drawing = np.full((16, 16, 4), colour, dtype=np.uint8)
    drawing[..., 3] = 0
    drawing[7:9, :, 3] = 255
    if is_cross:
        drawing[:, 7:9, 3] = 255
    return drawing


def is_of_pixels(file: str, kind: str) -> bool:
    return "/" in file and not kind.startswith("identical_")


class Imported:
    """What an import left, and what a dry run of the same source says."""

    def __init__(self, source: Path, **options: Any) -> None:
        self.folder = source.parent / "out"
        self.folder.mkdir()
        result = importer.run(FakeContext(self.folder, make_payload(source, **options)))
        self.table: DatasetTable = read_table(self.folder)
        self.pixels = reading_of(self.table)
        assert result["notes"] == self.table.notes
        self.report = check(source, **options)
        # Without those of classes, which have so few images here, and of images that are the same.
        self.problems = [
            (item.severity, item.file, item.message)
            for item in self.table.problems
            if is_of_pixels(item.file, item.kind)
        ]
        seen = [
            (item.severity, item.file, item.message)
            for item in self.report.problems
            if is_of_pixels(item.file, item.kind)
        ]
        assert sorted(seen) == sorted(self.problems)

    def thumbnail(self, name: str) -> Samples:
        with Image.open(self.folder / ".thumbs" / f"{name}.jpg") as image:
            return np.asarray(image.convert("L")).astype(int)

    def pixels_of(self, name: str) -> Samples:
        return read_rgb(self.folder / "images" / name, self.pixels).astype(int)


def check(source: Path, **options: Any) -> ImportReport:
    output = source.parent / "check"
    output.mkdir()
    given = make_payload(source, **options)
    fields = ("annotation_kind", "allowed_formats", "source_path", "source_format", "options", "limits")
    payload = CheckPayload(**{name: getattr(given, name) for name in fields})
    checking.run(FakeContext(output, payload))
    return ImportReport.model_validate_json((output / "report.json").read_bytes())


@pytest.mark.parametrize("is_foreign", [False, True])
@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("f8", 290, 320), ("f2", 290, 320), ("u4", 1_000, 2**32 - 256), ("i1", -100, 100)]
)
def test_numbers_of_other_types_share_one_scale_too(
    tmp_path: Path, dtype: str, low: float, high: float, is_foreign: bool
) -> None:
    middle = (low + high) / 2
    for name, samples in {"low/1.tif": ramp(low, middle, dtype), "high/2.tif": ramp(middle, high, dtype)}.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        write_tiff(tmp_path / "in" / name, samples, order=">" if is_foreign else "<", is_deflated=is_foreign)
    found = Imported(tmp_path / "in")
    assert (found.report.num_images, found.report.num_lost, len(found.table.images)) == (2, 0, 2)
    assert found.pixels.scale is not None
    assert (found.pixels.scale.min, found.pixels.scale.max) == pytest.approx((low, high), rel=1e-6)
    assert abs(int(found.pixels_of("1.tif").max()) - int(found.pixels_of("2.tif").min())) <= 1
    assert (found.pixels_of("1.tif").min(), found.pixels_of("2.tif").max()) == (0, 255)
    assert np.abs(found.thumbnail("2.tif") - found.pixels_of("2.tif")[..., 0]).mean() < 4


def test_floating_point_images_share_one_scale_and_normalised_ones_are_not_black(tmp_path: Path) -> None:
    source = tmp_path / "in"
    for name, samples in {
        "low/unit.tif": ramp(0, 1),
        "low/unit_rounded.tif": ramp(0, 1.0000002),
        "low/kelvin_low.tif": ramp(290, 300),
        "high/kelvin_high.tif": ramp(310, 320),
    }.items():
        write_image(source / name, samples)
    write_image(source / "high" / "plain.png")
    found = Imported(source)
    assert found.pixels.scale is not None
    assert (found.pixels.scale.min, found.pixels.scale.max) == (290.0, 320.0)
    unit, rounded = found.pixels_of("unit.tif"), found.pixels_of("unit_rounded.tif")
    assert np.array_equal(unit, rounded)
    assert (unit.min(), unit.max()) == (0, 255)
    assert found.pixels_of("kelvin_high.tif").min() > found.pixels_of("kelvin_low.tif").max() + 50
    names = ["unit.tif", "unit_rounded.tif", "kelvin_low.tif", "kelvin_high.tif"]
    for name in names:
        assert np.abs(found.thumbnail(name) - found.pixels_of(name)[..., 0]).mean() < 4
    (note,) = found.table.notes
    assert note.startswith("4 images have more than 8 bits per value.")
    assert "290 becomes black and 320 becomes white" in note
    assert "2 of them hold values from 0 to 1" in note
    assert "The other image has 8 bits and keeps its levels." in note
    assert [(severity, file) for severity, file, _ in found.problems] == [("warning", "low/unit.tif")]
    assert found.report.notes == found.table.notes
    assert found.report.num_images == 5


@pytest.mark.parametrize("case", ["float-images", "transparent-drawings"])
def test_the_cases_stay_visible_in_pixels_and_thumbnails(tmp_path: Path, case: str) -> None:
    shutil.copytree(CASES / case / "input", tmp_path / "in")
    found = Imported(tmp_path / "in")
    assert len(found.table.images) == {"float-images": 5, "transparent-drawings": 8}[case]
    for image in found.table.images:
        pixels, thumbnail = found.pixels_of(image.filename), found.thumbnail(image.filename)
        assert np.ptp(pixels) >= 80
        assert np.abs(thumbnail - pixels @ np.array([0.299, 0.587, 0.114])).mean() < 14


@pytest.mark.parametrize(
    ("ending", "images", "expected"),
    [
        ("png", [ramp(0, 4095, np.uint16), ramp(0, 2000, np.uint16)], (0.0, 4095.0)),
        ("tif", [ramp(0, 1000, np.uint16), ramp(0, 1023, np.uint16)], (0.0, 1023.0)),
        ("tif", [ramp(-1000, 2000, np.int32), ramp(-900, 100, np.int32)], (-1000.0, 2000.0)),
        ("tif", [ramp(0, 65535, np.uint16), ramp(0, 30000, np.uint16)], (0.0, 65535.0)),
    ],
)
def test_depths_in_larger_files_keep_their_meaning(
    tmp_path: Path, ending: str, images: list[Samples], expected: tuple[float, float]
) -> None:
    for number, samples in enumerate(images):
        write_image(tmp_path / "in" / "abc"[number] / f"{number}.{ending}", samples)
    found = Imported(tmp_path / "in")
    assert found.pixels.scale is not None
    assert (found.pixels.scale.min, found.pixels.scale.max) == expected
    low, high = expected
    for number, samples in enumerate(images):
        right = np.rint((samples.astype(float) - low) / (high - low) * 255)
        assert np.abs(found.pixels_of(f"{number}.{ending}")[..., 0] - right).max() <= 1
        assert np.abs(found.thumbnail(f"{number}.{ending}") - right).mean() < 4
    assert found.problems == []


def test_the_user_chooses_another_scale(tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "a" / "1.tif", ramp(290, 300))
    write_image(tmp_path / "in" / "b" / "2.tif", ramp(0, 1))
    found = Imported(tmp_path / "in", pixel_scale=ScaleChoice(min=200.0, max=400.0))
    assert found.table.pixel_scale is not None
    assert (found.table.pixel_scale.min, found.table.pixel_scale.max) == (200.0, 400.0)
    assert found.table.pixel_scale.how == "set by hand"
    assert not found.table.pixel_scale.has_unit_images
    assert found.pixels_of("1.tif").min() == round(90 / 200 * 255)
    assert found.thumbnail("2.tif").max() == 0
    assert [(kind, file) for kind, file, _ in found.problems] == [("warning", "b/2.tif")]
    assert "only one grey level" in found.problems[0][2]
    assert "low_contrast" in {group.kind for group in found.report.groups}


def test_an_image_that_uses_only_a_few_levels_is_named(tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / "in" / "a" / f"{number}.png", ramp(0, 65535, np.uint16))
    write_image(tmp_path / "in" / "b" / "dark.png", ramp(0, 900, np.uint16))
    found = Imported(tmp_path / "in")
    assert [(kind, file) for kind, file, _ in found.problems] == [("warning", "b/dark.png")]
    assert "0 to 65,535" in found.problems[0][2]
    assert "only 5 grey levels" in found.problems[0][2]


@pytest.mark.parametrize(("colour", "background"), [(0, 255), (90, 255), (255, 0)])
def test_drawings_stay_visible_on_the_one_background(tmp_path: Path, colour: int, background: int) -> None:
    for number in range(2):
        for name in ("bar", "cross"):
            path = tmp_path / "in" / name / f"{name}{number}.png"
            write_png(path, strokes(colour, is_cross=name == "cross"))
    found = Imported(tmp_path / "in")
    assert found.table.background == (background, background, background)
    bar, cross = (found.pixels_of(f"{name}0.png")[..., 0] for name in ("bar", "cross"))
    assert (bar[0, 0], bar[7, 0], bar[0, 7], cross[0, 7]) == (background, colour, background, colour)
    for name in ("bar0.png", "cross1.png"):
        assert np.abs(found.thumbnail(name) - found.pixels_of(name)[..., 0]).mean() < 12
    name = "white" if background else "black"
    assert found.table.notes == [f"4 images with transparent pixels are placed on a {name} background."]
    assert found.report.notes == found.table.notes
    ((severity, _, message),) = found.problems
    assert severity == "warning"
    assert "4 images have a single colour" in message


def test_a_drawing_that_vanishes_is_named(tmp_path: Path) -> None:
    for number in range(3):
        write_png(tmp_path / "in" / "a" / f"{number}.png", strokes(0, is_cross=number == 1))
    write_png(tmp_path / "in" / "b" / "white.png", strokes(255, is_cross=True))
    found = Imported(tmp_path / "in")
    assert found.table.background == (255, 255, 255)
    files = [file for _, file, message in found.problems if "shows nothing" in message]
    assert files == ["b/white.png"]


def test_opaque_alpha_is_not_worth_a_word(tmp_path: Path) -> None:
    alpha = np.full((24, 32, 1), 255, dtype=np.uint8)
    write_png(tmp_path / "in" / "a" / "1.png", np.concatenate([gradient(), alpha], axis=2))
    found = Imported(tmp_path / "in")
    assert (found.table.notes, found.problems, found.table.pixel_scale) == ([], [], None)


def test_files_with_more_frames_are_counted_in_one_note_each(tmp_path: Path) -> None:
    second = Image.new("RGB", (32, 24))
    for number in range(3):
        first = Image.fromarray(gradient() // (number + 1))
        folder = tmp_path / "in" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        first.save(folder / f"{number}.gif", save_all=True, append_images=[second])
    first.save(folder / "pages.tif", save_all=True, append_images=[second])
    write_image(folder / "plain.gif")
    found = Imported(tmp_path / "in")
    assert found.table.notes == [
        "3 GIF files have several frames; the first one is used.",
        "1 TIFF file has several pages; the first one is used.",
    ]
    assert found.report.notes == found.table.notes
    assert (len(found.table.images), found.problems) == (5, [])


def test_colours_of_16_bits_are_read_as_before_and_stated(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (16, 16, 3), dtype=np.uint16)
    write_png(tmp_path / "in" / "a" / "1.png", samples)
    found = Imported(tmp_path / "in")
    (note,) = found.table.notes
    assert note.startswith("1 image has more than 8 bits per value.")
    assert "(values of 16 bits)" in note
    assert np.array_equal(found.pixels_of("1.png"), samples // 256)
    assert found.problems == []


@pytest.mark.parametrize(("limit", "bits"), [(1023, 10), (4095, 12), (16383, 14)])
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_fewer_bits_in_16_bit_files_keep_their_meaning(
    tmp_path: Path, limit: int, bits: int, channels: int
) -> None:
    expected = []
    for number in range(2):
        samples = np.random.default_rng(number).integers(0, limit + 1, (16, 16, channels), dtype=np.uint16)
        samples[..., 3:] = 65535
        expected.append(np.rint(samples[..., :3] / limit * 255))
        write_png(tmp_path / "in" / "ab"[number] / f"{number}.png", samples)
    found = Imported(tmp_path / "in")
    assert found.pixels.scale is not None
    assert (found.pixels.scale.max, found.problems) == (limit, [])
    assert f"(values of {bits} bits)" in found.table.notes[0]
    for number in range(2):
        assert np.abs(found.pixels_of(f"{number}.png") - expected[number]).max() <= 1
        assert np.abs(found.thumbnail(f"{number}.png").mean() - expected[number].mean()) < 8
    assert found.report.notes == found.table.notes


@pytest.mark.parametrize("mode", ["copy", "link", "reference"])
def test_thumbnails_are_drawn_again_in_every_mode(tmp_path: Path, mode: Any) -> None:
    write_image(tmp_path / "in" / "a" / "1.tif", ramp(290, 300))
    write_image(tmp_path / "in" / "b" / "2.tif", ramp(310, 320))
    (tmp_path / "out").mkdir()
    importer.run(FakeContext(tmp_path / "out", make_payload(tmp_path / "in", mode=mode)))
    means = []
    for name in ("1.tif", "2.tif"):
        with Image.open(tmp_path / "out" / ".thumbs" / f"{name}.jpg") as image:
            means.append(np.asarray(image).mean())
    assert means[0] + 100 < means[1]


def test_a_table_without_a_word_about_pixels_is_read_as_before(tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "a" / "1.png")
    table = Imported(tmp_path / "in").table
    assert reading_of(table) == PixelReading()
    table.pixel_scale = table.background = None
    assert reading_of(table) == LEGACY
