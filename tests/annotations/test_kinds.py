"""What kinds of annotation say of images: classes, strata, faults."""

from __future__ import annotations

from collections import Counter

import pytest

from app.annotations.base import AnnotationRecord, class_of, numbers_of
from app.annotations.box import Box
from app.annotations.instance import Instance
from app.annotations.label import Label
from app.annotations.mask import SegmentationMask
from app.annotations.registry import get_kind
from app.annotations.rotated_box import RotatedBox
from app.annotations.score_map import Anomaly
from app.annotations.values import Value

SQUARE = (0.0, 0.0, 1.0, 1.0)


def boxes(*names: str) -> list[AnnotationRecord]:
    return [Box(0, name, SQUARE) for name in names]


def test_classes_of_an_image_are_a_set() -> None:
    assert get_kind("box").classes_of(boxes("car", "dog", "car")) == {"car", "dog"}
    assert get_kind("box").classes_of([]) == frozenset()
    assert get_kind("label").classes_of([Label(0, "cat")]) == {"cat"}
    assert get_kind("score_map").classes_of([Anomaly(False)]) == {"normal"}
    assert get_kind("values").classes_of([Value([1.0])]) == frozenset()


def test_the_dominant_class_has_the_most_annotations() -> None:
    assert get_kind("box").dominant_class(boxes("dog", "car", "car")) == "car"
    assert get_kind("box").dominant_class([]) is None
    assert get_kind("box").stratify([boxes("dog"), []]) == ["dog", ""]
    assert get_kind("label").dominant_class([Label(0, "cat")]) == "cat"


def test_values_are_binned_about_equally() -> None:
    strata = get_kind("values").stratify([[Value([float(number)])] for number in range(100)])
    assert len(strata) == 100
    assert set(Counter(strata).values()) == {10}
    assert get_kind("values").stratify([[], []]) == ["", ""]


@pytest.mark.parametrize(
    ("kind", "annotations", "fault"),
    [
        ("label", [Label(0, "cat"), Label(1, "dog")], ""),
        ("label", [Label(0, "dog")], "annotations: 'dog' is not the class 0 of the dataset"),
        ("label", [Label(9, "cat")], "annotations: 'cat' is not the class 9 of the dataset"),
        ("values", [Value([1.0]), Value([1.0, 2.0])], "annotations.values: 2 numbers, and there are 1 values"),
        ("box", [Box(0, "cat", SQUARE)], ""),
        ("box", [Box(0, "car", SQUARE)], "annotations: 'car' is none of the classes"),
        ("rotated_box", [RotatedBox(0, "car", (*SQUARE, 0.0))], "annotations: 'car' is none of the classes"),
        ("instance", [Instance(0, "car")], "annotations: 'car' is none of the classes"),
        ("mask", [SegmentationMask("1.png")], ""),
        ("score_map", [Anomaly(True)], ""),
    ],
)
def test_faults_of_a_stored_dataset(kind: str, annotations: list[AnnotationRecord], fault: str) -> None:
    assert get_kind(kind).find_fault(annotations, ["cat", "dog"], []) == fault


def test_only_what_names_a_class_can_change_it() -> None:
    named = [Label(0, "a"), *boxes("a"), RotatedBox(0, "a", (*SQUARE, 0.0)), Instance(0, "a")]
    others = [Value([1.0]), SegmentationMask("1.png"), Anomaly(True)]
    assert [(item.class_label, item.is_object) for item in named] == [("a", False), *[("a", True)] * 3]
    for item in named:
        changed = item.with_class(3, "b")
        assert (type(changed), changed.class_label) == (type(item), "b")
    for other in others:
        assert other.with_class(3, "b") is other


def test_the_first_class_and_the_first_numbers_of_an_image() -> None:
    assert class_of([SegmentationMask("1.png"), Label(0, "a"), Label(1, "b")]) == "a"
    assert class_of([Value([1.0])]) is None
    assert list(numbers_of([Label(0, "a"), Value([2.0, 3.0])])) == [2.0, 3.0]
    assert list(numbers_of([])) == []


def test_kinds_make_what_a_table_can_hold_of_them() -> None:
    assert get_kind("label").make_of_class(1, "dog") == Label(1, "dog")
    assert get_kind("values").make_of_numbers((1.0, 2.0)) == Value([1.0, 2.0])
    with pytest.raises(NotImplementedError, match="box"):
        get_kind("box").make_of_class(0, "car")
    with pytest.raises(NotImplementedError, match="label"):
        get_kind("label").make_of_numbers((1.0,))
