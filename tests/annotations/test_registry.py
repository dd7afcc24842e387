"""Kinds of annotation are found, differ, and write what dataset.json has always had."""

from __future__ import annotations

import msgspec
import pytest

from app.annotations.base import AnnotationKind, AnnotationRecord
from app.annotations.box import Box
from app.annotations.instance import Instance
from app.annotations.label import KIND as LABEL
from app.annotations.label import Label
from app.annotations.mask import SegmentationMask
from app.annotations.registry import UnknownKindError, get_kind, index_kinds, kind_of, list_kinds, list_kinds_of
from app.annotations.rotated_box import RotatedBox
from app.annotations.score_map import Anomaly
from app.annotations.values import Value
from app.datasets.formats.registry import list_formats
from app.tasks.registry import list_specs

STORED: list[tuple[str, AnnotationRecord, str]] = [
    ("label", Label(0, "cat"), '{"type":"label","class_id":0,"class_name":"cat"}'),
    (
        "box",
        Box(1, "dog", (1.0, 2.0, 3.0, 4.0)),
        '{"type":"bbox","class_id":1,"class_name":"dog","bbox":[1.0,2.0,3.0,4.0]}',
    ),
    (
        "rotated_box",
        RotatedBox(0, "ship", (5.0, 5.0, 4.0, 2.0, 30.0)),
        '{"type":"oriented_bbox","class_id":0,"class_name":"ship","bbox":[5.0,5.0,4.0,2.0,30.0]}',
    ),
    (
        "instance",
        Instance(0, "cell", polygon=[(0.0, 0.0), (1.0, 0.0)]),
        '{"type":"instance","class_id":0,"class_name":"cell","polygon":[[0.0,0.0],[1.0,0.0]]}',
    ),
    ("mask", SegmentationMask("m/1.png"), '{"type":"segmentation_mask","mask_path":"m/1.png"}'),
    ("score_map", Anomaly(True), '{"type":"anomaly","is_anomalous":true}'),
    ("values", Value([1.5, 2.0]), '{"type":"value","values":[1.5,2.0]}'),
]


def test_every_kind_writes_what_dataset_json_has() -> None:
    assert {kind_id for kind_id, _, _ in STORED} == set(list_kinds())
    for kind_id, record, text in STORED:
        assert msgspec.json.encode(record).decode() == text
        assert kind_of(type(record)) is get_kind(kind_id)


def test_every_task_has_a_kind_whose_formats_exist() -> None:
    specs = list_specs()
    assert len(specs) >= 2
    for spec in specs.values():
        assert spec.kind.id == spec.info.annotation_kind
        assert set(spec.info.import_formats) <= set(spec.kind.formats)
    for kind in list_kinds().values():
        assert set(kind.formats) <= set(list_formats())


def test_kinds_of_a_format() -> None:
    assert [kind.id for kind in list_kinds_of("csv")] == ["label", "values"]
    assert list_kinds_of("nothing") == []


def test_an_unknown_kind_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownKindError, match=r"No kind of annotation 'knots'\. Known: box, instance, label"):
        get_kind("knots")
    with pytest.raises(UnknownKindError, match="AnnotationRecord belongs to no kind"):
        kind_of(AnnotationRecord)


def test_two_kinds_share_neither_id_nor_tag() -> None:
    class Again(AnnotationKind):
        id = "label"
        record = Value

    class SameTag(AnnotationKind):
        id = "other"
        record = Label

    with pytest.raises(ValueError, match="have the id 'label'"):
        index_kinds([LABEL, Again()])
    with pytest.raises(ValueError, match="'label' and 'other' both write 'label'"):
        index_kinds([LABEL, SameTag()])
