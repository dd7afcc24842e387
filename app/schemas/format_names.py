"""Display names of import formats. `app/datasets/formats` defines which formats there are."""

from __future__ import annotations

_NAMES = {"coco": "COCO", "csv": "Table", "image_folders": "Image folders"}


def describe_format(format_id: str) -> str:
    """Return the name of an import format, such as "Image folders" for `image_folders`."""
    return _NAMES.get(format_id, format_id.replace("_", " ").capitalize())
