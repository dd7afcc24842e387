"""Second pass of an import: draws the thumbnails again that depend on what was found over the whole dataset.

Only images beyond 8 bit are decoded twice, and transparent ones when they are laid on another colour than white.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from app.datasets.images import ImageHeader, UnreadableImageError
from app.datasets.pixels.looks import ImageLook
from app.datasets.thumbnails import write_thumbnail
from app.schemas.payloads import ImportLimits
from app.schemas.pixels import CURRENT, PixelReading

_WAITING_PER_WORKER = 8


class Redraw(NamedTuple):
    """An image to draw again: its file, and where its thumbnail lies."""

    source: Path
    target: Path


def needs_redraw(header: ImageHeader, look: ImageLook, pixels: PixelReading) -> bool:
    """Say whether the thumbnail that was made of an image alone differs from the one that the dataset's images get."""
    if header.is_beyond_8_bit:
        return pixels.scale is not None
    return look.transparency is not None and pixels.background != CURRENT.background


def redraw_all(redraws: Iterable[Redraw], limits: ImportLimits, pixels: PixelReading) -> Generator[None, None, None]:
    """Draw thumbnails again in threads, a bounded number of them ahead; yields after each."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    num_workers = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(num_workers) as pool:
        try:
            for redraw in redraws:
                pending.append(pool.submit(_redraw, redraw, limits, pixels))
                if len(pending) >= num_workers * _WAITING_PER_WORKER:
                    pending.popleft().result()
                    yield
            while pending:
                pending.popleft().result()
                yield
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _redraw(redraw: Redraw, limits: ImportLimits, pixels: PixelReading) -> None:
    # It was readable a moment ago; should it not be any more, whoever reads it next says why.
    with suppress(UnreadableImageError):
        write_thumbnail(redraw.source, redraw.target, limits, pixels)
