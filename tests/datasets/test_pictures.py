"""Pictures for browsers: drawn where the file would look otherwise than it is read, else the file itself."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.datasets import pictures
from app.datasets.images import read_rgb
from app.datasets.pictures import draw_picture
from app.schemas.payloads import ImportLimits
from app.schemas.pixels import CURRENT, LEGACY, PixelReading, PixelScale
from tests.datasets.pictures import exif_orientation, write_image, write_png

LIMITS = ImportLimits()
SCALED = PixelReading(scale=PixelScale(min=0.0, max=4095.0), background=[0, 0, 0])


@pytest.mark.parametrize("ending", ["jpg", "png", "gif", "webp", "bmp"])
def test_what_a_browser_shows_rightly_is_not_drawn(tmp_path: Path, ending: str) -> None:
    assert draw_picture(write_image(tmp_path / f"a.{ending}"), LIMITS, SCALED) is None


def test_deep_transparent_and_tiff_images_are_drawn_as_they_are_read(tmp_path: Path) -> None:
    deep = np.linspace(0, 4095, 600).reshape(20, 30).astype(np.uint16)
    clear = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    paths = [
        write_image(tmp_path / "deep.png", deep),
        write_image(tmp_path / "deep.tif", deep.astype(np.float32)),
        write_image(tmp_path / "plain.tif"),
        write_png(tmp_path / "clear.png", clear),
    ]
    for path in paths:
        drawn = draw_picture(path, LIMITS, SCALED)
        assert drawn is not None
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(drawn))), read_rgb(path, SCALED))
    assert draw_picture(paths[3], LIMITS, LEGACY) is None


def test_pictures_are_upright_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = np.zeros((30, 3000), np.uint16)
    path = write_image(tmp_path / "wide.png", deep, exif=exif_orientation(6))
    drawn = draw_picture(path, LIMITS, CURRENT)
    assert drawn is not None
    assert Image.open(io.BytesIO(drawn)).size == (20, 2048)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 1000)
    assert draw_picture(path, LIMITS, CURRENT) is None
