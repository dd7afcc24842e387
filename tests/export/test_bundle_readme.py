"""The README of a bundle: whoever follows its rules without Pillow gets the input of the model bit by bit."""

from __future__ import annotations

import math
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.datasets.images import read_rgb, resize_image
from app.export.bundle_readme import FILTERS, describe_reading, write_readme
from app.export.catalog import FORMATS
from app.export.metadata import unseen_metrics
from app.schemas.export import Measurement, ModelMetadata, ParityCertificate, ResizeDescription, ResizeRecipe
from app.schemas.pixels import LEGACY, PixelReading, PixelScale
from tests.export.conftest import MEASUREMENT, Export
from tests.export.test_bundle import unpack

Levels = np.ndarray[Any, Any]


def bilinear(t: float) -> float:
    return max(0.0, 1.0 - abs(t))


def bicubic(t: float) -> float:
    a, t = -0.5, abs(t)
    if t < 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def resize_rows(source: Levels, new: int, interpolation: str) -> Levels:
    """Resize (old, other, 3) along its first axis by the rules of the README."""
    old = len(source)
    if old == new:
        return source
    if interpolation == "nearest":
        return source[[math.trunc(p) for p in accumulate([old / new / 2] + [old / new] * (new - 1))]]
    weigh, r = (bilinear, 1) if interpolation == "bilinear" else (bicubic, 2)
    scale = old / new
    wide = max(scale, 1.0)
    result = np.empty((new, *source.shape[1:]), dtype=np.uint8)
    for x in range(new):
        centre = (x + 0.5) * scale
        first, last = max(0, int(centre - r * wide + 0.5)), min(old, int(centre + r * wide + 0.5))
        weights = [weigh((i - centre + 0.5) / wide) for i in range(first, last)]
        scaled = [weight / sum(weights) * 2**22 for weight in weights]
        k = np.array([int(value + 0.5) if value >= 0 else int(value - 0.5) for value in scaled], dtype=np.int64)
        total = 2**21 + (source[first:last].astype(np.int64) * k[:, None, None]).sum(axis=0)
        result[x] = np.clip(total >> 22, 0, 255)
    return result


def resize(source: Levels, width: int, height: int, interpolation: str, is_width_first: bool) -> Levels:
    for direction in ("x", "y") if is_width_first else ("y", "x"):
        if direction == "x":
            source = resize_rows(source.transpose(1, 0, 2), width, interpolation).transpose(1, 0, 2)
        else:
            source = resize_rows(source, height, interpolation)
    return source


