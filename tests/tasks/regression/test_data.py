from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

from app.annotations.label import Label
from app.annotations.values import Value
from app.datasets.table import ImageRecord
from app.tasks.regression.data import collate_targets, encode_target, fit_statistics
from tests.tasks.samples import make_context, make_place, make_row, make_rows


def _values(*values: float) -> ImageRecord:
    return make_row(Value(values=list(values)))


def test_mean_and_deviation_are_those_of_each_value() -> None:
    draw = np.random.default_rng(0).normal([5.0, -2e6], [0.1, 3e4], (50, 2))
    found = fit_statistics([_values(*row) for row in draw.tolist()], ())
    assert found["num_values"] == 2
    assert found["mean"] == pytest.approx(draw.mean(axis=0).tolist())
    assert found["deviation"] == pytest.approx(draw.std(axis=0).tolist())


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e20, 1e-40])
def test_a_value_that_never_changes_has_deviation_1(value: float) -> None:
    assert fit_statistics([_values(value)] * 7, ())["deviation"] == [1.0]


def test_targets_are_values_in_the_units_of_the_user() -> None:
    context = make_context("regression")
    batch = collate_targets([encode_target(row, make_place(row), context) for row in make_rows("regression", 3)])
    assert batch.dtype == torch.float64
    assert batch.tolist() == [[100.0, 0.0], [105.0, -0.01], [110.0, -0.04]]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (make_row(Label(class_id=0, class_name="cat")), r"000\.png has no values"),
        (_values(), r"000\.png has no values|needs exactly one list"),
        (_values(1.0), r"000\.png has 1 values, the others have 2"),
        (_values(1.0, float("nan")), r"000\.png has a value that is not a finite number"),
        (_values(1.0, 1e31), r"000\.png has a value that is not a finite number"),
    ],
)
def test_what_is_no_list_of_values_is_refused(row: ImageRecord, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        encode_target(row, make_place(row), make_context("regression"))


def test_the_image_is_named_as_its_source_names_it() -> None:
    row = msgspec.structs.replace(_values(1.0), source_name="day2/1.png")
    with pytest.raises(ValueError, match=r"^day2/1\.png \(000\.png in the dataset\) has 1 values"):
        encode_target(row, make_place(row), make_context("regression"))


def test_images_with_different_numbers_of_values_are_refused() -> None:
    with pytest.raises(ValueError, match="has 2 values, the others have 1"):
        fit_statistics([_values(1.0), _values(1.0, 2.0)], ())


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="no training images"):
        fit_statistics([], ())
