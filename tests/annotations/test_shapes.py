"""Every kind's annotations as shapes."""

from __future__ import annotations

from typing import Any

import pytest

from app.annotations.registry import UnknownKindError, kind_of_tag, list_kinds
from app.annotations.shapes import Shape

CAT = {"class_id": 2, "class_name": "cat"}
POLYGON = [(0, 0), (4, 0), (4, 3)]
DRAWN: list[tuple[str, dict[str, Any], Shape | None]] = [
    ("bbox", {**CAT, "bbox": (1, 2, 3, 4)}, Shape("box", (1, 2, 3, 4), "cat", 2)),
    ("oriented_bbox", {**CAT, "bbox": (5, 5, 4, 2, 30)}, Shape("rotated_box", (5, 5, 4, 2, 30), "cat", 2)),
    ("instance", {**CAT, "polygon": POLYGON, "mask_path": "m"}, Shape("polygon", (0, 0, 4, 0, 4, 3), "cat", 2)),
    ("instance", {**CAT, "mask_path": "m", "bbox": (1, 2, 3, 4)}, Shape("mask", (), "cat", 2, url="/mask")),
    ("instance", {**CAT, "bbox": (1, 2, 3, 4)}, Shape("box", (1, 2, 3, 4), "cat", 2)),
    ("instance", CAT, None),
    ("segmentation_mask", {"mask_path": "m"}, Shape("mask", url="/mask")),
    ("anomaly", {"is_anomalous": True, "mask_path": "m"}, Shape("mask", url="/mask")),
    ("anomaly", {"is_anomalous": True}, None),
    ("label", CAT, None),
    ("value", {"values": [1.5]}, None),
]


@pytest.mark.parametrize(("tag", "annotation", "shape"), DRAWN)
def test_the_shape_of_an_annotation(tag: str, annotation: dict[str, Any], shape: Shape | None) -> None:
    assert kind_of_tag(tag).draw(annotation, "/mask") == shape


def test_the_shapes_above_are_of_every_kind() -> None:
    kinds = {kind_of_tag(tag).id for tag, _, _ in DRAWN}
    assert kinds == set(list_kinds())
    assert len(kinds) == 7


def test_an_unknown_tag_is_named() -> None:
    with pytest.raises(UnknownKindError, match="'knot'"):
        kind_of_tag("knot")
