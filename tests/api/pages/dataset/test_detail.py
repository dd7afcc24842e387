"""Annotations of every kind as shapes and words."""

from __future__ import annotations

from typing import Any

import pytest

from app.annotations.shapes import Shape
from app.api.pages.dataset.detail import draw_shapes, image_detail_fragment
from app.api.pages.dataset.query import DatasetAddress
from app.api.templating import render_fragment
from app.schemas.dataset_pages import ImageDetail
from app.schemas.datasets import ImageInfo

CAT = {"class_id": 9, "class_name": "<cat>"}
BOX = {"type": "bbox", **CAT, "bbox": (1.0, 2.0, 3.0, 4.0)}
INSTANCE = {"type": "instance", **CAT}


def render(*annotations: dict[str, Any], value_names: tuple[str, ...] = (), position: int | None = 1) -> str:
    record = {
        "filename": "a b#.png",
        "width": 640,
        "height": 480,
        "annotations": list(annotations),
        "splits": {"main": "val"},
        "size_bytes": 1234,
    }
    detail = ImageDetail(
        info=ImageInfo(image=record),
        value_names=list(value_names),
        classes=[],
        position=position,
        num_items=1,
        previous=None,
        next=None,
    )
    return render_fragment(image_detail_fragment("proj-00000000", DatasetAddress(), detail))


@pytest.mark.parametrize(
    ("annotation", "shape"),
    [
        (BOX, Shape("box", (1.0, 2.0, 3.0, 4.0), "<cat>", 9)),
        (
            {"type": "oriented_bbox", **CAT, "bbox": (5.0, 5.0, 4.0, 2.0, 30.0)},
            Shape("rotated_box", (5.0, 5.0, 4.0, 2.0, 30.0), "<cat>", 9),
        ),
        ({**INSTANCE, "polygon": [(0, 0), (4, 0), (4, 3)]}, Shape("polygon", (0, 0, 4, 0, 4, 3), "<cat>", 9)),
        ({**INSTANCE, "mask_path": "m.png"}, Shape("mask", (), "<cat>", 9, url="/m?image=a&annotation=0")),
        ({**INSTANCE, "bbox": (1.0, 1.0, 2.0, 2.0)}, Shape("box", (1.0, 1.0, 2.0, 2.0), "<cat>", 9)),
        ({"type": "segmentation_mask", "mask_path": "m.png"}, Shape("mask", url="/m?image=a&annotation=0")),
        ({"type": "anomaly", "is_anomalous": True, "mask_path": "m.png"}, Shape("mask", url="/m?image=a&annotation=0")),
        ({"type": "anomaly", "is_anomalous": False}, None),
        ({"type": "label", **CAT}, None),
        ({"type": "value", "values": [1.5]}, None),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_each_kind_has_its_shape(annotation: dict[str, Any], shape: Shape | None) -> None:
    assert draw_shapes([annotation], "/m?image=a") == ([shape] if shape is not None else [])


def test_words_say_what_the_shapes_are() -> None:
    html = render(BOX, BOX)
    assert "&lt;cat&gt;: 2 objects" in html
    assert html.count('<rect class="overlay__shape stroke-2') == 2
    assert "Show annotations" in html
    assert "/images/a%20b%23.png" in html
    assert "Validation" in html
    assert "1.2 KiB" in html


def test_values_have_their_names() -> None:
    assert "length: 1.5" in render({"type": "value", "values": [1.5]}, value_names=("length",))
    assert "Value 2: 2" in render({"type": "value", "values": [1.5, 2.0]})
    assert "Anomalous" in render({"type": "anomaly", "is_anomalous": True})


def test_nothing_said_of_an_image_is_said() -> None:
    html = render(position=None)
    assert "No annotation" in html
    assert "Show annotations" not in html
    assert "does not match the current filters" in html


def test_thousands_of_objects_are_cut() -> None:
    html = render(*[BOX] * 700)
    assert html.count("overlay__shape") == 500
    assert "The first 500 of 700 annotations are shown." in html
