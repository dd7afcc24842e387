"""Thumbnails: size, orientation, atomicity, and that damaged files are found while they are made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.datasets.images import UnreadableImageError
from app.datasets.thumbnails import thumbnail_path, write_thumbnail
from app.schemas.payloads import ImportLimits
from tests.datasets.pictures import exif_orientation, gradient, write_image, write_png, write_truncated_jpeg

LIMITS = ImportLimits()


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp", "bmp"])
def test_the_longest_side_is_128_px(tmp_path: Path, ending: str) -> None:
    source = write_image(tmp_path / f"a.{ending}", gradient(300, 500))
    header = write_thumbnail(source, tmp_path / "t.jpg", LIMITS)
    assert header[:2] == (500, 300)
    with Image.open(tmp_path / "t.jpg") as thumb:
        assert (thumb.format, thumb.mode, thumb.size) == ("JPEG", "RGB", (128, 77))


def test_a_photo_keeps_its_colours(tmp_path: Path) -> None:
    from sklearn.datasets import load_sample_images

    photo = load_sample_images().images[0]
    source = write_image(tmp_path / "photo.jpg", photo, quality=95)
    write_thumbnail(source, tmp_path / "t.jpg", LIMITS)
    with Image.open(tmp_path / "t.jpg") as thumb:
        expected = Image.fromarray(photo).resize(thumb.size, Image.Resampling.LANCZOS)
        assert np.abs(np.asarray(thumb).astype(int) - np.asarray(expected)).mean() < 6


def test_a_small_image_is_not_enlarged(tmp_path: Path) -> None:
    write_thumbnail(write_image(tmp_path / "a.png"), tmp_path / "t.jpg", LIMITS)
    with Image.open(tmp_path / "t.jpg") as thumb:
        assert thumb.size == (32, 24)


def test_orientation_is_applied_and_no_metadata_goes_along(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = write_image(tmp_path / "a.jpg", gradient(200, 400), exif=exif)
    header = write_thumbnail(source, tmp_path / "t.jpg", LIMITS)
    assert header[:2] == (200, 400)
    with Image.open(tmp_path / "t.jpg") as thumb:
        assert thumb.size == (64, 128)
        assert not thumb.getexif()
        assert np.asarray(thumb)[5, 60, 1] < 40  # the stored first row is now at the right


def test_a_png_that_states_its_orientation_late_has_the_right_sides(tmp_path: Path) -> None:
    source = write_png(tmp_path / "a.png", gradient(), ((b"eXIf", exif_orientation(8)),))
    assert write_thumbnail(source, tmp_path / "t.jpg", LIMITS)[:2] == (24, 32)


def test_16_bit_images_are_not_white(tmp_path: Path) -> None:
    samples = np.full((200, 200), 0x8000, dtype=np.uint16)
    write_thumbnail(write_image(tmp_path / "a.png", samples), tmp_path / "t.jpg", LIMITS)
    with Image.open(tmp_path / "t.jpg") as thumb:
        assert abs(np.asarray(thumb).mean() - 128) < 2


def test_a_truncated_jpeg_is_found_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="truncated"):
        write_thumbnail(write_truncated_jpeg(tmp_path / "a.jpg"), tmp_path / "t.jpg", LIMITS)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_a_target_that_cannot_be_written_is_no_fault_of_the_image(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_thumbnail(write_image(tmp_path / "a.png"), tmp_path / "missing" / "t.jpg", LIMITS)


def test_the_name_is_that_of_the_image_with_jpg_behind_it(tmp_path: Path) -> None:
    assert thumbnail_path(tmp_path, "a.png") == tmp_path / "a.png.jpg"
