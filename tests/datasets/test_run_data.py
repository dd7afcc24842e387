"""What a split holds: images, classes, and values that a run could not learn from."""

from __future__ import annotations

import math
from collections import Counter

import msgspec
import pytest

from app.annotations.label import Label
from app.annotations.values import Value
from app.datasets.run_data import MAX_SAMPLE, SplitFacts, read_run_data
from app.datasets.table import DatasetTable, ImageRecord, StatsRecord, StoredSubset


def make_table(rows: list[ImageRecord]) -> DatasetTable:
    return DatasetTable(
        id="data-00000000",
        task="any",
        source_format="csv",
        source_path="here",
        imported_at="2026-01-01T00:00:00Z",
        classes=[],
        split_names=["main"],
        image_stats=StatsRecord(len(rows), 1, 1, 1, 1, []),
        images=rows,
    )


def labelled(name: str, class_name: str, subset: StoredSubset) -> ImageRecord:
    return ImageRecord(name, 1, 1, split=[subset], annotations=[Label(class_id=0, class_name=class_name)])


def valued(values: list[float], subset: StoredSubset = "train", name: str = "") -> ImageRecord:
    name = name or f"{values[0]}.png"
    return ImageRecord(name, 1, 1, split=[subset], annotations=[Value(values=values)])


def read_values(columns: list[list[float]]) -> SplitFacts:
    return read_run_data(make_table([valued(values, name=f"{n}.png") for n, values in enumerate(columns)]), 0)


def test_images_and_classes_are_counted_by_subset_and_the_rest_is_left_out() -> None:
    rows = [labelled("1", "cat", "train"), labelled("2", "cat", "train"), labelled("3", "dog", "val")]
    rows += [labelled("4", "owl", "test"), labelled("5", "fox", "none")]
    data = read_run_data(make_table(rows), 0)
    assert data.counts == {"train": 2, "val": 1, "test": 1}
    assert data.train_classes == Counter(cat=2)
    assert data.unseen_classes == ("dog", "owl")
    assert (data.num_values, data.too_large, data.far_away, data.constant_columns) == (0, (), None, ())


def test_classes_that_differ_in_case_only_are_different() -> None:
    data = read_run_data(make_table([labelled("1", "Cat", "train"), labelled("2", "cat", "val")]), 0)
    assert data.unseen_classes == ("cat",)


@pytest.mark.parametrize("value", [1e39, -1e31, 1e300, math.inf, math.nan])
@pytest.mark.parametrize("subset", ["train", "val", "test"])
def test_a_value_that_training_cannot_compute_with_is_found_in_every_subset(value: float, subset: StoredSubset) -> None:
    rows = [valued([1.0]), valued([2.0]), valued([value], subset, "odd.png")]
    ((name, found),) = read_run_data(make_table(rows), 0).too_large
    assert name == "odd.png"
    assert found == value or math.isnan(value)


def test_a_value_in_no_subset_does_not_matter() -> None:
    assert read_run_data(make_table([valued([1.0]), valued([1e39], "none")]), 0).too_large == ()


@pytest.mark.parametrize("odd", [1e29, -1e9, 123456789.0])
def test_a_value_far_away_from_the_others_is_named(odd: float) -> None:
    far = read_values([[float(number), 7.0 + number] for number in range(40)] + [[3.0, odd]]).far_away
    assert far is not None
    assert (far.name, far.value, far.column) == ("40.png", odd, 1)
    assert 7.0 < far.low < far.high < 47.0


def test_images_with_odd_values_are_named_as_their_source_does() -> None:
    rows = [valued([float(number)], name=f"{number}.png") for number in range(40)]
    rows[3] = msgspec.structs.replace(rows[3], filename="3_1.png", source_name="day2/3.png")
    rows[3].annotations = [Value(values=[1e12])]
    far = read_run_data(make_table(rows), 0).far_away
    assert far is not None
    assert far.name == "day2/3.png (3_1.png in the dataset)"
    rows[3].annotations = [Value(values=[1e39])]
    assert read_run_data(make_table(rows), 0).too_large == (("day2/3.png (3_1.png in the dataset)", 1e39),)


def test_usual_values_are_not_far_away() -> None:
    assert read_values([[1.7e9 + number] for number in range(24)]).far_away is None
    assert read_values([[math.exp(number / 4)] for number in range(40)]).far_away is None
    assert read_values([[5.0], [5.0], [5.0], [9.0]]).far_away is None
    assert read_values([[1.0]]).far_away is None


def test_constant_values_are_found_by_their_place() -> None:
    assert read_values([[1.0, 5.0, 2.0], [2.0, 5.0, 2.0]]).constant_columns == (1, 2)


def test_of_very_many_values_a_sample_is_sorted_and_the_extremes_are_still_found() -> None:
    values = [[float(number % 100)] for number in range(MAX_SAMPLE * 3)]
    values[12345] = [1e12]
    far = read_values(values).far_away
    assert far is not None
    assert far.name == "12345.png"
