"""The preview: what an import would find, without writing a dataset. Runs in a job process, without torch."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from app.datasets.formats.archives.archive import extract_zip
from app.datasets.formats.base import MAX_NOTE_CHARACTERS, ChoiceError, FoundImage, SourceError, shorten
from app.datasets.formats.class_mapping import count_found_classes
from app.datasets.formats.layouts.tree import read_tree
from app.datasets.formats.report.decoding import find_damaged
from app.datasets.formats.report.findings import count_classes, drop_empty_classes, warn_of_classes
from app.datasets.formats.report.previews import draw_previews
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.source import Source, is_zip, list_documents, scan_source
from app.datasets.formats.work import LimitError, Work
from app.datasets.images import UnreadableImageError, read_header
from app.datasets.importing.duplicates import hash_copies, warn_of_copies
from app.datasets.pixels.sample import PixelSample
from app.schemas.import_report import MAX_NAMED_CLASSES, ImportReport, Remedy

REPORT_NAME = "report.json"
MAX_HEADERS = 20_000
_MAX_NAMES = 1000
# Annotation files that are a button each; all of them are in a list.
_MAX_OFFERED = 4
# An import preview is waited for: damaged files of larger sources are found as far as this goes, and by the import.
_MAX_CHECK_S, _MAX_HASHING_S, _MIN_STEP_S = 4.0, 1.0, 0.5


def check_source(source: Source, scratch_dir: Path | None = None, pictures_dir: Path | None = None) -> ImportReport:
    """Return what an import of a folder, zip or annotation file would find; what is wrong is in the report, not raised.

    A zip is unpacked below `scratch_dir`, an existing directory (the system's for temporary files by default), and
    removed again. Headers of the first images are read, images are decoded for a few seconds, and the pixels of some
    beyond 8 bit or with transparency are looked at; the import does so for all. Pictures of the classes are drawn into
    the folder `previews` of `pictures_dir`, if that is given. Raises what the listener of `source.work` raises.
    """
    name = source.path.name or str(source.path)
    if not is_zip(source.path):
        return _report_or_refuse(source, name, source.work.new_problems(), pictures_dir)
    with tempfile.TemporaryDirectory(dir=scratch_dir, prefix="check-") as folder:
        try:
            refused = extract_zip(source.path, Path(folder), source.work)
        except SourceError as error:
            return _refuse(source, name, error, source.work.new_problems())
        return _report_or_refuse(replace(source, path=Path(folder)), name, refused, pictures_dir)


def _report_or_refuse(source: Source, name: str, refused: ProblemList, pictures_dir: Path | None) -> ImportReport:
    try:
        return _report(source, refused, pictures_dir)
    except SourceError as error:
        return _refuse(source, name, error, refused)
    finally:
        source.work.forget_documents()


def _refuse(source: Source, name: str, error: SourceError, refused: ProblemList) -> ImportReport:
    """Return the report of a source that cannot be read as a whole; all images that lie in it are lost."""
    is_complete = not isinstance(error, LimitError)
    num_lost = _count_refused(source) if is_complete else 0
    message = error.message.removeprefix(f"{name}: ")  # a problem names its file already
    refused.add(name, message, error.fix, kind="refused", num_images=num_lost)
    if isinstance(error, ChoiceError):
        _offer_documents(["refused"], error.documents, refused)
    report = make_refusal(source.source_format, refused, is_complete=is_complete)
    if isinstance(error, ChoiceError):
        report.documents, report.columns = list(error.documents), list(error.columns)
    return report


def _report(source: Source, refused: ProblemList, pictures_dir: Path | None) -> ImportReport:
    ends_s = time.monotonic() + _MAX_CHECK_S
    found, work = scan_source(source), source.work
    scan, documents = found.scan, list_documents(found, source)
    work.forget_documents()  # no document is read any more, and images need memory
    sample = PixelSample(source.options.pixel_scale)
    images, num_read = _read_headers(scan.images, work, scan.problems, sample)
    pixel_notes = sample.look(work, scan.problems)
    hashes, is_compared = hash_copies(images, work, min(_MAX_HASHING_S, _time_left(ends_s)))
    num_readable = len(images)
    images, num_decoded = find_damaged(images, work, scan.problems, _time_left(ends_s))
    counts = count_classes(image.annotations for image in images)
    unreadable = {image.path for image in scan.images} - {image.path for image in images}
    classes, _ = drop_empty_classes(scan.classes, counts, scan.problems)
    warn_of_classes(images, found.found_classes, source.options, scan.problems)
    warn_of_copies(images, [hashes.get(image.path, "") for image in images], scan.problems)
    others = [name for name in documents if name not in scan.read_documents]
    _offer_documents(["missing_file", "not_in_table"], others, scan.problems)
    notes = [*refused.notes, *(shorten(note, MAX_NOTE_CHARACTERS) for note in scan.notes), *pixel_notes]
    notes += _describe_limits((num_read, len(scan.images)), (num_decoded, num_readable), is_compared=is_compared)
    problems = work.new_problems()
    problems.extend(refused)
    problems.extend(scan.problems)
    num_files = found.inventory.count_files(images, problems)
    reading = sample.reading
    named = classes[:MAX_NAMED_CLASSES]
    return ImportReport(
        source_format=found.format.name,
        num_images=len(images),
        num_annotations=sum(len(image.annotations) for image in images),
        num_classes=len(classes),
        classes=list(named),
        class_counts={name: counts[name] for name in named},
        found_classes=dict(islice(count_found_classes(found.unmapped, unreadable).items(), MAX_NAMED_CLASSES)),
        split_counts=dict(Counter(image.split or "none" for image in images)) if scan.has_split else {},
        value_names=[shorten(name) for name in scan.value_names[:_MAX_NAMES]],
        num_files=num_files,
        num_lost=problems.num_lost,
        num_left_out=problems.num_left_out,
        num_unused_entries=problems.num_unused_entries,
        num_problems=problems.num_problems,
        problems=problems.named,
        groups=problems.groups,
        previews=draw_previews(images, named, pictures_dir, reading, work),
        pixel_scale=reading.scale,
        documents=documents,
        columns=list(scan.columns),
        notes=notes,
        can_import=bool(images),
    )


def _time_left(ends_s: float) -> float:
    """Return the seconds that a step may take, a few tenths at least: what stands out most is found first."""
    return max(_MIN_STEP_S, ends_s - time.monotonic())


def _offer_documents(kinds: Sequence[str], documents: Sequence[str], problems: ProblemList) -> None:
    """Offer to read each of the first annotation files instead, beside problems of some kinds."""
    for name in documents[:_MAX_OFFERED]:
        # Columns of another file mean nothing, so they are detected again.
        options = {"annotation_file": name, "filename_column": None, "target_columns": None, "split_column": None}
        for kind in kinds:
            problems.offer(kind, Remedy(label=f"Read {shorten(name, 40)}", options=options))


def _describe_limits(read: tuple[int, int], decoded: tuple[int, int], *, is_compared: bool) -> list[str]:
    """Return what the time was not enough for; the pairs are the images that were looked at and all of them."""
    notes = []
    if read[0] < read[1]:
        notes.append(f"The headers of the first {read[0]:,} of {read[1]:,} images were read.")
    if decoded[0] < decoded[1]:
        notes.append(f"{decoded[0]:,} of {decoded[1]:,} images were decoded; the import decodes all of them.")
    if not is_compared:
        notes.append("Not all files were compared with each other; the import compares all of them.")
    return notes


def _count_refused(source: Source) -> int:
    """Return the image files of a source that was refused as a whole."""
    try:
        path = source.path.resolve()
        return read_tree(path, source.work).top.num_below if path.is_dir() else 0
    except (SourceError, OSError, RuntimeError, ValueError):  # it cannot be reached, or is a link in a circle
        return 0


def _read_headers(
    images: Sequence[FoundImage], work: Work, problems: ProblemList, sample: PixelSample
) -> tuple[list[FoundImage], int]:
    """Return the images that may be readable, and of how many the header was read: all that the time allows."""
    readable: list[FoundImage] = []
    num_wanted = min(len(images), MAX_HEADERS)
    for number, image in enumerate(images[:num_wanted]):
        try:
            work.step("Reading the headers of images", number, num_wanted)
            header = read_header(image.path, work.limits)
        except LimitError:
            return [*readable, *images[number:]], number
        except UnreadableImageError as error:
            problems.add(image.name, error.message, error.fix, kind="unreadable_image", path=image.path)
        else:
            readable.append(image)
            sample.add(image, header)
    return [*readable, *images[num_wanted:]], num_wanted


def make_refusal(source_format: str | None, refused: ProblemList, *, is_complete: bool = True) -> ImportReport:
    """Return the report of a source that cannot be imported as it is."""
    return ImportReport(
        source_format=source_format or "",
        num_images=0,
        num_annotations=0,
        classes=[],
        class_counts={},
        split_counts={},
        num_problems=refused.num_problems,
        problems=refused.named,
        groups=refused.groups,
        num_files=refused.num_lost,
        num_lost=refused.num_lost,
        can_import=False,
        is_complete=is_complete,
    )
