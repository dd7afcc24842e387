"""Reading: every mode and depth gives the pixels that an independent reading gives. Resizing: exact sizes."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.datasets.images import UnreadableImageError, read_header, read_resized, read_rgb, resize_image
from app.datasets.thumbnails import write_thumbnail
from app.schemas.export import ResizeRecipe
from app.schemas.payloads import ImportLimits
from app.schemas.pixels import CURRENT, LEGACY, PixelReading, PixelScale
from tests.datasets.pictures import exif_orientation, gradient, write_image, write_png, write_tiff, write_truncated_jpeg

LIMITS = ImportLimits()


def largest_difference(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> int:
    assert left.shape == right.shape
    return int(np.abs(left.astype(int) - right.astype(int)).max())


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "webp"])
def test_lossless_formats_are_read_exactly(tmp_path: Path, ending: str) -> None:
    options: dict[str, Any] = {"lossless": True} if ending == "webp" else {}
    path = write_image(tmp_path / f"a.{ending}", **options)
    assert np.array_equal(read_rgb(path), gradient())


def lay_on_white(levels: np.ndarray[Any, Any], alpha: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return levels and alpha from 0 to 255 as a viewer with a white page shows them."""
    rounded: np.ndarray[Any, Any] = np.rint((levels * alpha + 255.0 * (255.0 - alpha)) / 255.0).astype(np.uint8)
    return rounded


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert read_header(path, LIMITS)[:4] == (32, 24, "png", "RGB")


def test_too_little_memory_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_image: Image.Image) -> None:
        raise MemoryError

    path = write_image(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "load", fail)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    with pytest.raises(UnreadableImageError, match="not enough memory") as caught:
        read_rgb(path)
    assert "fewer pixels" in caught.value.fix
    assert isinstance(caught.value.__cause__, MemoryError)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_is_scaled_and_not_clipped_to_white(tmp_path: Path, channels: int) -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    colours = samples[..., :3] if channels >= 3 else np.repeat(samples[..., :1], 3, axis=2)
    path = write_png(tmp_path / "a.png", samples)
    expected = np.rint(colours / 257).astype(np.uint8)
    assert largest_difference(read_rgb(path, LEGACY), expected) <= 2
    if channels in {2, 4}:
        expected = lay_on_white(colours / 257, samples[..., -1:] / 257)
    assert largest_difference(read_rgb(path), expected) <= 2


@pytest.mark.parametrize("big_endian", [False, True])
def test_16_bit_grey_tiff_is_scaled(tmp_path: Path, big_endian: bool) -> None:
    samples = np.linspace(0, 65535, 600).reshape(20, 30).astype(">u2" if big_endian else "<u2")
    path = write_image(tmp_path / "a.tif", samples)
    expected = np.repeat(np.rint(samples / 257.0).astype(np.uint8)[..., None], 3, axis=2)
    assert largest_difference(read_rgb(path), expected) <= 1


def test_16_bit_tiff_in_which_zero_is_white_is_inverted(tmp_path: Path) -> None:
    samples = np.linspace(0, 65535, 600).reshape(20, 30).astype("<u2")
    path = write_image(tmp_path / "a.tif", samples, tiffinfo={262: 0})
    expected = 255 - np.rint(samples / 257.0).astype(np.uint8)
    assert largest_difference(read_rgb(path)[..., 0], expected) <= 1


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 255.0), (-3.0, 9.0)])
def test_float_tiff_keeps_its_contrast(tmp_path: Path, low: float, high: float) -> None:
    samples = np.linspace(low, high, 256, dtype=np.float32).reshape(16, 16)
    grey = read_rgb(write_image(tmp_path / "a.tif", samples))[..., 0].ravel()
    assert largest_difference(grey, np.arange(256)) <= 1


def test_float_tiff_with_nan_is_read(tmp_path: Path) -> None:
    samples = np.full((4, 4), np.nan, dtype=np.float32)
    assert not read_rgb(write_image(tmp_path / "a.tif", samples)).any()


