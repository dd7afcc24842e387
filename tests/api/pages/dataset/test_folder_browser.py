"""The folders of the server in the import dialog: places are told apart by their whole path."""

from __future__ import annotations

from html import unescape

import pytest

from app.api.pages.dataset.folder_browser import MAX_PLACE, folder_browser_fragment
from app.api.templating import render_fragment
from app.schemas.folders import FolderListing, FolderPlace

LONG = "/srv/" + "photographs/" * 5 + "new"


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/root", "/root"), ("/mnt", "/mnt"), ("/home/ann/screens", "/home/ann/screens"), (LONG, f"…{LONG[-39:]}")],
)
def test_a_place_is_named_by_its_path(path: str, shown: str) -> None:
    places = [FolderPlace(name=each.rpartition("/")[2], path=each) for each in ("/data", path)]
    listing = FolderListing(
        path="/data", name="data", parent=None, crumbs=places[:1], roots=places, folders=[], files=[], num_images=0
    )
    html = unescape(render_fragment(folder_browser_fragment(listing)))
    assert f'title="{path}">{shown}</button>' in html
    assert len(shown) <= MAX_PLACE
