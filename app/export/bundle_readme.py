"""The README of a bundle: what is in it, and how to prepare images in any language so that the answers are the same.

Every rule that it states is carried out step by step by a test, without Pillow, and compared bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.export.catalog import FormatSpec
from app.metric_text import show_metric
from app.schemas.export import Measurement, ModelMetadata, ParityCertificate, ResizeRecipe
from app.schemas.leaks import say_redrawn
from app.schemas.pixels import PixelScale

FILTERS = {
    "bilinear": "`f(t) = max(0, 1 - |t|)`, radius `r = 1`",
    "bicubic": (
        "with `a = -0.5`: `f(t) = (a + 2)|t|^3 - (a + 3)|t|^2 + 1` for `|t| < 1`, "
        "`f(t) = a|t|^3 - 5a|t|^2 + 8a|t| - 4a` for `1 <= |t| < 2`, else 0; radius `r = 2`"
    ),
}
READING = """1. Decode the first frame.
2. Convert it to 8-bit RGB. Grey levels are repeated in all three channels, and palettes are looked up.
   {alpha}
   {deep}
   {wide}
   CMYK becomes `red = (255 - C) * (255 - K) / 255`, and so on, up to rounding.
3. Apply the EXIF orientation: turn and mirror the pixels until it is 1.
4. Resize as below."""
_DEEP_ALONE = """16-bit grey levels are divided by 257 and rounded, halves to the even number. Floating-point values
   are taken as 0 to 1 or 0 to 255 when they lie there, else stretched from the least to the greatest of the image."""
SCRIPT = """`predict.py` takes files and folders, including their subfolders:

```
python predict.py photos/ one.jpg                         # one line per image
python predict.py --csv --output found.csv photos/        # a table: file, class, confidence, probabilities
python predict.py --json --output found.json photos/
```