@pytest.mark.parametrize("ending", ["tif", "jpg"])
def test_cmyk_is_converted(tmp_path: Path, ending: str) -> None:
    inks = np.zeros((32, 32, 4), dtype=np.uint8)
    inks[..., 0], inks[..., 3] = 200, 100
    Image.fromarray(inks, mode="CMYK").save(tmp_path / f"a.{ending}")
    expected = (255 - inks[..., :3].astype(float)) * (255 - inks[..., 3:].astype(float)) / 255
    assert largest_difference(read_rgb(tmp_path / f"a.{ending}"), np.rint(expected)) <= 2


@pytest.mark.filterwarnings("error")
def test_palette_with_transparency_keeps_its_colours(tmp_path: Path) -> None:
    picture = Image.fromarray(gradient()).quantize(32)
    picture.save(tmp_path / "a.png", transparency=bytes(range(0, 256, 8)))
    colours = np.asarray(picture.convert("RGB"))
    alpha = np.asarray(picture).astype(float)[..., None] * 8
    assert np.array_equal(read_rgb(tmp_path / "a.png"), lay_on_white(colours, alpha))
    assert np.array_equal(read_rgb(tmp_path / "a.png", LEGACY), colours)


@pytest.mark.parametrize("background", [None, [255, 255, 255], [0, 0, 0], [10, 200, 90]])
def test_transparent_pixels_are_laid_on_the_background(tmp_path: Path, background: list[int] | None) -> None:
    alpha = np.random.default_rng(2).integers(0, 256, (24, 32, 1)).astype(np.uint8)
    path = write_png(tmp_path / "a.png", np.concatenate([gradient(), alpha], axis=2))
    share, colour = alpha / 255.0, np.array(background or [0, 0, 0])
    expected = gradient() if background is None else np.rint(gradient() * share + colour * (1.0 - share))
    assert np.array_equal(read_rgb(path, PixelReading(background=background)), expected)


@pytest.mark.parametrize("level", [0, 255])
def test_alpha_that_says_nothing_changes_no_pixel(tmp_path: Path, level: int) -> None:
    """Opaque images are as they are, and an image without any opacity has an alpha that nobody filled in."""
    alpha = np.full((24, 32, 1), level, dtype=np.uint8)
    path = write_png(tmp_path / "a.png", np.concatenate([gradient(), alpha], axis=2))
    assert np.array_equal(read_rgb(path), gradient())


def test_one_transparent_colour_of_a_png_is_laid_on_white(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(levels).save(tmp_path / "grey.png", transparency=9)
    colours = np.stack([levels] * 3, axis=2)
    Image.fromarray(colours).save(tmp_path / "colour.png", transparency=(9, 9, 9))
    expected = np.where(colours == 9, 255, colours)
    for name in ("grey.png", "colour.png"):
        assert np.array_equal(read_rgb(tmp_path / name), expected)
        assert np.array_equal(read_rgb(tmp_path / name, LEGACY), colours)


def test_the_first_frame_of_a_gif_is_read(tmp_path: Path) -> None:
    first = Image.fromarray(gradient()).quantize(16)
    first.save(tmp_path / "one.gif")
    first.save(tmp_path / "many.gif", save_all=True, append_images=[Image.new("P", first.size)])
    for name, has_more in (("one.gif", False), ("many.gif", True)):
        header = read_header(tmp_path / name, LIMITS)
        assert (header.format, header.has_more_frames) == ("gif", has_more)
        assert np.array_equal(read_rgb(tmp_path / name), np.asarray(first.convert("RGB")))


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tif"])
def test_more_frames_are_noticed_in_every_format(tmp_path: Path, ending: str) -> None:
    options: dict[str, Any] = {"lossless": True} if ending == "webp" else {}
    first, second = Image.fromarray(gradient()), Image.new("RGB", (32, 24))
    first.save(tmp_path / f"a.{ending}", save_all=True, append_images=[second], **options)
    write_image(tmp_path / f"b.{ending}", **options)
    found = [read_header(tmp_path / f"{name}.{ending}", LIMITS).has_more_frames for name in "ab"]
    assert found == [True, False]
    if ending != "gif":
        assert np.array_equal(read_rgb(tmp_path / f"a.{ending}"), gradient())


def test_damage_behind_the_first_frame_of_a_gif_does_not_matter(tmp_path: Path) -> None:
    first = Image.fromarray(gradient()).quantize(16)
    noise = np.random.default_rng(0).integers(0, 256, (24, 32), dtype=np.uint8)
    first.save(tmp_path / "a.gif", save_all=True, append_images=[Image.fromarray(noise)])
    content = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(content[:-300])
    assert read_header(tmp_path / "a.gif", LIMITS)[:3] == (32, 24, "gif")
    assert np.array_equal(read_rgb(tmp_path / "a.gif"), np.asarray(first.convert("RGB")))


def test_a_phone_s_photo_with_a_second_picture_is_a_jpeg(tmp_path: Path) -> None:
    first, second = Image.fromarray(gradient()), Image.new("RGB", (32, 24))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second], quality=95)
    header = read_header(tmp_path / "a.jpg", LIMITS)
    assert (header.format, header.has_more_frames) == ("jpeg", False)
    assert largest_difference(read_rgb(tmp_path / "a.jpg"), gradient()) < 30


