"""The golden set of a bundle: a few real images as their files are, and what the model answered.

Files are kept byte by byte, because elsewhere the reading goes wrong: orientation, 16 bit, palettes, alpha, CMYK.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from app.datasets.images import open_image, read_orientation, read_rgb, resize_image
from app.datasets.pixels.colours import Array
from app.datasets.placement import Placement
from app.datasets.reading import locate_image
from app.datasets.table import source_name_of
from app.evaluation.inference import PooledImage, run_model
from app.export.parity import ParitySample
from app.schemas.export import ParityCertificate
from app.schemas.pixels import PixelReading
from app.tasks.registry import load_export
from app.tasks.trained import TrainedModel

if TYPE_CHECKING:
    from app.tasks.base import ArrayOutputs

NUM_GOLDEN = 8
MAX_FILE_BYTES = 2 * 2**20
MAX_SIDE_PX = 1024
Kind = tuple[str, str, bool]
_ORDINARY: Kind = ("JPEG", "RGB", False)


@dataclass(frozen=True)
class GoldenFile:
    """One image: its name in the source of the dataset, its name in the bundle, and its bytes."""

    source: str
    file: str
    content: bytes


@dataclass(frozen=True)
class GoldenSet:
    """Files, what the model was given of them, uint8 (images, 3, height, width), and what it answered.

    `scales` are those of `ExportPart.output_scales`.
    """

    files: list[GoldenFile]
    inputs: np.ndarray[Any, Any]
    outputs: ArrayOutputs
    decoded: list[dict[str, Any]]
    scales: dict[str, list[float]]


def make_golden(trained: TrainedModel, sample: ParitySample, certificate: ParityCertificate) -> GoldenSet:
    """Return up to NUM_GOLDEN of the compared images: one of each kind of file, the others spread evenly."""
    compared = [image for image in sample.pooled if image.row.filename in certificate.differences]
    paths = [locate_image(image.row, sample.images_dir) for image in compared]
    chosen = choose([find_kind(path) for path in paths])
    reading = sample.plan.pixels
    files = [_read_file(compared[index], paths[index], number, reading) for number, index in enumerate(chosen)]
    pixels = [_read_pixels(file, paths[index], reading) for file, index in zip(files, chosen, strict=True)]
    resized = [resize_image(item, sample.plan.recipe, sample.plan.input_size) for item in pixels]
    inputs = np.ascontiguousarray(np.stack(resized).transpose(0, 3, 1, 2))
    outputs = run_model(trained.model, torch.from_numpy(inputs), torch.device("cpu"))
    part, context = load_export(trained.context.task), trained.context
    places = [Placement(sample.plan.recipe, item.shape[:2], sample.plan.input_size) for item in pixels]
    return GoldenSet(files, inputs, outputs, part.decode(outputs, places, context), part.output_scales(context))


def find_kind(path: Path) -> Kind:
    """Return format, mode and whether the image is stored turned: what a reader can get wrong."""
    with open_image(path) as image:
        mode = f"{image.mode} with transparency" if "transparency" in image.info else image.mode
        return image.format or "", mode, read_orientation(image) != 1


def choose(kinds: Sequence[Kind]) -> list[int]:
    """Return positions in rising order: the first of each unusual kind, the rest spread evenly over all."""
    first: dict[Kind, int] = {}
    for index, kind in enumerate(kinds):
        first.setdefault(kind, index)
    unusual = [index for kind, index in first.items() if kind != _ORDINARY][:NUM_GOLDEN]
    others = [index for index in range(len(kinds)) if index not in set(unusual)]
    num_others = min(NUM_GOLDEN - len(unusual), len(others))
    spread = [others[number * len(others) // num_others] for number in range(num_others)]
    return sorted({*unusual, *spread})


def _read_file(image: PooledImage, path: Path, number: int, pixels: PixelReading) -> GoldenFile:
    content = path.read_bytes()
    if len(content) > MAX_FILE_BYTES:
        content, suffix = _scale_down(read_rgb(path, pixels)), "png"
    else:
        with open_image(path) as opened:
            suffix = {"JPEG": "jpg", "MPO": "jpg", "TIFF": "tif"}.get(opened.format or "", str(opened.format).lower())
    return GoldenFile(source_name_of(image.row), f"image_{number}.{suffix}", content)


def _read_pixels(file: GoldenFile, path: Path, pixels: PixelReading) -> Array:
    """Return the pixels of the bundled file, which is a smaller one where the original is large."""
    if path.stat().st_size <= MAX_FILE_BYTES:
        return read_rgb(path, pixels)
    return np.array(Image.open(io.BytesIO(file.content)))


def _scale_down(pixels: Array) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()
