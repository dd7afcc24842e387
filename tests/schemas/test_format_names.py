"""Import formats in words."""

from __future__ import annotations

import pytest

from app.schemas.format_names import describe_format


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("image_folders", "Image folders"), ("coco", "COCO"), ("csv", "Table"), ("some_other", "Some other")],
)
def test_formats_are_named_in_words(name: str, wanted: str) -> None:
    assert describe_format(name) == wanted