@pytest.mark.parametrize("value", [-400.0, 0.0, 0.5, 1.0, 290.0, 70_000.0])
def test_a_constant_image_is_no_error(tmp_path: Path, value: float) -> None:
    path = write_image(tmp_path / "a.tif", np.full((4, 5), value, dtype=np.float32))
    for pixels in (LEGACY, CURRENT, PixelReading(scale=PixelScale(min=-500.0, max=1e5))):
        rgb = read_rgb(path, pixels)
        assert rgb.shape == (4, 5, 3)
        assert rgb.min() == rgb.max()


@pytest.mark.parametrize(
    ("samples", "scale", "expected"),
    [
        (np.array([[0, 1023]], np.uint16), (0.0, 1023.0), [0, 255]),
        (np.array([[0, 2048, 4095, 65535]], np.uint16), (0.0, 4095.0), [0, 128, 255, 255]),
        (np.array([[-1000, 0, 3000, 9000]], np.int32), (-1000.0, 3000.0), [0, 64, 255, 255]),
        (np.array([[290.0, 305.0, 320.0]], np.float32), (290.0, 320.0), [0, 128, 255]),
        (np.array([[np.nan, np.inf, -np.inf, 2.0, 4.0]], np.float32), (2.0, 4.0), [0, 0, 0, 0, 255]),
    ],
)
def test_values_beyond_8_bit_follow_the_scale_of_the_dataset(
    tmp_path: Path, samples: np.ndarray[Any, Any], scale: tuple[float, float], expected: list[int]
) -> None:
    path = write_image(tmp_path / "a.tif", samples)
    reading = PixelReading(scale=PixelScale(min=scale[0], max=scale[1]))
    grey = read_rgb(path, reading)
    assert np.array_equal(grey[0], np.repeat(np.array(expected)[:, None], 3, axis=1))


def test_zero_is_white_is_kept_under_a_scale(tmp_path: Path) -> None:
    samples = np.linspace(0, 4095, 600).reshape(20, 30).astype("<u2")
    path = write_image(tmp_path / "a.tif", samples, tiffinfo={262: 0})
    reading = PixelReading(scale=PixelScale(min=0.0, max=4095.0))
    expected = 255 - np.rint(samples / 4095.0 * 255.0).astype(np.uint8)
    assert largest_difference(read_rgb(path, reading)[..., 0], expected) <= 1


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_16_bits_follow_the_scale(tmp_path: Path, ending: str, channels: int) -> None:
    samples = np.random.default_rng(5).integers(0, 4096, (20, 30, channels), dtype=np.uint16)
    samples[..., 3:] *= 16
    path = tmp_path / f"a.{ending}"
    if ending == "png":
        write_png(path, samples)
    else:
        write_tiff(path, samples, 1)
    reading = PixelReading(scale=PixelScale(min=0.0, max=4095.0), background=None)
    expected = np.rint(samples[..., :3] / 4095.0 * 255.0)
    assert largest_difference(read_rgb(path, reading), expected) <= 1
    assert np.array_equal(read_rgb(path, LEGACY), samples[..., :3] >> 8)
    recipe = ResizeRecipe(mode="stretch", size=[10, 12])
    resized = resize_image(read_rgb(path, reading), recipe, (10, 12))
    assert np.array_equal(read_resized(path, recipe, (10, 12), reading), resized)


