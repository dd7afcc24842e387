"""Brings the images of a source into the dataset, several at a time, and draws the thumbnails that depend on all."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from app.datasets.formats.base import FoundImage
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.work import Work
from app.datasets.images import UnreadableImageError
from app.datasets.importing.naming import assign_filenames
from app.datasets.importing.redrawing import Redraw, needs_redraw, redraw_all
from app.datasets.importing.storing import ImageStore, StoredImage
from app.datasets.pixels.survey import PixelSurvey
from app.datasets.thumbnails import thumbnail_path
from app.schemas.pixels import PixelReading, ScaleChoice

_IMPORTING = "Importing images"
# Enough that no core waits for another's file, few enough that a cancelled job ends at once.
_WAITING_PER_WORKER = 8


@dataclass(frozen=True)
class Imported:
    """An image that is in the dataset now."""

    filename: str
    found: FoundImage
    stored: StoredImage


def store_images(
    work: Work, images: Sequence[FoundImage], problems: ProblemList, store: ImageStore
) -> Iterator[Imported]:
    """Bring in every image that can be read, in order; add the others to the problems."""
    names = assign_filenames(image.name for image in images)
    was_linked = True
    with closing(_submit_all(store, images, names)) as stores:
        for done, (image, name, future) in enumerate(stores):
            work.step(_IMPORTING, done, len(images))
            try:
                stored = future.result()
            except UnreadableImageError as error:
                problems.add(image.name, error.message, error.fix, kind="unreadable_image", path=image.path)
                continue
            if store.transfer == "link" and stored.transfer == "copy" and was_linked:
                was_linked = False
                msg = "Files could not be hard-linked here and were copied."
                problems.warn(image.name, msg, "Keep the source on the same disk as the workspace to save space.")
            yield Imported(name, image, stored)
    work.step(_IMPORTING, len(images), len(images))


def _submit_all(
    store: ImageStore, images: Sequence[FoundImage], names: Sequence[str]
) -> Generator[tuple[FoundImage, str, Future[StoredImage]], None, None]:
    """Yield each image with its work, in order, a bounded number of them ahead. Decoding releases the GIL."""
    num_workers = _count_cores()
    pending: deque[tuple[FoundImage, str, Future[StoredImage]]] = deque()
    with ThreadPoolExecutor(num_workers) as pool:
        try:
            for image, name in zip(images, names, strict=True):
                pending.append((image, name, pool.submit(store.store, image.path, name)))
                if len(pending) >= num_workers * _WAITING_PER_WORKER:
                    yield pending.popleft()
            while pending:
                yield pending.popleft()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _count_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def survey_pixels(imported: Sequence[Imported], choice: ScaleChoice | None) -> PixelSurvey:
    """Return what the pixels of all images have in common; `choice` is the scale that the user wants."""
    survey = PixelSurvey(choice)
    for item in imported:
        survey.add_header(item.stored.header)
        survey.add_look(item.stored.look, item.found.name)
    return survey


def redraw_thumbnails(work: Work, store: ImageStore, imported: Sequence[Imported], pixels: PixelReading) -> None:
    """Draw the thumbnails again that depend on what was found over all images."""
    redraws = [
        Redraw(
            item.found.path if store.transfer == "reference" else store.images_dir / item.filename,
            thumbnail_path(store.thumbnails_dir, item.filename),
        )
        for item in imported
        if needs_redraw(item.stored.header, item.stored.look, pixels)
    ]
    with closing(redraw_all(redraws, store.limits, pixels)) as drawn:
        for done, _ in enumerate(drawn, start=1):
            work.step("Creating thumbnails of images with more than 8 bits", done, len(redraws))