Tables are UTF-8. A text that a spreadsheet would run as a formula gets an apostrophe in front. A file that cannot be
read is named on standard error with the reason. The other files are still predicted, and the exit code is 1."""
_SOURCES = {
    "evaluation": "evaluation",
    "validation": "validation during training; the same images chose the epoch",
    "training": "training, on the training images themselves",
}


def write_readme(
    spec: FormatSpec, metadata: ModelMetadata, certificate: ParityCertificate, outputs: Mapping[str, Sequence[int]]
) -> str:
    """Return the text; `outputs` are the sizes of each named output without the batch."""
    height, width = metadata.input_size
    parts = [
        f"# {metadata.architecture}, exported as {spec.display_name}",
        _list_files(spec),
        "## Run it\n\n" + _usage(spec),
        f"## Input\n\n`images`: uint8, (batch, 3, {height}, {width}), channels red, green, blue, levels 0 to 255."
        "\nDo not scale or normalise the values: the model does that.",
        "## From a file to the input\n\n" + describe_reading(metadata),
        _describe_resizing(metadata.resize, (height, width), metadata.preprocessing.letterbox_grey),
        "## Outputs\n\n" + _describe_outputs(metadata, outputs),
        "## Metrics\n\n" + _describe_measurements(metadata),
        f"## Certificate\n\n{_describe_certificate(certificate)}",
        f"## Origin\n\nExperiment {metadata.experiment_id}, run {metadata.run_id}, "
        f"exported {_show_time(metadata.created_at)}."
        f"\nLicence of the architecture: {metadata.licence}.",
    ]
    return "\n\n".join(parts) + "\n"


def describe_reading(metadata: ModelMetadata) -> str:
    """Return how a file becomes 8-bit RGB of any size, step by step."""
    alpha = "Alpha is dropped, not blended."
    if metadata.background is not None:
        red, green, blue = metadata.background
        alpha = (
            f"Where an image is transparent, composite it over the colour ({red}, {green}, {blue}): for red\n"
            f"   `(alpha * level + (255 - alpha) * {red}) / 255`, rounded, and so on. Alpha that is 0 everywhere is "
            "ignored."
        )
    scale = metadata.pixel_scale
    wide = "Of colours with 16 bits per channel the upper 8 bits are used."
    if scale is not None and (scale.min, scale.max) != (0.0, 65535.0):
        wide = "Colours with 16 bits per channel follow the same rule; of their alpha the upper 8 bits are used."
    return READING.format(alpha=alpha, deep=_DEEP_ALONE if scale is None else _describe_scale(scale), wide=wide)


def _describe_scale(scale: PixelScale) -> str:
    text = (
        f"Grey values of more than 8 bits, whole or floating-point, become\n"
        f"   `(value - {scale.min!r}) * 255 / {scale.max - scale.min!r}`, clipped to 0 .. 255 and rounded, halves to "
        "the even number.\n   NaN and infinite values become 0."
    )
    if scale.has_unit_images:
        text += (
            "\n   Floating-point images whose values all lie from 0 to 1 (give or take 0.001) become `value * 255`"
            " instead."
        )
    return f"{text}\n   In a TIFF where 0 is white, the level is taken from 255 afterwards."


def _show_time(iso: str) -> str:
    """Return a time of a record to the minute."""
    return f"{iso[:10]} {iso[11:16]} UTC"


def _list_files(spec: FormatSpec) -> str:
    rows = [
        (spec.filename, "the model"),
        ("metadata.json", "classes, input size, preprocessing and metrics, for programs"),
        ("labels.txt", "one class or value per line, in the order of the outputs"),
        ("parity.json", "the comparison of this file with the trained model, image by image"),
        ("SHA256SUMS", "checksums of all files, for `sha256sum -c SHA256SUMS`"),
        (
            "golden/",
            "original images, their inputs (`golden.npz`) and the expected predictions (`expected.json`)",
        ),
    ]
    if spec.predict_script is not None:
        rows.append(
            (
                "predict.py",
                "runs the model on images and folders; `--csv` writes a table, `--check` verifies this bundle",
            )
        )
    return "\n".join(["| file | holds |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in rows)])


def _usage(spec: FormatSpec) -> str:
    lines = [line.replace("{bundle}", "bundle.zip") for line in spec.usage]
    text = "\n".join(["```", *lines, "```"])
    return text if spec.predict_script is None else f"{text}\n\n{SCRIPT}"


def _describe_resizing(recipe: ResizeRecipe, input_size: tuple[int, int], grey: int) -> str:
    height, width = input_size
    if recipe.mode == "stretch":
        steps = f"Resize to {width} × {height} pixels (width × height). The aspect ratio is not kept."
    elif recipe.mode == "crop":
        side = recipe.size[0]
        steps = (
            f"Resize so that the shorter side has {side} pixels; the longer one gets `{side} * longer / shorter`,\n"
            f"rounded down. Then cut {width} × {height} pixels out of the middle: the left edge is at\n"
            f"`(width - {width}) / 2` and the upper one at `(height - {height}) / 2`, both rounded down."
        )
    else:
        steps = (
            f"With `s = min({width} / width, {height} / height)` resize to `round(width * s)` x `round(height * s)`\n"
            f"pixels, at least 1 each, halves rounded to the even number. Paste it into {width} × {height} pixels of\n"
            f"grey level {grey}, the left edge at `({width} - new width) / 2` and the upper one at\n"
            f"`({height} - new height) / 2`, both rounded down."
        )
    return f"### Resizing: {recipe.mode}, {recipe.interpolation}\n\n{steps}\n\n{_describe_filter(recipe.interpolation)}"


def _describe_filter(interpolation: str) -> str:
    if interpolation == "nearest":
        return (
            "Pixel x of the result is pixel `trunc(p)` of the source, where p begins at `old / new / 2` and grows by\n"
            "`old / new` with each pixel, summed in double precision. The same along y."
        )
    return f"""The filter is antialiased: it widens with the factor of reduction, as Pillow's `resize` and
torchvision with `antialias=True` do it. OpenCV's `INTER_LINEAR` does not, and gives different results.