def test_8_bit_images_ignore_the_scale(tmp_path: Path) -> None:
    reading = PixelReading(scale=PixelScale(min=0.0, max=4095.0))
    assert np.array_equal(read_rgb(write_image(tmp_path / "a.png"), reading), gradient())


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_modes_become_three_equal_channels(tmp_path: Path, mode: str) -> None:
    Image.fromarray(gradient()).convert(mode).save(tmp_path / "a.png")
    rgb = read_rgb(tmp_path / "a.png")
    assert rgb.shape == (24, 32, 3)
    assert np.array_equal(rgb[..., 0], rgb[..., 2])


# What each orientation makes of the stored rows, by the EXIF definition of where row 0 and column 0 are.
ORIENTED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[:, ::-1],
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: a.transpose(1, 0, 2)[::-1],
}


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_orientation_is_applied_to_pixels_and_header(tmp_path: Path, value: int, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    options: dict[str, Any] = {"lossless": True} if ending == "webp" else {}
    path = write_image(tmp_path / f"a.{ending}", exif=exif, **options)
    expected = ORIENTED[value](gradient())
    assert np.array_equal(read_rgb(path), expected)
    assert read_header(path, LIMITS)[:2] == (expected.shape[1], expected.shape[0])


def test_orientation_behind_the_pixels_of_a_png_is_applied(tmp_path: Path) -> None:
    path = write_png(tmp_path / "a.png", gradient(), ((b"eXIf", exif_orientation(6)),))
    assert np.array_equal(read_rgb(path), ORIENTED[6](gradient()))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_is_ignored(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_rgb(path).shape == (24, 32, 3)


def test_only_the_first_frame_is_read(tmp_path: Path) -> None:
    first, second = Image.fromarray(gradient()), Image.new("RGB", (32, 24))
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])
    assert np.array_equal(read_rgb(tmp_path / "a.tif"), gradient())


def test_a_truncated_jpeg_has_a_header_and_no_pixels(tmp_path: Path) -> None:
    path = write_truncated_jpeg(tmp_path / "a.jpg")
    assert read_header(path, LIMITS).format == "jpeg"
    with pytest.raises(UnreadableImageError, match="truncated"):
        read_rgb(path)


def test_unknown_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x80\x81\x82")
    with pytest.raises(UnreadableImageError, match="none of JPEG, PNG"):
        read_header(tmp_path / "a.png", LIMITS)


@pytest.mark.parametrize("content", [b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0"])
def test_a_file_with_only_the_beginning_of_an_image_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UnreadableImageError, match=r"header of the image is damaged|cannot be decoded"):
        read_header(tmp_path / "a.png", LIMITS)


def test_signed_samples_of_a_tiff_are_read_with_their_sign(tmp_path: Path) -> None:
    samples = np.linspace(-500, 500, 64).round().astype("<i2").reshape(8, 8, 1)
    path = write_tiff(tmp_path / "a.tif", samples, 2)
    grey = read_rgb(path, PixelReading(scale=PixelScale(min=-500.0, max=500.0)))[..., 0]
    assert largest_difference(grey, np.rint((samples[..., 0] + 500.0) * 0.255)) <= 1


def test_a_missing_file_is_named_as_missing(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="does not exist"):
        read_rgb(tmp_path / "a.png")


def test_limits_are_decided_on_the_header(tmp_path: Path) -> None:
    limits = ImportLimits(max_side_px=100, max_pixels=1000)
    with pytest.raises(UnreadableImageError, match="side may have 100") as wide:
        read_header(write_image(tmp_path / "wide.png", gradient(2, 101)), limits)
    with pytest.raises(UnreadableImageError, match="megapixels"):
        read_header(write_image(tmp_path / "large.png", gradient(40, 40)), limits)
    assert wide.value.fix


@pytest.mark.filterwarnings("error")
def test_a_forged_header_of_many_gigapixels_is_refused_without_decoding(tmp_path: Path) -> None:
    path = write_png(tmp_path / "a.png", gradient())
    data = bytearray(path.read_bytes())
    data[16:24] = (2_000_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(UnreadableImageError, match="side may have 30,000"):
        read_rgb(path)


@pytest.mark.filterwarnings("error")
def test_a_large_image_within_the_limits_gives_no_warning(tmp_path: Path) -> None:
    Image.new("1", (20_000, 4_999)).save(tmp_path / "a.png")
    assert read_header(tmp_path / "a.png", LIMITS).width == 20_000


def encode(ending: str) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(gradient(9, 11)).save(buffer, ending, exif=exif)
    return buffer.getvalue()


SAMPLES = {ending: encode(ending) for ending in ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF")}


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=120, deadline=None)
@given(ending=st.sampled_from(sorted(SAMPLES)), data=st.data())
def test_damage_of_any_kind_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, ending: str, data: st.DataObject
) -> None:
    content = bytearray(SAMPLES[ending])
    places = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(places, min_size=1, max_size=8)):
        content[place] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    limits = ImportLimits(max_pixels=10_000)
    try:
        read_header(path, limits)
        made = write_thumbnail(path, path.with_name("damaged.jpg"), limits)
        pixels = read_rgb(path)
    except UnreadableImageError:
        return
    assert pixels.shape == (made.height, made.width, 3)


