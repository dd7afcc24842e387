"""Writes bundle.zip: the model, its certificate and labels, a golden set, and a script that runs the model alone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from app.datasets.images import read_rgb, resize_image
from app.datasets.reading import locate_image
from app.durable import put_in_place
from app.evaluation.inference import run_model
from app.export.catalog import FormatSpec
from app.export.parity import TOLERANCE, Sample
from app.schemas.export import ModelMetadata, ParityCertificate
from app.tasks.registry import load_export
from app.tasks.trained import TrainedModel

if TYPE_CHECKING:
    from app.tasks.base import ArrayOutputs

BUNDLE_NAME = "bundle.zip"
NUM_GOLDEN = 8
GOLDEN_MAX_SIDE_PX = 1024
# Another version of Pillow may round a resized pixel the other way.
PIXEL_TOLERANCE = 1
_SCRIPTS = Path(__file__).with_name("bundle")
# A fixed time in the archive: the same export gives the same bytes.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class GoldenSet:
    """A few real images, what the model was given of them, uint8 (images, 3, height, width), and what it answered.

    `scales` are those of `ExportPart.output_scales`.
    """

    names: list[str]
    pictures: list[np.ndarray[Any, Any]]
    inputs: np.ndarray[Any, Any]
    outputs: ArrayOutputs
    decoded: list[dict[str, Any]]
    scales: dict[str, list[float]]


def make_golden(trained: TrainedModel, sample: Sample, certificate: ParityCertificate) -> GoldenSet:
    """Return up to NUM_GOLDEN of the images that were compared, spread evenly; large ones are scaled down."""
    compared = [image for image in sample.pooled if image.row.filename in certificate.differences]
    chosen = compared[:: max(1, len(compared) // NUM_GOLDEN)][:NUM_GOLDEN]
    names = [image.row.filename for image in chosen]
    pictures = [_scale_down(read_rgb(locate_image(image.row, sample.images_dir))) for image in chosen]
    resized = [resize_image(picture, sample.plan.recipe, sample.plan.input_size) for picture in pictures]
    inputs = np.ascontiguousarray(np.stack(resized).transpose(0, 3, 1, 2))
    outputs = run_model(trained.model, torch.from_numpy(inputs), torch.device("cpu"))
    part, context = load_export(trained.context.task), trained.context
    return GoldenSet(names, pictures, inputs, outputs, part.decode(outputs, context), part.output_scales(context))


def write_bundle(
    path: Path, spec: FormatSpec, metadata: ModelMetadata, certificate: ParityCertificate, golden: GoldenSet
) -> list[str]:
    """Write the bundle of the model file beside `path`; returns the names of its files."""
    labels = metadata.classes or metadata.details.get("value_names", [])
    members: list[tuple[str, bytes | Path]] = [
        (spec.file_name, path.with_name(spec.file_name)),
        ("labels.txt", "".join(f"{name}\n" for name in labels).encode()),
        ("parity.json", certificate.model_dump_json(indent=1).encode()),
        ("metadata.json", metadata.model_dump_json(indent=1).encode()),
        *_golden_members(golden),
    ]
    if spec.predict_script is not None:
        members.append(("predict.py", _SCRIPTS / spec.predict_script))
    temporary = path.with_name(f".{path.name}.tmp")
    with zipfile.ZipFile(temporary, "w") as archive:
        for name, content in members:
            data = content.read_bytes() if isinstance(content, Path) else content
            # Weights and pictures hardly shrink, so packing them would only take time.
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), data, zipfile.ZIP_STORED)
    put_in_place(temporary, path)
    return [name for name, _ in members]


def _golden_members(golden: GoldenSet) -> Sequence[tuple[str, bytes]]:
    arrays = io.BytesIO()
    np.savez_compressed(arrays, images=golden.inputs, **golden.outputs)  # type: ignore[arg-type]
    entries = [
        {"file": f"image_{index}.png", "source": name, "predictions": golden.decoded[index]}
        for index, name in enumerate(golden.names)
    ]
    expected = {
        "tolerance": TOLERANCE,
        "pixel_tolerance": PIXEL_TOLERANCE,
        "scales": golden.scales,
        "images": entries,
    }
    pictures = [
        (f"golden/{entry['file']}", _encode_png(picture))
        for entry, picture in zip(entries, golden.pictures, strict=True)
    ]
    text = json.dumps(expected, indent=1, ensure_ascii=False, allow_nan=False)
    return [("golden/golden.npz", arrays.getvalue()), ("golden/expected.json", text.encode()), *pictures]


def _scale_down(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    image = Image.fromarray(pixels)
    image.thumbnail((GOLDEN_MAX_SIDE_PX, GOLDEN_MAX_SIDE_PX))
    return np.array(image)


def _encode_png(pixels: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()
