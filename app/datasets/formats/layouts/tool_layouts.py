"""Recognises how tools for boxes, masks and anomalies lay out their folders, none of which are classes of images.

A format that reads class folders asks here first, so that no class is ever called `images` or `labels`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.datasets.formats.base import find_subset
from app.datasets.formats.documents.list_files import find_list_subset
from app.datasets.formats.layouts.tree import Folder, SourceTree
from app.regular_files import open_regular

HOLDERS = frozenset(
    {"images", "image", "imgs", "img", "jpegimages", "data", "dataset", "photos", "pictures", "pics"}
    | {"jpg", "jpgs", "jpeg", "jpegs", "png", "pngs"}
)
"""Folders that tools and people put all images into, whatever their class."""
_LABELS = frozenset({"labels", "label", "labeltxt", "labels_yolo"})
_ANNOTATIONS = frozenset({"annotations", "annotation", "xml", "xmls"})
_MASKS = frozenset(
    {"masks", "mask", "segmentationclass", "segmentationobject", "ground_truth", "groundtruth", "gt"}
    | {"annotations", "annotation", "labels", "label", "trimaps"}
)
_NEVER_CLASSES = frozenset({"masks", "segmentationclass", "segmentationobject", "ground_truth", "thumbnails", "thumbs"})
NOT_CLASSES = HOLDERS | _LABELS | _ANNOTATIONS | _NEVER_CLASSES
"""Names that no class has when the folder stands beside others of its kind."""
_NAME_LISTS = frozenset({"obj.names", "obj.data", "data.yaml", "data.yml", "dataset.yaml", "classes.txt"})
_BOX = re.compile(rb"\s*[0-9]+(\s+-?[0-9]*\.?[0-9]+([eE]-?[0-9]+)?){4,}\s*(\n|$)")


@dataclass(frozen=True)
class ToolLayout:
    """A layout that class folders are not read from: its name, where it was seen, and what to do."""

    title: str
    evidence: str
    fix: str

    @property
    def message(self) -> str:
        """What was found, in a sentence."""
        return f"These are files of {self.title} ({self.evidence}), not one folder of images per class."


_YOLO = "a YOLO dataset with boxes"
_USE_CLASSES = "For one class per image, put the images of each class into a folder of its own, or add a table"


def find_tool_layout(tree: SourceTree) -> ToolLayout | None:
    """Return the layout of a tool that the source has, or None."""
    for place in _places(tree.top):
        for find in (_find_mvtec, _find_voc, _find_yolo, _find_masks):
            found = find(place)
            if found is not None:
                return found
    return _find_yolo_beside_images(tree)


def _places(top: Folder) -> Iterator[Folder]:
    """Yield the top folder and where tools put theirs: the subsets, and what VOC has around its folders."""
    yield top
    for folder in top.folders:
        yield folder
        if folder.last_name.casefold() == "vocdevkit":
            yield from folder.folders


def _child(folder: Folder, names: frozenset[str], beginning: str = "\0") -> Folder | None:
    """Return the first folder inside with one of some names, or one that begins so."""
    found = ((inner.last_name.casefold(), inner) for inner in folder.folders)
    return next((inner for name, inner in found if name in names or name.startswith(beginning)), None)


def _has_files(folder: Folder, endings: Sequence[str]) -> bool:
    return any(name.lower().endswith(tuple(endings)) for inner in folder.iterate() for name in inner.others)


def _find_mvtec(place: Folder) -> ToolLayout | None:
    truth = _child(place, frozenset({"ground_truth"}))
    train = next((inner for inner in place.folders if find_subset(inner.last_name) == "train"), None)
    if truth is None or train is None or not truth.num_below:
        return None
    if len([inner for inner in train.folders if inner.num_below]) > 1:
        return None
    fix = "Use them in a project for anomalies. For classes, put the images of each class into a folder of its own."
    return ToolLayout("an anomaly dataset as MVTec publishes it", f"{train.name}, {truth.name}", fix)


def _find_voc(place: Folder) -> ToolLayout | None:
    images, labels = _child(place, HOLDERS), _child(place, _ANNOTATIONS)
    if images is None or labels is None or not images.images or not _has_files(labels, (".xml",)):
        return None
    return _boxes("a Pascal VOC dataset with boxes", f"{images.name}, {labels.name}")


def _find_yolo(place: Folder) -> ToolLayout | None:
    images, labels = _child(place, HOLDERS), _child(place, _LABELS, "labeltxt")
    if images is None or labels is None or labels.num_below or not images.num_below:
        return None
    if not _has_texts_of_images(images, labels):
        return None
    is_rotated = labels.last_name.casefold().startswith("labeltxt")  # boxes as DOTA and its converters write them
    title = "a DOTA dataset with rotated boxes" if is_rotated else _YOLO
    return _boxes(title, f"{images.name}, {labels.name}")


def _has_texts_of_images(images: Folder, labels: Folder) -> bool:
    """Say whether there are texts that may belong to one image each, and not lists such as labels/train1.txt."""
    texts = [name[:-4] for inner in labels.iterate() for name in inner.others if name.lower().endswith(".txt")]
    if not any(find_list_subset(f"{stem}.txt") for stem in texts):
        return bool(texts)
    stems = {name.rpartition(".")[0] for inner in images.iterate() for name in inner.images}
    return not stems.isdisjoint(texts)


def _find_yolo_beside_images(tree: SourceTree) -> ToolLayout | None:
    """Find boxes in a text file beside each image, where a list of the names says that they are boxes."""
    lists = [name for name in tree.top.others if name.lower() in _NAME_LISTS]
    for folder in tree.top.iterate() if lists else ():
        stems = {name.rpartition(".")[0] for name in folder.images}
        texts = [name for name in folder.others if name.lower().endswith(".txt") and name[:-4] in stems]
        if texts and _begins_with_box(folder.path / texts[0]):
            return _boxes(_YOLO, f"{lists[0]}, a text file beside each image of {folder.title}")
    return None


def _begins_with_box(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return _BOX.match(file.read(200)) is not None
    except OSError:
        return False


def _boxes(title: str, evidence: str) -> ToolLayout:
    fix = f"Its boxes are not classes of an image. {_USE_CLASSES} that names each file with its class."
    return ToolLayout(title, evidence, fix)


def _find_masks(place: Folder) -> ToolLayout | None:
    images, masks = _child(place, HOLDERS), _child(place, _MASKS, "segment")
    if images is None or masks is None or not images.num_below or not masks.num_below:
        return None
    others = [inner for inner in place.folders if inner.num_below and inner not in (images, masks)]
    if len(others) > 1:  # then they are classes among others
        return None
    fix = f"Masks are not classes of an image. {_USE_CLASSES} that names each file with its class."
    return ToolLayout("a segmentation dataset with masks", f"{images.name}, {masks.name}", fix)