def follow(source: Levels, recipe: ResizeRecipe, width: int, height: int, first: bool) -> Levels:
    """Carry out what the README says of a mode."""
    old_height, old_width = source.shape[:2]
    if recipe.mode == "stretch":
        return resize(source, width, height, recipe.interpolation, first)
    if recipe.mode == "crop":
        side, shorter = recipe.size[0], min(old_height, old_width)
        new = [side if length == shorter else side * length // shorter for length in (old_width, old_height)]
        image = resize(source, new[0], new[1], recipe.interpolation, first)
        left, top = (new[0] - width) // 2, (new[1] - height) // 2
        return image[top : top + height, left : left + width]
    s = min(width / old_width, height / old_height)
    new = [max(1, round(old_width * s)), max(1, round(old_height * s))]
    result = np.full((height, width, 3), 114, dtype=np.uint8)
    left, top = (width - new[0]) // 2, (height - new[1]) // 2
    result[top : top + new[1], left : left + new[0]] = resize(source, new[0], new[1], recipe.interpolation, first)
    return result


@pytest.mark.parametrize("mode", ["stretch", "crop", "letterbox"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_the_rules_of_resizing_are_true_to_the_bit(mode: Any, interpolation: Any) -> None:
    height, width = 24, 31
    recipe = ResizeRecipe(mode=mode, size=[33] if mode == "crop" else [height, width], interpolation=interpolation)
    sizes = ((90, 50), (20, 77), (31, 24), (33, 33), (200, 35))
    for old_width, old_height in sizes:
        source = np.random.default_rng(old_width).integers(0, 256, (old_height, old_width, 3), dtype=np.uint8)
        expected = resize_image(source, recipe, (height, width))
        # Which direction Pillow resizes first depends on its version and on the sizes.
        followed = [follow(source, recipe, width, height, first) for first in (True, False)]
        assert any(np.array_equal(pixels, expected) for pixels in followed)
        if interpolation == "bilinear":
            assert np.abs(followed[0].astype(int) - followed[1]).max() <= 1
    assert set(FILTERS) == {"bilinear", "bicubic"}


def test_the_rules_of_reading_are_true(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    deep = random.integers(0, 65536, (9, 7)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "deep.png")[..., 0], np.rint(deep / 257))
    ink = random.integers(0, 256, (9, 7, 4), dtype=np.uint8)
    Image.fromarray(ink, "CMYK").save(tmp_path / "ink.tif")
    levels = (255.0 - ink[..., :3]) * (255.0 - ink[..., 3:]) / 255.0
    assert np.abs(read_rgb(tmp_path / "ink.tif") - levels).max() <= 1.0
    image = random.integers(0, 256, (9, 7, 4), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "alpha.png", LEGACY), image[..., :3])
    level, alpha = image[..., :3].astype(float), image[..., 3:].astype(float)
    green = PixelReading(background=[0, 200, 0])
    laid = np.rint((alpha * level + (255 - alpha) * np.array([0, 200, 0])) / 255)
    np.testing.assert_array_equal(read_rgb(tmp_path / "alpha.png", green), laid)
    text = describe_reading(make_metadata([]))
    assert all(word in text for word in ("257", "(255 - C) * (255 - K) / 255", "Alpha is dropped", "EXIF"))
    text = describe_reading(make_metadata([]).model_copy(update={"background": [0, 200, 0]}))
    assert "Alpha is dropped" not in text
    assert "the colour (0, 200, 0)" in text


def test_the_rules_of_the_scale_are_true(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    scale = PixelScale(min=290.5, max=321.0, has_unit_images=True)
    kelvin = random.uniform(280.0, 330.0, (9, 7)).astype(np.float32)
    kelvin[0, :3] = np.nan, np.inf, -np.inf
    unit = random.uniform(0.0, 1.0, (9, 7)).astype(np.float32)
    for name, values in (("kelvin.tif", kelvin), ("unit.tif", unit)):
        Image.fromarray(values).save(tmp_path / name)
    pixels = PixelReading(scale=scale)
    with np.errstate(invalid="ignore"):
        followed = np.rint(np.clip((kelvin.astype(float) - 290.5) * 255 / 30.5, 0, 255))
    followed[~np.isfinite(kelvin)] = 0
    np.testing.assert_array_equal(read_rgb(tmp_path / "kelvin.tif", pixels)[..., 0], followed)
    np.testing.assert_array_equal(read_rgb(tmp_path / "unit.tif", pixels)[..., 0], np.rint(unit.astype(float) * 255))
    text = describe_reading(make_metadata([]).model_copy(update={"pixel_scale": scale}))
    assert "`(value - 290.5) * 255 / 30.5`" in text
    assert "`value * 255` instead" in text
    assert "257" not in text


def test_the_readme_of_an_export_says_what_was_measured(label_export: Export, tmp_path: Path) -> None:
    text = (unpack(label_export, tmp_path) / "README.md").read_text()
    for part in ("| score | 0.500 | 0.400 to 0.600 (95%) | 12 of test | evaluation | 2026-01-02 |", "bolt, nut, washer",
                 "| `probabilities` | (batch, 3) |", "predict.py", "uint8, (batch, 3, "):  # fmt: skip
        assert part in text
    assert "Training images are included" not in text


def test_training_images_are_named_and_every_format_has_a_text(label_export: Export) -> None:
    seen = MEASUREMENT.model_copy(update={"subsets": ["train"], "low": None, "source": "training"})
    metadata = make_metadata([seen])
    certificate = ParityCertificate.model_validate_json((label_export.folder / "parity.json").read_text())
    texts = [write_readme(spec, metadata, certificate, {"values": [2]}) for spec in FORMATS]
    assert len(texts) == 2
    for text in texts:
        assert "| score | 0.500 | none | 12 of train | training, on the training images themselves |" in text
        assert "Training images are included" in text
    withheld = {"metric": "other", "low": None, "high": None, "level": None, "not_enough_images": "All errors are 0."}
    covered = MEASUREMENT.model_copy(update={"not_covered": "12 images can miss something."})
    both = make_metadata([covered, MEASUREMENT.model_copy(update=withheld), covered])
    text = write_readme(FORMATS[0], both, certificate, {"values": [2]})
    assert "| other | 0.500 | not enough images | 12 of test |" in text
    assert "\n\nNo interval of other: All errors are 0.\n\n" in text
    assert text.count("\n\n12 images can miss something.\n\n") == 1
    assert "Not measured" in write_readme(FORMATS[0], make_metadata([]), certificate, {"values": [2]})


def test_copies_of_training_images_are_said_beside_the_figures(label_export: Export) -> None:
    certificate = ParityCertificate.model_validate_json((label_export.folder / "parity.json").read_bytes())
    some = MEASUREMENT.model_copy(update={"num_copies": 8, "value_without_copies": 0.25})
    every = MEASUREMENT.model_copy(update={"num_copies": 1})
    texts = [
        write_readme(FORMATS[0], make_metadata([each]), certificate, {"values": [2]})
        for each in (MEASUREMENT, some, every)
    ]
    assert "copies of" not in texts[0]
    assert "8 of the measured images are identical to training images; without them: score 0.250." in texts[1]
    assert "1 of the measured images is identical to a training image; what the model does on new images" in texts[2]
    assert [unseen_metrics([each]) for each in (MEASUREMENT, some, every)] == [{"score": 0.5}, {"score": 0.25}, {}]


def test_images_of_a_split_that_was_created_again_are_not_called_unseen(label_export: Export) -> None:
    certificate = ParityCertificate.model_validate_json((label_export.folder / "parity.json").read_bytes())
    redrawn = MEASUREMENT.model_copy(update={"redrawn_splits": ["main"]})
    text = write_readme(FORMATS[0], make_metadata([redrawn]), certificate, {"values": [2]})
    assert "The split 'main' was created again after this model was trained, so the measured images may have" in text
    assert "created again" not in write_readme(FORMATS[0], make_metadata([MEASUREMENT]), certificate, {"values": [2]})
    assert unseen_metrics([redrawn]) == {}


def make_metadata(measurements: list[Measurement]) -> ModelMetadata:
    return ModelMetadata(
        task="x", annotation_kind="values", classes=[], input_size=[32, 32], architecture="net", licence="MIT",
        resize=ResizeDescription(mode="letterbox", size=[32, 32]), experiment_id="", run_id="", created_at="",
        measurements=measurements, details={"value_names": ["a", "b"]},
    )  # fmt: skip
