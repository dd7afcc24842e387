"""What kinds of annotation say to people: examples, drawings, words of an image."""

from __future__ import annotations

from typing import Any

import pytest

from app.annotations.registry import get_kind, kind_of_tag, list_kinds


def test_every_kind_has_an_example_and_a_drawing_of_its_own() -> None:
    kinds = list_kinds().values()
    assert len(kinds) == 7
    assert len({kind.icon for kind in kinds}) == 7
    assert len({kind.example for kind in kinds}) == 7
    assert all(kind.icon.startswith("M") and kind.example.startswith("Examples: ") for kind in kinds)


def test_only_objects_are_counted() -> None:
    titles = {kind.id: kind.count_title for kind in list_kinds().values()}
    counted = {"box": "Boxes", "rotated_box": "Boxes", "instance": "Objects"}
    assert titles == counted | dict.fromkeys(("label", "mask", "score_map", "values"), "")


def test_a_heat_map_explains_a_class_or_a_value() -> None:
    assert [kind.id for kind in list_kinds().values() if kind.explains == "value"] == ["values"]


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ({"type": "bbox", "class_name": "car", "bbox": (1, 2, 3, 4)}, []),
        ({"type": "instance", "class_name": "car"}, []),
        ({"type": "label", "class_name": "car"}, []),
        ({"type": "segmentation_mask", "mask_path": "m.png"}, []),
        ({"type": "oriented_bbox", "class_name": "car"}, []),
        ({"type": "anomaly", "is_anomalous": False}, ["Normal"]),
        ({"type": "value", "values": [1.5, 2.0]}, ["width: 1.5", "height: 2"]),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_what_an_annotation_says_of_the_whole_image(annotation: dict[str, Any], words: list[str]) -> None:
    assert kind_of_tag(annotation["type"]).say(annotation, ("width", "height")) == words


def test_values_without_names_are_numbered() -> None:
    assert get_kind("values").say({"values": [1.5, 2.0]}, ()) == ["Value 1: 1.5", "Value 2: 2"]
