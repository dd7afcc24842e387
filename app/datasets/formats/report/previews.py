"""Small pictures of each class for the report of an import preview, bounded in number, size and time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from app.datasets.formats.base import FoundImage, clean_text, shorten
from app.datasets.formats.work import LimitError, Work
from app.datasets.images import UnreadableImageError
from app.datasets.thumbnails import draw_thumbnail
from app.schemas.import_report import ClassPreview
from app.schemas.payloads import ImportLimits
from app.schemas.pixels import PixelReading

PREVIEWS_DIR = "previews"
MAX_CLASSES = 40
MAX_PICTURES = 6
# A picture that cannot be drawn gives way to another one of its class.
_MAX_TRIES = 3 * MAX_PICTURES
# The preview of ten thousand files takes five seconds at most, four of them for reading and decoding.
MAX_SECONDS = 0.6
MAX_BYTES = 8 * 2**20
# A larger one may take a second by itself; it has to be decoded at its full size unless it is a JPEG.
_MAX_PIXELS = 25_000_000
_MAX_NAME_CHARACTERS = 300


def draw_previews(
    images: Sequence[FoundImage], classes: Sequence[str], directory: Path | None, pixels: PixelReading, work: Work
) -> list[ClassPreview]:
    """Draw up to six pictures of each of the first classes below a directory; without one draw nothing.

    Sources without classes get one row of the whole, with the values that annotate each picture. Every class gets its
    first picture before any gets its second, so that little time still shows a little of each.
    """
    if directory is None or not images:
        return []
    names: list[str | None] = [*classes[:MAX_CLASSES]] or [None]
    rows = [ClassPreview(class_name=name, pictures=[], names=[]) for name in names]
    chosen = _choose(images, names)
    ends_at = time.monotonic() + MAX_SECONDS
    num_bytes = 0
    try:
        directory = directory / PREVIEWS_DIR
        directory.mkdir(exist_ok=True)
        for number, image in _take_turns(chosen):
            if time.monotonic() > ends_at or num_bytes > MAX_BYTES:
                break
            if len(rows[number].pictures) < MAX_PICTURES:
                work.step("Drawing previews", 0)
                if data := _draw(image, pixels, work.limits):
                    _add_picture(rows[number], f"{number}-{len(rows[number].pictures)}.jpg", image)
                    (directory / rows[number].pictures[-1]).write_bytes(data)
                    num_bytes += len(data)
    except (LimitError, OSError):  # what was drawn so far is enough: the report does not depend on it
        pass
    return [row for row in rows if row.pictures]


def _choose(images: Sequence[FoundImage], names: Sequence[str | None]) -> list[list[FoundImage]]:
    """Return the images to try for each class, spread evenly over those that it has."""
    members: dict[str | None, list[FoundImage]] = {name: [] for name in names}
    if None in members:
        members[None] = list(images)
    else:
        for image in images:
            for name in {annotation.class_label for annotation in image.annotations}:
                if name in members:
                    members[name].append(image)
    return [_spread(found) for found in members.values()]


def _spread(images: Sequence[FoundImage]) -> list[FoundImage]:
    """Return images from the beginning to the end in even steps, then those beside them."""
    count = min(len(images), MAX_PICTURES)
    first = [number * len(images) // count for number in range(count)]
    others = [number for number in range(min(len(images), 2 * _MAX_TRIES)) if number not in set(first)]
    return [images[number] for number in [*first, *others][:_MAX_TRIES]]


def _take_turns(chosen: Sequence[Sequence[FoundImage]]) -> Iterator[tuple[int, FoundImage]]:
    for turn in zip_longest(*chosen):
        for number, image in enumerate(turn):
            if image is not None:
                yield number, image


def _draw(image: FoundImage, pixels: PixelReading, limits: ImportLimits) -> bytes:
    """Return the picture of an image, empty for a file that cannot be drawn or takes too long."""
    max_pixels = min(limits.max_pixels, _MAX_PIXELS)
    try:
        return draw_thumbnail(image.path, limits.model_copy(update={"max_pixels": max_pixels}), pixels)
    except UnreadableImageError:
        return b""


def _add_picture(row: ClassPreview, picture: str, image: FoundImage) -> None:
    row.pictures.append(picture)
    row.names.append(shorten(clean_text(image.name), _MAX_NAME_CHARACTERS))
    row.captions.append(_describe_values(image))


def _describe_values(image: FoundImage) -> str:
    values = [value for item in image.annotations for value in item.numbers]
    return shorten(", ".join(f"{value:.6g}" for value in values))
