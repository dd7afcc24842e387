"""16 bits per channel in every form that Pillow reads half of: grey with alpha, planes, a transparent colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.datasets.images import UnreadableImageError, read_header, read_rgb
from app.datasets.thumbnails import inspect_image
from app.schemas.payloads import ImportLimits
from app.schemas.pixels import CURRENT, LEGACY, PixelReading, PixelScale
from tests.datasets.pictures import write_png, write_tiff

LIMITS = ImportLimits()
TWELVE_BITS = PixelReading(scale=PixelScale(min=0.0, max=4095.0), background=[255, 255, 255])


def draw_samples(channels: int, seed: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 4096, (12, 20, channels), dtype=np.uint16)


def to_levels(samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.rint(samples[..., :3] / 4095.0 * 255.0)


@pytest.mark.parametrize("alpha", [65535, 40_000, 300])
def test_grey_with_alpha_follows_the_scale(tmp_path: Path, alpha: int) -> None:
    samples = draw_samples(2)
    samples[..., 1] = alpha
    path = write_png(tmp_path / "a.png", samples)
    header = read_header(path, LIMITS)
    assert (header.has_16_bit_colours, header.is_beyond_8_bit, header.may_be_transparent) == (True, True, True)
    opacity = alpha / 65535.0
    expected = to_levels(samples[..., :1]) * opacity + 255.0 * (1.0 - opacity)
    assert np.abs(read_rgb(path, TWELVE_BITS) - expected).max() <= 2
    assert np.array_equal(read_rgb(path, LEGACY), np.repeat(samples[..., :1] >> 8, 3, axis=2))
    _, look = inspect_image(path, tmp_path / "a.jpg", LIMITS, CURRENT)
    assert look.greys is not None
    assert look.greys.high == samples[..., 0].max() | 255


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("channels", [3, 4])
def test_planes_of_16_bits_are_read_as_they_were_written(tmp_path: Path, order: str, channels: int) -> None:
    samples = draw_samples(channels)
    samples[..., 3:] = 65535
    path = write_tiff(tmp_path / "a.tif", samples, order=order, has_planes=True)
    assert read_header(path, LIMITS).has_16_bit_colours
    assert np.array_equal(read_rgb(path, TWELVE_BITS), to_levels(samples))
    assert np.array_equal(read_rgb(path, LEGACY), samples[..., :3] >> 8)


@pytest.mark.parametrize("is_deflated", [False, True])
def test_planes_of_8_bits_are_read_compressed_too(tmp_path: Path, is_deflated: bool) -> None:
    samples = (draw_samples(3) >> 4).astype(np.uint8)
    path = write_tiff(tmp_path / "a.tif", samples, has_planes=True, is_deflated=is_deflated)
    assert np.array_equal(read_rgb(path, TWELVE_BITS), samples)


@pytest.mark.parametrize("order", "<>")
def test_compressed_planes_of_16_bits_are_refused(tmp_path: Path, order: str) -> None:
    path = write_tiff(tmp_path / "a.tif", draw_samples(3), order=order, has_planes=True, is_deflated=True)
    with pytest.raises(UnreadableImageError, match="compressed plane of 16 bits for each colour") as refused:
        read_header(path, LIMITS)
    assert refused.value.fix.startswith("Save it without compression")


@pytest.mark.parametrize(
    ("channels", "colour"), [(1, [77]), (1, [0]), (1, [65535]), (3, [300, 301, 302]), (3, [65535, 0, 65535])]
)
@pytest.mark.parametrize("maximum", [4095.0, 65535.0])
def test_the_transparent_colour_becomes_the_background(
    tmp_path: Path, channels: int, colour: list[int], maximum: float
) -> None:
    samples = draw_samples(channels) | 1
    samples[0, :8] = colour
    is_clear = (samples == np.array(colour, np.uint16)).all(axis=2)
    path = write_png(tmp_path / "a.png", samples, clear=colour)
    assert read_header(path, LIMITS).may_be_transparent
    for background in ([255, 255, 255], [0, 0, 0], [10, 200, 30]):
        found = read_rgb(path, PixelReading(scale=PixelScale(min=0.0, max=maximum), background=background))
        assert (found[is_clear] == background).all()
        assert np.abs(found[~is_clear] - np.rint(samples[~is_clear] / maximum * 255.0)).max() <= 1
    kept = read_rgb(path, PixelReading(scale=PixelScale(min=0.0, max=maximum)).model_copy(update={"background": None}))
    assert np.abs(kept - np.rint(samples / maximum * 255.0).clip(0, 255)).max() <= 1


@pytest.mark.parametrize(("channels", "colour"), [(1, [65535]), (3, [65535, 0, 65535])])
def test_the_transparent_colour_has_no_part_in_the_scale(tmp_path: Path, channels: int, colour: list[int]) -> None:
    samples = draw_samples(channels)
    samples[0, :8] = colour
    path = write_png(tmp_path / "a.png", samples, clear=colour)
    _, look = inspect_image(path, tmp_path / "a.jpg", LIMITS, CURRENT)
    assert look.greys is not None
    assert look.greys.high <= 4095
    assert (look.transparency is not None) == (channels == 1)


@pytest.mark.parametrize(("bits", "clear"), [(2, 3), (2, 1), (2, 0), (4, 15), (4, 6), (8, 200)])
def test_the_transparent_grey_of_few_bits_becomes_the_background(tmp_path: Path, bits: int, clear: int) -> None:
    samples = (np.arange(256) % 2**bits).astype(np.uint8).reshape(16, 16, 1)
    path = write_png(tmp_path / "a.png", samples, clear=[clear], bits=bits)
    found = read_rgb(path, PixelReading(background=[10, 200, 30]))
    is_clear = samples[..., 0] == clear
    assert (found[is_clear] == [10, 200, 30]).all()
    assert (found[~is_clear] == samples[~is_clear] * (255 // (2**bits - 1))).all()