def test_stretch_is_pillow_s_antialiased_resize() -> None:
    recipe = ResizeRecipe(mode="stretch", size=[10, 12])
    expected = np.asarray(Image.fromarray(gradient()).resize((12, 10), Image.Resampling.BILINEAR))
    assert np.array_equal(resize_image(gradient(), recipe, (10, 12)), expected)


@pytest.mark.parametrize(("height", "width"), [(24, 32), (32, 24), (7, 100), (16, 16)])
def test_crop_keeps_the_centre(height: int, width: int) -> None:
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[height // 2 - 1 : height // 2 + 1, width // 2 - 1 : width // 2 + 1] = 255
    result = resize_image(picture, ResizeRecipe(mode="crop", size=[16]), (14, 14))
    assert result.shape == (14, 14, 3)
    rows, columns = np.nonzero(result[..., 0] >= result.max() - 1)
    assert abs(rows.mean() - 6.5) <= 1
    assert abs(columns.mean() - 6.5) <= 1


def test_letterbox_keeps_the_aspect_ratio_and_pads_with_grey() -> None:
    white = np.full((20, 40, 3), 255, dtype=np.uint8)
    result = resize_image(white, ResizeRecipe(mode="letterbox", size=[16, 16]), (16, 16))
    assert (result[:4] == 114).all()
    assert (result[4:12] == 255).all()
    assert (result[12:] == 114).all()


@pytest.mark.parametrize(
    "recipe",
    [
        ResizeRecipe(mode="stretch", size=[10, 12]),
        ResizeRecipe(mode="crop", size=[14]),
        ResizeRecipe(mode="letterbox", size=[10, 12], interpolation="bicubic"),
    ],
)
def test_reading_and_resizing_at_once_gives_the_same_pixels(tmp_path: Path, recipe: ResizeRecipe) -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (20, 30, 4), dtype=np.uint16)
    cmyk = Image.fromarray(gradient()).convert("CMYK")
    cmyk.save(tmp_path / "cmyk.jpg")
    Image.fromarray(gradient()).convert("P").save(tmp_path / "palette.png", transparency=3)
    paths = [
        write_png(tmp_path / "deep.png", samples),
        write_image(tmp_path / "turned.jpg", exif=exif_orientation(6)),
        write_image(tmp_path / "plain.jpg"),
        tmp_path / "cmyk.jpg",
        tmp_path / "palette.png",
    ]
    for path in paths:
        expected = resize_image(read_rgb(path), recipe, (10, 12))
        np.testing.assert_array_equal(read_resized(path, recipe, (10, 12)), expected)
    with pytest.raises(ValueError, match="the model takes 8 × 8"):
        read_resized(paths[0], ResizeRecipe(mode="stretch", size=[10, 12]), (8, 8))
    with pytest.raises(UnreadableImageError, match="cannot be decoded"):
        read_resized(write_truncated_jpeg(tmp_path / "half.jpg"), recipe, (10, 12))


def test_a_recipe_that_does_not_give_the_input_size_is_refused() -> None:
    with pytest.raises(ValueError, match="the model takes 8 × 8"):
        resize_image(gradient(), ResizeRecipe(mode="stretch", size=[10, 12]), (8, 8))
    with pytest.raises(ValueError, match="does not fit"):
        resize_image(gradient(), ResizeRecipe(mode="crop", size=[8]), (9, 9))
