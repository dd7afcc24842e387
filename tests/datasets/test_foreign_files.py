"""Files that are no readable image: each is named as what it is, whatever its name says, with what to do."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.datasets.foreign_files import HEAD_BYTES, name_content
from app.datasets.images import UnreadableImageError, begins_like_image, read_header, read_rgb
from app.schemas.payloads import ImportLimits
from tests.datasets.pictures import gradient, write_image


def iso(*brands: bytes) -> bytes:
    """Return the first box of a file of the ISO base media format: the major brand, and those it is compatible with."""
    body = brands[0] + b"\0\0\0\0" + b"".join(brands[1:])
    return (len(body) + 8).to_bytes(4, "big") + b"ftyp" + body + b"\0\0\0\x10meta"


PICTURES = {
    "iPhone": (iso(b"heic", b"mif1", b"heic"), "HEIC photo"),
    "iPhone burst": (iso(b"msf1", b"hevc"), "HEIC photo"),
    "general HEIF": (iso(b"mif1", b"heic"), "HEIC photo"),
    "AVIF": (iso(b"avif", b"mif1", b"miaf"), "AVIF image"),
    "AVIF in general": (iso(b"mif1", b"avif", b"miaf"), "AVIF image"),
    "Canon CR3": (iso(b"crx ", b"isom"), "camera RAW"),
    "Canon CR2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(40), "camera RAW"),
    "Fujifilm": (b"FUJIFILMCCD-RAW 0201", "camera RAW"),
    "Olympus": (b"IIRO\x08\0\0\0", "camera RAW"),
    "Panasonic": (b"IIU\0\x18\0\0\0", "camera RAW"),
    "JPEG XL": (b"\xff\x0a\xfa\x1f\x41", "JPEG XL"),
    "JPEG XL in a container": (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    "Photoshop": (b"8BPS\0\x01", "Photoshop"),
    "DICOM": (bytes(128) + b"DICM\x02\0", "DICOM"),
    "PPM": (b"P6\n64 64\n255\n" + bytes(range(256)), "Netpbm image"),
    "PGM": (b"P5 64 64 255\n" + bytes(range(256)), "Netpbm image"),
    "PPM as text": (b"P3\n# by a program\n2 2\n255\n0 0 0", "Netpbm image"),
    "OpenEXR": (b"v/1\x01\x02\0\0\0", "OpenEXR"),
}
OTHERS = {
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawing"),
    "SVG with a head": (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x --><svg>", "SVG drawing"),
    "PDF": (b"%PDF-1.7\n", "PDF"),
    "page of an error": (b"<!DOCTYPE html><html><title>404</title>", "web page"),
    "placeholder": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS"),
    "placeholder of a Mac": (b"bplist00\xd3\x01\x02", "iCloud"),
    "video": (iso(b"isom", b"mp41"), "video"),
    "video of a phone": (iso(b"qt  "), "video"),
    "array": (b"\x93NUMPY\x01\0", "NumPy"),
    "companion": (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", "companion file of macOS"),
    "text": ("Bäume, Häuser\n".encode() * 60, "text file"),
    "nothing": (b"", "empty"),
}


def refuse(path: Path) -> UnreadableImageError:
    with pytest.raises(UnreadableImageError) as caught:
        read_header(path, ImportLimits())
    return caught.value


@pytest.mark.parametrize("name", [*PICTURES, *OTHERS])
def test_the_content_names_the_file_and_not_its_ending(tmp_path: Path, name: str) -> None:
    content, message = (PICTURES | OTHERS)[name]
    (tmp_path / "photo.jpg").write_bytes(content)
    error = refuse(tmp_path / "photo.jpg")
    assert message in error.message
    assert error.fix


def test_a_heic_photo_comes_with_the_setting_of_the_phone(tmp_path: Path) -> None:
    (tmp_path / "IMG_0001.HEIC").write_bytes(PICTURES["iPhone"][0])
    assert "Settings > Camera > Formats > Most Compatible" in refuse(tmp_path / "IMG_0001.HEIC").fix


@pytest.mark.parametrize("tags", [{50706: b"\x01\x04\0\0"}, {254: 1, 330: 8}])
def test_a_raw_photo_that_is_a_tiff_is_not_read_as_its_preview(tmp_path: Path, tags: dict[int, object]) -> None:
    write_image(tmp_path / "DSC_0001.NEF", format="TIFF", tiffinfo=tags)
    assert "camera RAW" in refuse(tmp_path / "DSC_0001.NEF").message


def test_a_real_avif_file_is_named(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(gradient()).save(buffer, "AVIF")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    assert "AVIF" in refuse(tmp_path / "a.png").message


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp", "tif", "webp", "gif"])
def test_what_is_read_is_named_as_nothing_else(tmp_path: Path, ending: str) -> None:
    path = write_image(tmp_path / f"a.{ending}")
    assert name_content(path.read_bytes()[:HEAD_BYTES]) is None
    assert begins_like_image(path.read_bytes()[:HEAD_BYTES])
    assert read_rgb(path).shape == (24, 32, 3)


def test_unknown_bytes_have_no_name() -> None:
    noise = np.random.default_rng(3).integers(128, 256, 64, dtype=np.uint8).tobytes()
    assert name_content(noise) is None
