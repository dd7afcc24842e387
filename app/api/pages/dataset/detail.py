"""One image with what is said of it: annotations as shapes by their kind, facts, neighbours. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from app.annotations.registry import kind_of_tag
from app.annotations.shapes import Shape
from app.api.pages.dataset.content import format_bytes
from app.api.pages.dataset.grid import thumbnail_url
from app.api.pages.dataset.query import DatasetAddress, page_url
from app.api.pages.overlays import Picture
from app.api.pages.subsets import SUBSET_TITLES
from app.api.templating import Fragment
from app.schemas.dataset_pages import ImageDetail

MAX_SHAPES = 500
_ENLARGED_UP_TO_PX = 256
Annotation = Mapping[str, Any]


@dataclass(frozen=True)
class NeighbourImage:
    """The image before or after: `url` of the page that shows it."""

    name: str
    url: str


@dataclass(frozen=True)
class DetailLabel:
    """A class or value of the image; `series` is the number of its colour, 0 for none."""

    text: str
    series: int


@dataclass(frozen=True)
class ImagePanel:
    """What `dataset/_image_detail.html` shows; `name` is that of the source. `problem`: why there is no image."""

    problem: str
    filename: str
    name: str
    picture: Picture | None
    fallback_url: str
    original_url: str
    is_small: bool
    labels: list[DetailLabel]
    facts: list[tuple[str, str]]
    notes: list[str]
    position: str
    previous: NeighbourImage | None
    next: NeighbourImage | None


@dataclass(frozen=True)
class ImageDetailContext:
    """Names for `dataset/_image_detail.html`."""

    detail: ImagePanel | None


def image_detail_fragment(project_id: str, address: DatasetAddress, image: ImageDetail) -> Fragment:
    """Return one image with its annotations and facts."""
    return Fragment("dataset/_image_detail.html", ImageDetailContext(make_detail(project_id, address, image)))


def missing_detail(message: str) -> ImagePanel:
    """Return the notice for an image that does not exist."""
    return ImagePanel(message, "", "", None, "", "", False, [], [], [], "", None, None)


def make_detail(project_id: str, address: DatasetAddress, image: ImageDetail) -> ImagePanel:
    """Return one image as texts, shapes and links."""
    record = image.info.image
    filename = record["filename"]
    name = record.get("source_name") or filename
    annotations: Sequence[Annotation] = record["annotations"]
    original = f"/api/datasets/{project_id}/images/{quote(filename)}"
    mask_url = f"{page_url(project_id)}/mask?{urlencode({'image': filename})}"
    shapes = draw_shapes(annotations, mask_url)
    return ImagePanel(
        problem="",
        filename=filename,
        name=name,
        picture=Picture(
            url=f"{page_url(project_id)}/picture?{urlencode({'image': filename})}",
            alt=name,
            width=record["width"],
            height=record["height"],
            shapes=tuple(shapes[:MAX_SHAPES]),
        ),
        fallback_url=thumbnail_url(project_id, filename),
        original_url=original,
        is_small=max(record["width"], record["height"]) <= _ENLARGED_UP_TO_PX,
        labels=_list_labels(annotations, image.value_names),
        facts=_list_facts(record),
        notes=_list_notes(len(shapes), image.position),
        position=f"{image.position:,} of {image.num_items:,}" if image.position is not None else "",
        previous=_neighbour(project_id, address, image.previous),
        next=_neighbour(project_id, address, image.next),
    )


def draw_shapes(annotations: Sequence[Annotation], mask_url: str) -> list[Shape]:
    """Return what can be drawn of annotations; kinds that say something of the whole image draw nothing."""
    return [
        shape
        for number, annotation in enumerate(annotations)
        if (shape := kind_of_tag(annotation["type"]).draw(annotation, f"{mask_url}&annotation={number}")) is not None
    ]


def _list_labels(annotations: Sequence[Annotation], value_names: Sequence[str]) -> list[DetailLabel]:
    """Return each class once with the number of its objects, and each value under its name."""
    counts: dict[str, int] = {}
    colours: dict[str, int] = {}
    labels: list[DetailLabel] = []
    for annotation in annotations:
        kind = kind_of_tag(annotation["type"])
        if "class_name" in annotation:
            name = annotation["class_name"]
            counts[name] = counts.get(name, 0) + 1
            colours[name] = annotation["class_id"] % 8 + 1 if kind.has_colours else 0
        labels += [DetailLabel(text, 0) for text in kind.say(annotation, value_names)]
    named = [
        DetailLabel(name if count == 1 else f"{name}: {count:,} objects", colours[name])
        for name, count in counts.items()
    ]
    return named + labels


def _list_facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("Dimensions", f"{record['width']:,} × {record['height']:,} px"),
    ]
    if record.get("size_bytes"):
        facts.append(("File size", format_bytes(record["size_bytes"])))
    # The one class, value or mask of an image is shown by itself; only objects are counted.
    kinds = {kind_of_tag(annotation["type"]) for annotation in record["annotations"]}
    if not kinds or any(kind.count_title for kind in kinds):
        facts.append(("Annotations", f"{len(record['annotations']):,}"))
    facts += [(f"Split {name}", SUBSET_TITLES[value]) for name, value in record["splits"].items()]
    return facts


def _list_notes(num_shapes: int, position: int | None) -> list[str]:
    notes = []
    if num_shapes > MAX_SHAPES:
        notes.append(f"The first {MAX_SHAPES} of {num_shapes:,} annotations are shown.")
    if position is None:
        notes.append("This image does not match the current filters, so there is no previous or next image.")
    return notes


def _neighbour(project_id: str, address: DatasetAddress, name: str | None) -> NeighbourImage | None:
    return NeighbourImage(name, f"{page_url(project_id)}{address.to_text(image=name)}") if name is not None else None
