"""Runs an exported model on image files. Needs numpy, Pillow and onnxruntime, and nothing else.

    python predict.py photo.jpg more/*.png     one line per image
    python predict.py --json photo.jpg         the same as JSON
    python predict.py --check                  compares the files with SHA256SUMS, then runs the golden set and compares

Classes, input size and resizing are read from the model itself. Reading and resizing are those of AI Studio, step by
step, so that the answers are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

HERE = Path(__file__).resolve().parent
YOURS = ("README.md", "predict.py")  # Whoever changes these has a reason; the check says so and goes on.
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
MAX_SIDE_PX = 30_000
PADDING_GREY = 114
ORIENTATION_TAG = 0x0112
PHOTOMETRIC_TAG = 262
TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
Image.MAX_IMAGE_PIXELS = None  # The sides are checked below, before any pixel is decoded.

Array = Any


class Model:
    """An exported model with what it says of itself."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.metadata: dict[str, Any] = json.loads(self.session.get_modelmeta().custom_metadata_map["ai_studio"])
        self.names = [output.name for output in self.session.get_outputs()]

    def prepare(self, path: Path) -> Array:
        """Return the image of a file as the model's input, uint8 (1, 3, height, width)."""
        pixels = resize_image(read_rgb(path), self.metadata["resize"], self.metadata["input_size"])
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis])

    def run(self, images: Array) -> dict[str, Array]:
        """Return the named outputs for uint8 images (1, 3, height, width)."""
        return dict(zip(self.names, self.session.run(self.names, {"images": images})))  # noqa: B905

    def predict(self, path: Path) -> dict[str, Any]:
        """Return what the model says of the image of a file."""
        return read_outputs(self.run(self.prepare(path)), self.metadata)


def read_outputs(outputs: dict[str, Array], metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs of one image in the terms of its annotation kind."""
    kind, classes = metadata["annotation_kind"], metadata["classes"]
    if kind == "label":
        probabilities = [float(value) for value in outputs["probabilities"][0]]
        best = int(np.argmax(probabilities))
        prediction = {"class_id": best, "class_name": classes[best], "confidence": probabilities[best]}
        return {"prediction": prediction, "probabilities": dict(zip(classes, probabilities))}  # noqa: B905
    if kind == "values":
        return {"prediction": [float(value) for value in outputs["values"][0]]}
    return {name: value.tolist() for name, value in outputs.items()}


def read_rgb(path: Path) -> Array:
    """Return the first frame as uint8 RGB (height, width, 3), orientation applied, alpha dropped."""
    with Image.open(path, formats=FORMATS) as image:
        if max(image.size) > MAX_SIDE_PX:
            raise ValueError(f"{path}: a side may have {MAX_SIDE_PX} pixels at most.")
        image.load()
        return np.array(orient_image(convert_to_rgb(image), read_orientation(image)))


def read_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation that is still to be applied; TIFF files are turned by Pillow itself."""
    if image.format == "TIFF":
        return 1
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError):
        return 1
    return value if isinstance(value, int) and value in TRANSPOSE else 1


def orient_image(image: Image.Image, orientation: int) -> Image.Image:
    """Return the image turned and mirrored as an EXIF orientation asks."""
    method = TRANSPOSE.get(orientation)
    return image if method is None else image.transpose(method)


def convert_to_rgb(image: Image.Image) -> Image.Image:
    """Return a loaded image of any mode as 8-bit RGB without alpha."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I") or image.mode == "F":
        grey = scale_to_8_bit(np.asarray(image))
        if image.format == "TIFF" and getattr(image, "tag_v2", {}).get(PHOTOMETRIC_TAG) == 0:
            grey = 255 - grey  # WhiteIsZero: Pillow inverts 8-bit samples only.
        return Image.fromarray(grey).convert("RGB")
    if image.mode == "LAB":
        raise ValueError("Images in CIELAB colours are not supported.")
    image.info.pop("transparency", None)
    if image.mode in {"RGBa", "La"}:
        image = image.convert("RGBA" if image.mode == "RGBa" else "LA")
    return image.convert("RGB")


def scale_to_8_bit(samples: Array) -> Array:
    """Scale grey samples by the range that their type means: 0..1, 0..255 or 0..65535; else from least to greatest."""
    values = np.nan_to_num(samples.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if samples.dtype.itemsize == 2 and low >= 0.0:
        values = values / 257.0
    elif samples.dtype.kind == "f" and low >= 0.0 and high <= 1.0:
        values = values * 255.0
    elif samples.dtype.kind != "f" and low >= 0.0 and high <= 65535.0:
        values = values / 257.0
    elif low < 0.0 or high > 255.0:
        values = (values - low) * (255.0 / (high - low))
    return np.asarray(np.rint(values), dtype=np.uint8)


def resize_image(pixels: Array, recipe: dict[str, Any], input_size: list[int]) -> Array:
    """Return uint8 RGB (height, width, 3) at the model's input size, antialiased."""
    image = Image.fromarray(pixels)
    resample = RESAMPLING[recipe["interpolation"]]
    if recipe["mode"] == "stretch":
        return np.array(image.resize((recipe["size"][1], recipe["size"][0]), resample))
    if recipe["mode"] == "crop":
        return np.array(crop_centre(resize_shorter_side(image, recipe["size"][0], resample), input_size))
    return np.array(letterbox(image, recipe["size"], resample))


