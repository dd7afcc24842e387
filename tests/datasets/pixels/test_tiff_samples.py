"""TIFF samples of every kind, against the numbers that were written byte by byte."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.datasets.images import UnreadableImageError, open_image, read_header, read_rgb
from app.datasets.pixels.tiff_samples import read_samples
from app.datasets.thumbnails import inspect_image
from app.schemas.payloads import ImportLimits
from app.schemas.pixels import CURRENT, PixelReading, PixelScale
from tests.datasets.pictures import write_tiff

LIMITS = ImportLimits()
VALUES: dict[str, list[float]] = {
    "u2": [0, 1, 255, 256, 32768, 65535],
    "u4": [0, 1, 65536, 2**31 - 1, 2**31, 2**32 - 1],
    "i1": [-128, -1, 0, 1, 100, 127],
    "i2": [-32768, -1, 0, 1, 256, 32767],
    "i4": [-(2**31), -1, 0, 1, 65536, 2**31 - 1],
    "f2": [-65504.0, -0.5, 0.0, 0.25, 1.0, 65504.0],
    "f4": [-1e30, -0.5, 0.0, 0.25, 273.15, 3e38],
    "f8": [-1e30, -0.5, 0.0, 0.25, 273.15, 1e38],
}
WAYS = list(itertools.product("<>", [False, True]))


def read(path: Path) -> np.ndarray[Any, Any]:
    with open_image(path) as image:
        image.load()
        return np.array(read_samples(image))


@pytest.mark.parametrize(("order", "is_deflated"), WAYS, ids=lambda value: str(value))
@pytest.mark.parametrize("dtype", VALUES)
def test_every_kind_is_read_as_it_was_written(tmp_path: Path, dtype: str, order: str, is_deflated: bool) -> None:
    samples = np.array(VALUES[dtype], dtype).reshape(2, 3)
    path = write_tiff(tmp_path / "a.tif", samples, order=order, is_deflated=is_deflated)
    assert read_header(path, LIMITS).is_beyond_8_bit
    found = read(path)
    assert found.tolist() == samples.astype("f4" if dtype == "f8" else dtype).tolist()
    assert (found.dtype.kind == "f") == (dtype[0] == "f")


@pytest.mark.parametrize(("order", "is_deflated"), WAYS, ids=lambda value: str(value))
def test_whole_numbers_without_a_stated_format_have_no_sign(tmp_path: Path, order: str, is_deflated: bool) -> None:
    samples = np.array([[0, 2**31 + 5, 2**32 - 1]], np.uint32)
    path = write_tiff(tmp_path / "a.tif", samples, 0, order=order, is_deflated=is_deflated)
    assert read(path).tolist() == samples.tolist()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), dtype=st.sampled_from(list(VALUES)), way=st.sampled_from(WAYS))
def test_any_numbers_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, dtype: str, way: tuple[str, bool]
) -> None:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        numbers: st.SearchStrategy[Any] = st.floats(width=16, allow_nan=False)
    else:
        numbers = st.integers(int(np.iinfo(kind).min), int(np.iinfo(kind).max))
    height, width = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    drawn = data.draw(st.lists(numbers, min_size=height * width, max_size=height * width))
    samples = np.array(drawn, dtype).reshape(height, width)
    path = write_tiff(tmp_path_factory.mktemp("t") / "a.tif", samples, order=way[0], is_deflated=way[1])
    assert read(path).tolist() == samples.astype("f4" if dtype == "f8" else dtype).tolist()


@pytest.mark.parametrize("dtype", VALUES)
def test_the_scale_of_the_dataset_makes_levels_of_the_right_values(tmp_path: Path, dtype: str) -> None:
    low, high = (-100.0, 100.0) if dtype[0] != "u" else (0.0, 200.0)
    samples = np.linspace(low, high, 60).round().reshape(6, 10).astype(dtype)
    scale = PixelScale(min=low, max=high)
    expected = np.rint((samples.astype(float) - low) * 255.0 / 200.0)
    for order, is_deflated in WAYS:
        path = write_tiff(tmp_path / "a.tif", samples, order=order, is_deflated=is_deflated)
        grey = read_rgb(path, PixelReading(scale=scale))[..., 0]
        assert np.abs(grey - expected).max() <= 1


@pytest.mark.parametrize("dtype", ["u4", "f8", "f2", "i1"])
def test_the_import_measures_the_values_as_they_are(tmp_path: Path, dtype: str) -> None:
    measured: dict[str, list[float]] = {"u4": [2**31, 2**32 - 1], "f8": [250.25, 300.5], "f2": [-2.5, 700.0]}
    numbers = (measured | {"i1": [-100, 90]})[dtype]
    samples = np.array(numbers * 32, dtype).reshape(8, 8)
    path = write_tiff(tmp_path / "a.tif", samples, order=">", is_deflated=True)
    _, look = inspect_image(path, tmp_path / "a.jpg", LIMITS, CURRENT)
    assert look.greys is not None
    assert (look.greys.low, look.greys.high) == (min(numbers), max(numbers))
    assert look.greys.is_float == (dtype[0] == "f")


@pytest.mark.parametrize(("order", "is_deflated"), WAYS, ids=lambda value: str(value))
@pytest.mark.parametrize("dtype", VALUES)
def test_every_kind_is_inverted_where_0_is_white(tmp_path: Path, dtype: str, order: str, is_deflated: bool) -> None:
    samples = np.linspace(0, 100, 60).round().reshape(6, 10).astype(dtype)
    path = write_tiff(tmp_path / "a.tif", samples, order=order, is_deflated=is_deflated, photometric=0)
    grey = read_rgb(path, PixelReading(scale=PixelScale(min=0.0, max=100.0)))[..., 0]
    assert np.abs(grey - (255 - np.rint(samples.astype(float) * 2.55))).max() <= 1


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_whole_numbers_are_read_or_named(tmp_path: Path, order: str, bits: int) -> None:
    samples = np.random.default_rng(2).integers(0, 2**bits, (6, 8), dtype=np.uint16)
    packed = np.packbits((samples.reshape(-1, 1) >> np.arange(bits - 1, -1, -1)) & 1).reshape(6, bits)
    path = write_tiff(tmp_path / "a.tif", packed, order=order)
    width, depth = (struct.pack(f"{order}HHI", 256, 4, 1), struct.pack(f"{order}HHI", 258, 3, 1))
    content = path.read_bytes()
    content = content.replace(width + struct.pack(f"{order}I", bits), width + struct.pack(f"{order}I", 8))
    content = content.replace(depth + struct.pack(f"{order}HH", 8, 0), depth + struct.pack(f"{order}HH", bits, 0))
    path.write_bytes(content)
    if bits == 12:
        assert read(path).tolist() == samples.tolist()
        return
    with pytest.raises(UnreadableImageError, match=f"This TIFF has {bits}-bit whole numbers") as refused:
        read_header(path, LIMITS)
    assert "16-bit whole numbers" in refused.value.fix


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("dtype", "channels", "named"),
    [
        ("f4", 3, "colours as 32-bit floating-point values"),
        ("f2", 3, "colours as 16-bit floating-point values"),
        ("f8", 4, "colours as 64-bit floating-point values"),
        ("u4", 3, "colours as 32-bit whole numbers"),
        ("i2", 3, "colours as 16-bit signed whole numbers"),
        ("u8", 1, "64-bit whole numbers"),
        ("i8", 1, "64-bit signed whole numbers"),
        ("c8", 1, "complex numbers"),
        ("u1", 5, "5 channels"),
        ("u2", 2, "2 channels"),
        ("f4", 12, "12 channels"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_to_do(
    tmp_path: Path, dtype: str, channels: int, named: str, order: str
) -> None:
    samples = np.ones((4, 4, channels) if channels > 1 else (4, 4), dtype)
    path = write_tiff(tmp_path / "a.tif", samples, order=order)
    with pytest.raises(UnreadableImageError, match=f"This TIFF has {named}") as refused:
        read_header(path, LIMITS)
    assert refused.value.fix.startswith("Save ")


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, for a directory that ends too early
@pytest.mark.parametrize("kept", [4, 9, 40, 62, 90, 150, 190])
def test_a_directory_that_is_cut_off_is_no_failure_of_the_program(tmp_path: Path, kept: int) -> None:
    path = write_tiff(tmp_path / "a.tif", np.ones((2, 2, 3), "f4"))
    content = path.read_bytes()
    assert len(content) > 190
    path.write_bytes(content[:kept])
    with pytest.raises(UnreadableImageError):
        read_header(path, LIMITS)


def test_images_of_other_formats_are_read_as_pillow_reads_them(tmp_path: Path) -> None:
    samples = np.array([[0, 40_000, 65_535]], np.uint16)
    Image.fromarray(samples).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").tolist() == samples.tolist()
