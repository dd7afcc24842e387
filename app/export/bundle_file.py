"""Writes bundle.zip: the model, its certificate and labels, a golden set, a README, and a script that runs it alone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from app.checksum import find_checksum
from app.durable import put_in_place
from app.export.bundle_readme import write_readme
from app.export.bundle_script import write_script
from app.export.catalog import FormatSpec
from app.export.golden import GoldenSet
from app.export.parity import TOLERANCE
from app.schemas.export import ModelMetadata, ParityCertificate

BUNDLE_NAME = "bundle.zip"
SUMS_NAME = "SHA256SUMS"
# Another version of Pillow may round a resized pixel the other way.
PIXEL_TOLERANCE = 1
_SCRIPTS = Path(__file__).with_name("bundle")
# A fixed time in the archive: the same export gives the same bytes.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def write_bundle(
    path: Path, spec: FormatSpec, metadata: ModelMetadata, certificate: ParityCertificate, golden: GoldenSet
) -> list[str]:
    """Write the bundle of the model file beside `path`; returns the names of its files."""
    labels = metadata.classes or metadata.details.get("value_names", [])
    outputs = {name: list(values.shape[1:]) for name, values in golden.outputs.items()}
    members: list[tuple[str, bytes | Path]] = [
        ("README.md", write_readme(spec, metadata, certificate, outputs).encode()),
        (spec.filename, path.with_name(spec.filename)),
        ("labels.txt", "".join(f"{name}\n" for name in labels).encode()),
        ("parity.json", certificate.model_dump_json(indent=1).encode()),
        ("metadata.json", metadata.model_dump_json(indent=1).encode()),
        *_golden_members(golden),
    ]
    if spec.predict_script is not None:
        members.append(("predict.py", write_script(_SCRIPTS / spec.predict_script, metadata.task).encode()))
    members.append((SUMS_NAME, _list_sums(members)))
    temporary = path.with_name(f".{path.name}.tmp")
    with zipfile.ZipFile(temporary, "w") as archive:
        for name, content in members:
            data = content.read_bytes() if isinstance(content, Path) else content
            # Weights and pictures hardly shrink, so packing them would only take time.
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), data, zipfile.ZIP_STORED)
    put_in_place(temporary, path)
    return [name for name, _ in members]


def _list_sums(members: Sequence[tuple[str, bytes | Path]]) -> bytes:
    """Return the sha256 of every file as `sha256sum -c` reads it."""
    lines = [
        f"{find_checksum(content) if isinstance(content, Path) else sha256(content).hexdigest()}  {name}\n"
        for name, content in members
    ]
    return "".join(lines).encode()


def _golden_members(golden: GoldenSet) -> Sequence[tuple[str, bytes]]:
    arrays = io.BytesIO()
    np.savez_compressed(arrays, images=golden.inputs, **golden.outputs)  # type: ignore[arg-type]
    expected = {
        "tolerance": TOLERANCE,
        "pixel_tolerance": PIXEL_TOLERANCE,
        "scales": golden.scales,
        "images": [
            {"file": file.file, "source": file.source, "predictions": predictions}
            for file, predictions in zip(golden.files, golden.decoded, strict=True)
        ],
    }
    text = json.dumps(expected, indent=1, ensure_ascii=False, allow_nan=False)
    pictures = [(f"golden/{file.file}", file.content) for file in golden.files]
    return [("golden/golden.npz", arrays.getvalue()), ("golden/expected.json", text.encode()), *pictures]