def resize_shorter_side(image: Image.Image, side_px: int, resample: Image.Resampling) -> Image.Image:
    """Return the image with its shorter side at `side_px`, its aspect ratio kept."""
    shorter = min(image.size)
    width, height = (side_px if side == shorter else side_px * side // shorter for side in image.size)
    return image.resize((width, height), resample)


def crop_centre(image: Image.Image, size: list[int]) -> Image.Image:
    """Return the middle of the image, `size` is [height, width]."""
    height, width = size
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def letterbox(image: Image.Image, size: list[int], resample: Image.Resampling) -> Image.Image:
    """Return the image fitted into `size` [height, width], the rest grey."""
    height, width = size
    scale = min(width / image.width, height / image.height)
    fitted = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    canvas = Image.new("RGB", (width, height), (PADDING_GREY,) * 3)
    canvas.paste(image.resize(fitted, resample), ((width - fitted[0]) // 2, (height - fitted[1]) // 2))
    return canvas


def check_files(folder: Path) -> bool:
    """Compare every file of the bundle with its checksum and name those that changed; without a list all is well."""
    path = folder / "SHA256SUMS"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    failures = 0
    for checksum, name in (line.split("  ", 1) for line in lines):
        file = folder / name
        found = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
        if found == checksum:
            continue
        problem = "is missing" if found is None else "has changed since the bundle was written"
        is_data = name not in YOURS
        failures += is_data
        print(f"{name}  {'FAILED  it ' if is_data else ''}{problem}")
    return not failures


def check_golden(model: Model, folder: Path) -> bool:
    """Run the golden set: the files from their pixels on, and the stored inputs; print what was found."""
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    inputs, tolerance = np.load(folder / "golden.npz"), float(expected["tolerance"])
    failures = 0
    for index, entry in enumerate(expected["images"]):
        stored = inputs["images"][index : index + 1]
        pixel_gap = int(np.abs(model.prepare(folder / entry["file"]).astype(int) - stored).max())
        outputs = model.run(stored)
        gap = max(
            measure_gap(outputs[name][0], inputs[name][index], inputs[name], expected.get("scales", {}).get(name))
            for name in model.names
        )
        wrong = compare_answers(read_outputs(outputs, model.metadata), entry["predictions"])
        is_good = pixel_gap <= int(expected["pixel_tolerance"]) and gap < tolerance and not wrong
        failures += not is_good
        note = f"  {wrong}" if wrong else ""
        print(f"{entry['file']}  {'ok' if is_good else 'FAILED'}  outputs {gap:.1e}  pixels {pixel_gap}{note}")
    print(f"{len(expected['images']) - failures} of {len(expected['images'])} golden images agree.")
    return failures == 0 and bool(expected["images"])


def check_bundle(model_path: Path) -> int:
    """Check the files, then the answers; returns the exit code."""
    is_whole = check_files(HERE)
    try:
        agrees = check_golden(Model(model_path), HERE / "golden")
    except Exception as error:
        if is_whole:
            raise
        print(f"The golden set cannot be run with files that have changed: {error}")  # they were named above
        return 1
    return 0 if is_whole and agrees else 1


def measure_gap(found: Array, expected: Array, all_expected: Array, scales: Array = None) -> float:
    """Return the largest difference of one image: in `scales` when given, else in the largest expected value.

    A model may answer in metres or in nanometres, or in seconds since 1970.
    """
    scale = np.asarray(scales, dtype=float) if scales else float(np.abs(all_expected).max()) or 1.0
    return float((np.abs(found.astype(float) - expected.astype(float)) / scale).max())


def compare_answers(found: Any, expected: Any, name: str = "") -> str:
    """Return where an answer has other names than was expected, empty when it has not.

    Numbers are compared before, as outputs; here it counts which class they are said of.
    """
    if isinstance(expected, dict):
        if not isinstance(found, dict) or list(found) != list(expected):
            return f"{name or 'answer'}: {shorten(found)} instead of {shorten(expected)}"
        problems = (compare_answers(found[key], value, f"{name}.{key}".strip(".")) for key, value in expected.items())
        return next((problem for problem in problems if problem), "")
    if isinstance(expected, str) and found != expected:
        return f"{name}: {shorten(found)} instead of {shorten(expected)}"
    return ""


def shorten(value: Any) -> str:
    """Return a value or the keys of a dictionary as a short text."""
    text = ", ".join(map(str, value)) if isinstance(value, dict) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def describe(prediction: dict[str, Any]) -> str:
    """Return a prediction as a short text."""
    best = prediction.get("prediction")
    if isinstance(best, dict):
        return f"{best['class_name']} {best['confidence']:.4f}"
    return json.dumps(prediction if best is None else best)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Run an exported model on images.")
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--model", type=Path, default=HERE / "model.onnx")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--check", action="store_true", help="verify the golden set")
    options = parser.parse_args(arguments)
    if not options.check and not options.images:
        parser.error("give image files, or --check")
    if options.check:
        return check_bundle(options.model)
    model = Model(options.model)
    try:
        predictions = {str(path): model.predict(path) for path in options.images}
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises for what is no image
        parser.exit(1, f"An image cannot be read: {error}\n")
    if options.json:
        print(json.dumps(predictions, indent=1, ensure_ascii=False))
        return 0
    for name, prediction in predictions.items():
        print(f"{name}  {describe(prediction)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
