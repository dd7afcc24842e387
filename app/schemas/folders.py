"""Folders of the server's machine, to choose the source of an import from."""

from __future__ import annotations

from pydantic import Field

from app.schemas.common import StrictModel


class FolderPlace(StrictModel):
    """A folder by its path and the name that is shown for it."""

    name: str
    path: str


class FolderEntry(StrictModel):
    """A folder inside the one that is listed."""

    name: str
    path: str
    num_images: int | None = Field(description="Image files directly in it, by their endings; null: not counted.")
    is_count_complete: bool = Field(True, description="False: there are at least so many.")


class FolderFile(StrictModel):
    """A zip or an annotation file that can be a source itself."""

    name: str
    path: str


class FolderListing(StrictModel):
    """What lies in a folder: its folders, and how many images, zips and annotation files."""

    path: str
    name: str
    parent: str | None = Field(description="The folder above; null at a root.")
    crumbs: list[FolderPlace] = Field(description="From the root down to this folder.")
    roots: list[FolderPlace] = Field(description="Where browsing can begin.")
    folders: list[FolderEntry]
    files: list[FolderFile] = Field(description="Zips and annotation files.")
    num_images: int = Field(description="Image files directly in it, by their endings.")
    is_complete: bool = Field(True, description="False: the folder has more entries than are listed.")
    refusal: str = Field("", description="Why this folder cannot be imported; empty when it can be tried.")
