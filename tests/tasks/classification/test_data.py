from __future__ import annotations

import pytest
import torch

from app.annotations.label import Label
from app.annotations.values import Value
from app.datasets.table import Annotation, ImageRecord
from app.tasks.classification.data import collate_targets, encode_target, fit_statistics
from tests.tasks.samples import CLASSES, make_context, make_place, make_row, make_rows

CAT = Label(class_id=0, class_name="cat")
OWL = Label(class_id=2, class_name="owl")


def test_classes_are_counted_in_their_order() -> None:
    rows = [make_row(OWL), make_row(CAT), make_row(OWL)]
    assert fit_statistics(rows, CLASSES) == {"class_counts": [1, 0, 2]}


def test_targets_are_class_ids() -> None:
    context = make_context("classification")
    batch = collate_targets([encode_target(row, make_place(row), context) for row in make_rows("classification", 4)])
    assert batch.dtype == torch.int64
    assert batch.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ImageRecord("a.png", 1, 1, ["train"], [CAT, OWL]), "a.png has 2 labels"),
        (ImageRecord("a.png", 1, 1, ["train"], [Value(values=[1.0])]), "a.png has 0 labels"),
        (ImageRecord("a.png", 1, 1, ["train"], [Label(class_id=3, class_name="cow")]), "a.png has class 3 'cow'"),
        (ImageRecord("a.png", 1, 1, ["train"], [Label(class_id=-1, class_name="owl")]), "a.png has class -1"),
        (ImageRecord("a.png", 1, 1, ["train"], [Label(class_id=0, class_name="owl")]), "not among: cat, dog, owl"),
    ],
)
def test_what_is_no_single_known_class_is_refused(row: ImageRecord, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        encode_target(row, make_place(row), make_context("classification"))


@pytest.mark.parametrize(
    "annotations", [[], [CAT, OWL], [Label(class_id=3, class_name="cow")]], ids=["none", "two", "foreign"]
)
def test_the_image_is_named_as_its_source_names_it(annotations: list[Annotation]) -> None:
    row = ImageRecord("1_1.png", 1, 1, ["train"], annotations, source_name="day2/1.png")
    with pytest.raises(ValueError, match=r"^day2/1\.png \(1_1\.png in the dataset\) has "):
        encode_target(row, make_place(row), make_context("classification"))