Resize one direction, round to 8 bit, then the other. A direction whose length stays the same is left alone. Pillow
takes the width first up to version 12, since then whichever order costs less; the two orders differ by one level with
bilinear, and by some levels beside hard edges with bicubic.
Along one direction, from `old` to `new` pixels, with the filter {FILTERS[interpolation]}:

```
scale = old / new
wide = max(scale, 1)
for x in 0 .. new - 1:
    centre = (x + 0.5) * scale
    first = max(0, trunc(centre - r * wide + 0.5))
    last = min(old, trunc(centre + r * wide + 0.5))          # not included
    w[i] = f((i - centre + 0.5) / wide)  for i in first .. last - 1, divided by their sum
    k[i] = w[i] * 2^22, rounded to the nearest whole number, halves away from 0
    result[x] = (2^21 + sum of source[i] * k[i]) >> 22, clipped to 0 .. 255
```"""


def _describe_outputs(metadata: ModelMetadata, outputs: Mapping[str, Sequence[int]]) -> str:
    rows = [f"| `{name}` | (batch{''.join(f', {side}' for side in shape)}) |" for name, shape in outputs.items()]
    names = metadata.classes or metadata.details.get("value_names", [])
    order = f"\n\nOrder of the numbers: {', '.join(str(name) for name in names[:50])}" if names else ""
    more = f" and {len(names) - 50} more (labels.txt)" if len(names) > 50 else ""
    return "\n".join(["| name | size |", "|---|---|", *rows]) + order + more


def _describe_measurements(metadata: ModelMetadata) -> str:
    if not metadata.measurements:
        return "Not measured at this input size."
    lines = ["| metric | value | interval | images | source | date |", "|---|---|---|---|---|---|"]
    lines += [_measurement_row(item) for item in metadata.measurements]
    notes = [
        f"No interval of {item.metric}: {why}" for item in metadata.measurements if (why := item.not_enough_images)
    ]
    notes += dict.fromkeys(item.not_covered for item in metadata.measurements if item.not_covered)
    if any("train" in item.subsets for item in metadata.measurements):
        notes.append("Training images are included, so these metrics say little about new images.")
    redrawn = dict.fromkeys(name for item in metadata.measurements for name in item.redrawn_splits)
    notes += [say_redrawn(list(redrawn), "the measured images")] if redrawn else []
    notes += _describe_copies(metadata.measurements)
    return "\n\n".join(["\n".join(lines), *notes])


def _describe_copies(measurements: Sequence[Measurement]) -> list[str]:
    """Say how many of the measured images are copies of training images, and the values without them, if any are."""
    num_copies = max(item.num_copies for item in measurements)
    if not num_copies:
        return []
    verb = "images is identical to a training image" if num_copies == 1 else "images are identical to training images"
    rest = [
        f"{item.metric} {show_metric(item.value_without_copies)}"
        for item in measurements
        if item.value_without_copies is not None
    ]
    left = f"without them: {', '.join(rest)}." if rest else "what the model does on new images was not measured."
    return [f"{num_copies} of the measured {verb}; {left}"]


def _measurement_row(item: Measurement) -> str:
    missing = "not enough images" if item.not_enough_images else "none"
    interval = (
        missing
        if item.low is None or item.high is None
        else f"{show_metric(item.low)} to {show_metric(item.high)} ({item.level or 0.95:.0%})"
    )
    images = f"{item.num_images} of {' and '.join(item.subsets)}"
    return (
        f"| {item.metric} | {show_metric(item.value)} | {interval} | {images} | {_SOURCES[item.source]} "
        f"| {(item.measured_at or 'unknown')[:10]} |"
    )


def _describe_certificate(certificate: ParityCertificate) -> str:
    return (
        f"{certificate.runtime} gave the same predictions as the trained model on {certificate.agreement:.1%} of "
        f"{certificate.num_images} images; the largest difference of the outputs is "
        f"{certificate.max_diff:.2g} (allowed: below {certificate.tolerance:g})."
    )
