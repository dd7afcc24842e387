"""The folders of the server's machine in the import dialog: where one is, what lies there, where one can go."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from app.api.templating import Fragment
from app.plurals import count
from app.schemas.folders import FolderEntry, FolderListing, FolderPlace

MAX_PLACE = 40
"""Letters of the path of a place; its title has all of them."""


@dataclass(frozen=True)
class PlaceLink:
    """A folder that can be entered."""

    name: str
    url: str
    text: str = ""
    is_current: bool = False


@dataclass(frozen=True)
class FileChoice:
    """A zip or an annotation file that can be chosen itself."""

    name: str
    path: str


@dataclass(frozen=True)
class FolderBrowser:
    """What `dataset/_folder_browser.html` shows."""

    path: str
    name: str
    summary: str
    refusal: str
    up: PlaceLink | None
    roots: list[PlaceLink]
    crumbs: list[PlaceLink]
    folders: list[PlaceLink]
    files: list[FileChoice]
    more: str


@dataclass(frozen=True)
class BrowserContext:
    """Names for `dataset/_folder_browser.html`."""

    browser: FolderBrowser


def folder_browser_fragment(listing: FolderListing) -> Fragment:
    """Return the list of a folder with everything that leads on from it."""
    root = listing.crumbs[0].path
    context = FolderBrowser(
        path=listing.path,
        name=listing.name,
        summary=_count_here(listing),
        refusal=listing.refusal,
        up=PlaceLink("Up", _url(listing.parent)) if listing.parent is not None else None,
        roots=[_link_root(place, is_current=place.path == root) for place in listing.roots]
        if len(listing.roots) > 1
        else [],
        crumbs=[_link(place, is_current=place.path == listing.path) for place in listing.crumbs],
        folders=[PlaceLink(item.name, _url(item.path), _count_inside(item)) for item in listing.folders],
        files=[FileChoice(item.name, item.path) for item in listing.files],
        more="" if listing.is_complete else "This folder contains more than is listed. Type the path to continue.",
    )
    return Fragment("dataset/_folder_browser.html", BrowserContext(context))


def _link(place: FolderPlace, *, is_current: bool) -> PlaceLink:
    return PlaceLink(place.name, _url(place.path), place.path, is_current)


def _link_root(place: FolderPlace, *, is_current: bool) -> PlaceLink:
    """Return a place with its whole path: "root" alone could be any folder of that name."""
    return PlaceLink(_shorten_path(place.path), _url(place.path), place.path, is_current)


def _shorten_path(path: str) -> str:
    return path if len(path) <= MAX_PLACE else f"…{path[1 - MAX_PLACE :]}"


def _url(path: str) -> str:
    return f"/api/folders?{urlencode({'path': path})}"


def _count_here(listing: FolderListing) -> str:
    parts = [count(listing.num_images, "image"), count(len(listing.folders), "folder")]
    return f"{' and '.join(parts)} directly in it"


def _count_inside(entry: FolderEntry) -> str:
    if not entry.num_images:
        return ""
    return count(entry.num_images, "image") if entry.is_count_complete else f"{entry.num_images:,} or more images"
