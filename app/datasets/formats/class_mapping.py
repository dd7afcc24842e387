"""Renames, merges and leaves out classes between the scan of a source and the import. The same for every format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from pathlib import Path

from app.annotations.registry import kind_of
from app.datasets.formats.base import FoundImage, Scan, SourceError, shorten
from app.datasets.formats.report.findings import count_classes
from app.datasets.table import Annotation
from app.plurals import count, name_first

ClassMapping = Mapping[str, str | None]
MAX_NAMED_CLASSES = 10


def count_found_classes(scan: Scan, lost: Set[Path] = frozenset()) -> dict[str, int]:
    """Return the images of each class as the source names them, in the order of the classes, without lost files."""
    counts: Counter[str] = count_classes(image.annotations for image in scan.images if image.path not in lost)
    return {name: counts[name] for name in scan.classes}


def map_classes(scan: Scan, mapping: ClassMapping) -> Scan:
    """Return the scan with classes under their new names; None leaves a class out. Raises SourceError.

    Each name is looked up once, so two classes may exchange their names. An image whose label is left out is left
    out; an object that is left out takes only itself away. Classes that get one name become one class.
    """
    if not mapping:
        return scan
    found = set(scan.classes)
    for name in mapping:
        if name not in found:
            scan.problems.warn(
                name, f"The mapping names the class {shorten(name)!r}, which was not found.", "Remove it."
            )
    new_names = {name: mapping.get(name, name) for name in scan.classes}
    classes = tuple(dict.fromkeys(name for name in new_names.values() if name is not None))
    if not classes:
        raise SourceError("The mapping leaves out every class.", "Keep at least one class.")
    _refuse_masks(scan.images, new_names)
    ids = {name: index for index, name in enumerate(classes)}
    images = [mapped for image in scan.images if (mapped := _map_image(image, new_names, ids)) is not None]
    left_out = len(scan.images) - len(images)
    kept = {image.path for image in images} if left_out else set()
    scan.problems.leave_out(image.path for image in scan.images if left_out and image.path not in kept)
    notes = (*scan.notes, _note_left_out(left_out, new_names)) if left_out else scan.notes
    return replace(scan, images=images, classes=classes, notes=notes)


def _note_left_out(num_images: int, new_names: ClassMapping) -> str:
    """Return how many images are not imported because of their class, and of which classes."""
    names = [repr(shorten(name)) for name, new_name in new_names.items() if new_name is None]
    noun, verb = ("class", "is") if len(names) == 1 else ("classes", "are")
    left = "is" if num_images == 1 else "are"
    shown = name_first(names, MAX_NAMED_CLASSES)
    return f"{count(num_images, 'image')} {left} left out, because the {noun} {shown} {verb} left out."


def _map_image(image: FoundImage, new_names: ClassMapping, ids: Mapping[str, int]) -> FoundImage | None:
    mapped: list[Annotation] = []
    for annotation in image.annotations:
        label = annotation.class_label
        if label is None or label not in new_names:
            mapped.append(annotation)
            continue
        name = new_names[label]
        if name is not None:
            mapped.append(annotation.with_class(ids[name], name))
        elif not annotation.is_object:
            return None
    return replace(image, annotations=tuple(mapped))


def _refuse_masks(images: Iterable[FoundImage], new_names: ClassMapping) -> None:
    """A mask holds class ids in its pixels: its classes can be renamed, but neither merged nor left out."""
    values = list(new_names.values())
    if None not in values and len(set(values)) == len(values):
        return
    records = {type(annotation) for image in images for annotation in image.annotations}
    if not all(kind_of(record).has_whole_classes for record in records):
        raise SourceError("Classes of masks can be renamed, not merged or left out.", "Change the masks themselves.")
