"""Takes the split from the folders that the images of a document lie in: train/1.png, val/2.png."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.datasets.formats.base import FoundImage, Scan, find_subset
from app.datasets.formats.layouts.class_folders import describe_subsets
from app.schemas.datasets import ImportOptions, SplitValue


def split_by_folders(scan: Scan, options: ImportOptions) -> Scan:
    """Return a scan with the subsets of its folders, where every image lies in one of a subset and train is among them.

    A scan that has a split already, or whose user wants none, is returned as it is.
    """
    if scan.has_split or not scan.images or (options.split_column is not None and not options.split_column.strip()):
        return scan
    found = [_find_folder(image) for image in scan.images]
    folders = list(dict.fromkeys(entry for entry in found if entry is not None))
    subsets: set[SplitValue] = {subset for _, subset in folders}
    if None in found or "train" not in subsets or len(subsets) < 2:
        return scan
    images = [
        replace(image, split=entry[1]) for image, entry in zip(scan.images, found, strict=True) if entry is not None
    ]
    note = describe_subsets([name for name, _ in folders][:10])
    return replace(scan, images=images, notes=(*scan.notes, note))


def _find_folder(image: FoundImage) -> tuple[str, SplitValue] | None:
    """Return the first folder of an image that is named like a subset, and the subset."""
    parts: Sequence[str] = image.name.split("/")[:-1]
    for number, part in enumerate(parts, start=1):
        subset = find_subset(part)
        if subset is not None:
            return "/".join(parts[:number]), subset
    return None
