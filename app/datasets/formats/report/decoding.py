"""Decodes images at a fraction of their size to find the damaged ones, in threads and for as long as is allowed."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.datasets.formats.base import FoundImage
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.work import LimitError, Work
from app.datasets.images import UnreadableImageError, open_image
from app.regular_files import open_regular
from app.schemas.payloads import ImportLimits

_SIDE_PX = 128
_BATCH = 64
_TAIL_BYTES = 16
# How a whole file of these formats ends. Bytes may follow, so another end is a reason to decode it first and no fault.
_ENDS = {b"\xff\xd8\xff": b"\xff\xd9", b"\x89PNG": b"IEND\xaeB`\x82"}


def find_damaged(
    images: Sequence[FoundImage], work: Work, problems: ProblemList, max_seconds: float
) -> tuple[list[FoundImage], int]:
    """Return the images without those that cannot be decoded, and how many were decoded within the time.

    Files that do not end as their format does come first. A limit of the work ends the decoding, not the report.
    """
    until_s = time.monotonic() + max_seconds
    damaged: dict[int, UnreadableImageError] = {}
    num_decoded = 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        try:
            order = _order(images, work)
            for start in range(0, len(order), _BATCH):
                work.step("Decoding images", start, len(order))
                if time.monotonic() > until_s:
                    break
                batch = order[start : start + _BATCH]
                errors = list(pool.map(lambda index: _decode(images[index].path, work.limits), batch))
                num_decoded += len(batch)
                damaged.update({index: error for index, error in zip(batch, errors, strict=True) if error is not None})
        except LimitError:
            pass  # what was found so far is reported
    for index in sorted(damaged):
        image, error = images[index], damaged[index]
        problems.add(image.name, error.message, error.fix, kind="unreadable_image", path=image.path)
    return [image for index, image in enumerate(images) if index not in damaged], num_decoded


def _order(images: Sequence[FoundImage], work: Work) -> list[int]:
    """Return the positions of the images, those of files that seem cut off before the others."""
    suspects: list[int] = []
    others: list[int] = []
    for index, image in enumerate(images):
        work.step("Checking the ends of files", index, len(images))
        (others if _ends_well(image.path) else suspects).append(index)
    return suspects + others


def _ends_well(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            begin = file.read(4)
            end = next((end for start, end in _ENDS.items() if begin.startswith(start)), None)
            if end is None:
                return True
            file.seek(-_TAIL_BYTES, os.SEEK_END)
            return end in file.read(_TAIL_BYTES)
    except OSError:
        return False


def _decode(path: Path, limits: ImportLimits) -> UnreadableImageError | None:
    try:
        with open_image(path, limits.max_side_px, limits.max_pixels) as image:
            image.draft(None, (_SIDE_PX, _SIDE_PX))  # a JPEG is decoded at an eighth, a quarter or half of its size
            image.load()
    except UnreadableImageError as error:
        return error
    return None
