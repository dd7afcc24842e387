"""Names files that are in a source more than once: in one class, in several, or in several subsets. Decodes nothing."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from hashlib import blake2b
from pathlib import Path

from app.annotations.base import class_of, numbers_of
from app.datasets.formats.base import FoundImage, shorten
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.work import LimitError, Work
from app.datasets.importing.storing import hash_file
from app.regular_files import open_regular

_DOING = "Looking for identical images"
_END_BYTES = 4096
_MAX_NAMED = 4
_USED = ("train", "val", "test")


def hash_copies(images: Sequence[FoundImage], work: Work, max_seconds: float) -> tuple[dict[Path, str], bool]:
    """Return the hash of each file of which another may be a copy, and whether the time was enough for all of them.

    Files are told apart by their sizes, then by their last bytes, so that few are read in full. A file that has
    several names, as links give it, is a copy of itself.
    """
    until_s = time.monotonic() + max_seconds
    hashes: dict[Path, str] = {}
    names = {image.path: image.name for image in images}
    linked = {image.path for image in images if names[image.path] != image.name}
    rest = list(names)
    try:
        for describe in (_size_of, _end_of):
            rest = _keep_equal(rest, describe, work, until_s)
        for number, path in enumerate(dict.fromkeys([*linked, *rest])):
            _step(number, work, until_s)
            with contextlib.suppress(OSError):
                hashes[path] = hash_file(path)[0]
    except (LimitError, TimeoutError):  # what was found so far is reported
        return hashes, False
    return hashes, True


def warn_of_copies(images: Sequence[FoundImage], hashes: Sequence[str], problems: ProblemList) -> None:
    """Warn of every group of files with the same hash; an empty hash is that of no other file."""
    groups: defaultdict[str, list[FoundImage]] = defaultdict(list)
    for image, digest in zip(images, hashes, strict=True):
        if digest:
            groups[digest].append(image)
    for group in groups.values():
        if len({image.name for image in group}) > 1:
            _warn_of_group(group, problems)


def _warn_of_group(group: Sequence[FoundImage], problems: ProblemList) -> None:
    said = [image.annotations for image in group if image.annotations]
    subsets = {image.split for image in group} & set(_USED)
    first = group[0].name
    if is_contradictory := any(annotations != said[0] for annotations in said[1:]):
        message = f"Identical images have different labels: {_list(group, _describe_label)}."
        problems.warn(first, message, "Keep only the one with the right label.", kind="identical_other_label")
    if len(subsets) > 1:
        message = f"Identical images are in several subsets: {_list(group, lambda image: image.split or 'none')}."
        fix = "Keep them in one subset: metrics on images that the model was trained on say nothing about new ones."
        problems.warn(first, message, fix, kind="identical_across_subsets")
    elif not is_contradictory:
        message = f"{len(group):,} images are identical: {_list(group, None)}."
        problems.warn(
            first,
            message,
            "Remove the duplicates, unless these images should count more than others.",
            kind="identical_images",
        )


def _list(group: Sequence[FoundImage], describe: Callable[[FoundImage], str] | None) -> str:
    """Return the first names with what differs; those that differ from the first one come early."""
    shown = list(group[:_MAX_NAMED])
    if describe is not None:
        others = [image for image in group if describe(image) != describe(group[0])]
        shown = [group[0], *others[:1], *(image for image in group[1:] if image not in others[:1])][:_MAX_NAMED]
    names = [f"{image.name} ({describe(image)})" if describe is not None else image.name for image in shown]
    more = len(group) - len(shown)
    return ", ".join(shorten(name) for name in names) + (f" and {more:,} more" if more else "")


def _describe_label(image: FoundImage) -> str:
    if values := numbers_of(image.annotations):
        return ", ".join(f"{value:g}" for value in values)
    if name := class_of(image.annotations):
        return name
    return "no label" if not image.annotations else f"{len(image.annotations)} annotations"


def _keep_equal(paths: Sequence[Path], describe: Callable[[Path], Hashable], work: Work, until_s: float) -> list[Path]:
    """Return the files that another one equals in what is described; files that are gone equal none."""
    groups: defaultdict[Hashable, list[Path]] = defaultdict(list)
    for number, path in enumerate(paths):
        _step(number, work, until_s)
        with contextlib.suppress(OSError):  # whoever opens it says so
            groups[describe(path)].append(path)
    return [path for group in groups.values() if len(group) > 1 for path in group]


def _step(number: int, work: Work, until_s: float) -> None:
    work.step(_DOING, number)
    if time.monotonic() > until_s:
        raise TimeoutError


def _size_of(path: Path) -> int:
    return path.stat().st_size


def _end_of(path: Path) -> tuple[int, bytes]:
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END_BYTES))
        return size, blake2b(file.read(_END_BYTES), digest_size=8).digest()
