"""The images of a dataset as tiles or as a list, with the filters above them. Turns a listing into texts and links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from app.annotations.registry import get_kind
from app.api.pages.dataset.query import DatasetAddress, page_url
from app.api.pages.forms import Option
from app.api.pages.subsets import SUBSET_TITLES
from app.api.templating import Fragment
from app.number_text import format_value
from app.schemas.dataset_pages import FilterName, ImageListing
from app.schemas.datasets import DatasetSummary, ImageItem

MAX_CLASS_OPTIONS = 200
_PIXELATED_UP_TO_PX = 64
_SORTS = (
    ("filename", "Path (A to Z)"),
    ("-filename", "Path (Z to A)"),
    ("class", "Class (A to Z)"),
    ("-class", "Class (Z to A)"),
    ("-size", "Largest first"),
    ("size", "Smallest first"),
)
_VIEWS = (("s", "S"), ("m", "M"), ("l", "L"), ("list", "List"))
_VIEW_NAMES = {"s": "Small", "m": "Medium", "l": "Large", "list": "List"}
_FIELD_OF: dict[FilterName, tuple[str, ...]] = {"class": ("class_name",), "search": ("search",), "subset": ("subset",)}


@dataclass(frozen=True)
class Tile:
    """One image. `text` is what stands below it, `subset` its part of the selected split."""

    name: str
    href: str
    src: str
    alt: str
    text: str
    size: str
    num_annotations: str
    subset: str


@dataclass(frozen=True)
class GridLink:
    """A link to another state of the grid; `url` of the page, `hx` of the fragment."""

    text: str
    url: str
    hx: str
    is_current: bool = False


@dataclass(frozen=True)
class ImagePager:
    """Where one is among the pages; a link is None at the ends. `carried`: what the form for a number sends along."""

    page: int
    num_pages: int
    num_pages_text: str
    first: GridLink | None
    previous: GridLink | None
    next: GridLink | None
    last: GridLink | None
    carried: list[tuple[str, str]]


@dataclass(frozen=True)
class Grid:
    """What `dataset/_image_grid.html` shows."""

    project_id: str
    view: str
    tiles: list[Tile]
    count: str
    is_pixelated: bool
    has_subsets: bool
    truth_title: str
    count_title: str
    subset_links: list[GridLink]
    drop_links: list[GridLink]
    missing_split: str
    pager: ImagePager | None


@dataclass(frozen=True)
class ImageGridContext:
    """Names for `dataset/_image_grid.html`."""

    grid: Grid


@dataclass(frozen=True)
class Filters:
    """The form above the grid. Without `has_classes` nothing in it is about classes.

    With more classes than a list can hold the class is typed (`has_class_list`).
    """

    url: str
    hx: str
    class_name: str
    search: str
    split: str
    subset: str
    sort: str
    view: str
    has_classes: bool
    has_class_list: bool
    classes: list[Option]
    splits: list[Option]
    subsets: list[Option]
    sorts: list[Option]
    views: list[tuple[str, str, str]]


def image_grid_fragment(project_id: str, address: DatasetAddress, listing: ImageListing) -> Fragment:
    """Return the grid without the page around it."""
    return Fragment("dataset/_image_grid.html", ImageGridContext(make_grid(project_id, address, listing)))


def make_grid(project_id: str, address: DatasetAddress, listing: ImageListing) -> Grid:
    """Return the grid of one page of images."""
    page = listing.page
    if listing.missing_split is not None:
        address = address.model_copy(update={"split": None, "subset": None})
    if not listing.has_classes:
        address = address.model_copy(update={"class_name": None})
    address = address.model_copy(update={"image": None, "page": page.page})
    return Grid(
        project_id=project_id,
        view=address.view,
        tiles=[_make_tile(project_id, address, item) for item in page.items],
        count=_count(page.total_items, listing.num_all),
        is_pixelated=bool(page.items) and all(max(i.width, i.height) <= _PIXELATED_UP_TO_PX for i in page.items),
        has_subsets=address.split is not None,
        truth_title="Class" if listing.has_classes else "Values",
        count_title=get_kind(listing.annotation_kind).count_title,
        subset_links=_subset_links(project_id, address, listing),
        drop_links=_drop_links(project_id, address, listing),
        missing_split=listing.missing_split or "",
        pager=_make_pager(project_id, address, page.total_pages) if page.total_pages > 1 else None,
    )


def make_filters(project_id: str, address: DatasetAddress, summary: DatasetSummary) -> Filters:
    """Return the filters as the address sets them."""
    split = address.split if address.split in summary.split_names else ""
    return Filters(
        url=page_url(project_id),
        hx=f"{page_url(project_id)}/image-grid",
        class_name=address.class_name or "",
        search=address.search or "",
        split=split or "",
        subset=(address.subset or "") if split else "",
        sort=address.sort,
        view=address.view,
        has_classes=bool(summary.class_counts),
        has_class_list=len(summary.class_counts) <= MAX_CLASS_OPTIONS,
        classes=_class_options(address.class_name, summary),
        splits=[Option("", "No split"), *(Option(name, name) for name in summary.split_names)],
        subsets=[Option("", "All images"), *(Option(value, title) for value, title in SUBSET_TITLES.items())],
        sorts=[Option(value, title) for value, title in _SORTS if summary.class_counts or value.lstrip("-") != "class"],
        views=[(value, title, _VIEW_NAMES[value]) for value, title in _VIEWS],
    )


def thumbnail_url(project_id: str, filename: str) -> str:
    """Return the address of a thumbnail."""
    return f"/api/datasets/{project_id}/thumbnails/{quote(filename)}"


def grid_link(project_id: str, address: DatasetAddress, text: str, is_current: bool = False) -> GridLink:
    """Return a link to a state of the grid."""
    query = address.to_text(image=None)
    url = page_url(project_id)
    return GridLink(text, f"{url}{query}", f"{url}/image-grid{query}", is_current)


def _class_options(chosen: str | None, summary: DatasetSummary) -> list[Option]:
    if len(summary.class_counts) > MAX_CLASS_OPTIONS:
        return []
    options = [Option(name, f"{name} ({count:,})") for name, count in summary.class_counts.items()]
    if chosen is not None and chosen not in summary.class_counts:
        options.append(Option(chosen, f"{chosen} (not in this dataset)"))
    return [Option("", "All classes"), *options]


def _make_tile(project_id: str, address: DatasetAddress, item: ImageItem) -> Tile:
    values = ", ".join(format_value(value) for value in item.values or ())
    text = item.class_name or values or "No annotation"
    name = item.source_name or item.filename
    return Tile(
        name=name,
        href=f"{page_url(project_id)}{address.to_text(image=item.filename)}",
        src=thumbnail_url(project_id, item.filename),
        alt=f"{name}: {text}",
        text=text,
        size=f"{item.width} × {item.height}",
        num_annotations=f"{item.annotation_count:,}",
        subset=SUBSET_TITLES.get(item.selected_split_value or "", ""),
    )


def _count(num_items: int, num_all: int) -> str:
    noun = "image" if num_all == 1 else "images"
    return f"{num_all:,} {noun}" if num_items == num_all else f"{num_items:,} of {num_all:,} {noun}"


def _subset_links(project_id: str, address: DatasetAddress, listing: ImageListing) -> list[GridLink]:
    if address.split is None:
        return []
    first = address.model_copy(update={"page": 1})
    counts: Sequence[tuple[str | None, str, int]] = [
        (None, "All", sum(listing.subset_counts.values())),
        *((value, SUBSET_TITLES[value], count) for value, count in listing.subset_counts.items()),
    ]
    return [
        grid_link(
            project_id,
            first.model_copy(update={"subset": value}),
            f"{title} {count:,}",
            is_current=address.subset == value,
        )
        for value, title, count in counts
    ]


def _drop_links(project_id: str, address: DatasetAddress, listing: ImageListing) -> list[GridLink]:
    shown = {
        "class": f"class filter “{address.class_name}”",
        "search": f"search filter “{address.search}”",
        "subset": f"subset filter “{SUBSET_TITLES.get(address.subset or '', '')}”",
    }
    links = []
    for item in listing.relaxed:
        if item.num_items == 0:  # another filter is in the way as well
            continue
        without = address.model_copy(update={**dict.fromkeys(_FIELD_OF[item.name]), "page": 1})
        noun = "image" if item.num_items == 1 else "images"
        text = f"Remove the {shown[item.name]} (shows {item.num_items:,} {noun})"
        links.append(grid_link(project_id, without, text))
    if listing.relaxed and not links:
        plain = DatasetAddress(split=address.split, view=address.view, sort=address.sort)
        links.append(grid_link(project_id, plain, f"Remove all filters (shows {listing.num_all:,} images)"))
    return links


def _make_pager(project_id: str, address: DatasetAddress, num_pages: int) -> ImagePager:
    def at(page: int, text: str) -> GridLink | None:
        if page == address.page or not 1 <= page <= num_pages:
            return None
        return grid_link(project_id, address.model_copy(update={"page": page}), text)

    return ImagePager(
        page=address.page,
        num_pages=num_pages,
        num_pages_text=f"{num_pages:,}",
        first=at(1, "First page"),
        previous=at(address.page - 1, "Previous page"),
        next=at(address.page + 1, "Next page"),
        last=at(num_pages, "Last page"),
        carried=address.to_pairs("page", "image"),
    )
