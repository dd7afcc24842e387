"""Splits: sizes, strata, determinism, and small datasets that leave nothing to draw from."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.annotations.label import Label
from app.annotations.registry import get_kind
from app.annotations.values import Value
from app.datasets.splits import count_split, draw_split
from app.datasets.table import Annotation, DatasetTable, ImageRecord, StatsRecord
from app.schemas.splits import SplitCounts, SplitRatios

RATIOS = SplitRatios()


def make_table(annotations: list[list[Annotation]]) -> DatasetTable:
    images = [ImageRecord(f"{i}.png", 8, 8, [], row) for i, row in enumerate(annotations)]
    stats = StatsRecord(len(images), 8, 8, 8, 8, ["png"])
    return DatasetTable("dataset-00000000", "any", "csv", "", "", [], [], stats, images)


def labelled(names: list[str]) -> DatasetTable:
    ids = {name: i for i, name in enumerate(sorted(set(names)))}
    return make_table([[Label(ids[name], name)] for name in names])


def valued(rows: list[list[float]]) -> DatasetTable:
    return make_table([[Value(row)] for row in rows])


def test_the_1797_digits_divide_as_asked() -> None:
    from sklearn.datasets import load_digits

    names = [str(label) for label in load_digits().target]
    drawn = draw_split(labelled(names), get_kind("label"), RATIOS, 42)
    counts, by_class = count_split(drawn.values, names)
    for got, wanted in ((counts.train, 1257), (counts.val, 270), (counts.test, 270)):
        assert abs(got - wanted) <= 1
    assert counts.train + counts.val + counts.test == 1797
    assert not drawn.warnings
    assert len(by_class) == 10
    for name, of_class in by_class.items():
        assert abs(of_class.test - 0.15 * names.count(name)) <= 1.5


def test_the_seed_decides() -> None:
    table = labelled(["a", "b"] * 50)
    first, again, other = (draw_split(table, get_kind("label"), RATIOS, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.values != other.values


@pytest.mark.parametrize(
    ("ratios", "sizes"),
    [((0.8, 0.2, 0.0), (80, 20, 0)), ((0.8, 0.0, 0.2), (80, 0, 20)), ((1.0, 0.0, 0.0), (100, 0, 0))],
)
def test_a_ratio_of_zero_leaves_a_subset_empty(ratios: tuple[float, float, float], sizes: tuple[int, ...]) -> None:
    drawn = draw_split(
        labelled(["a", "b"] * 50), get_kind("label"), SplitRatios(train=ratios[0], val=ratios[1], test=ratios[2]), 0
    )
    assert tuple(drawn.values.count(value) for value in ("train", "val", "test")) == sizes
    assert not drawn.warnings


def test_a_class_with_one_image_goes_to_train_with_a_warning() -> None:
    for seed in range(20):
        drawn = draw_split(labelled(["a"] * 40 + ["b"] * 40 + ["rare"]), get_kind("label"), RATIOS, seed)
        assert drawn.values[-1] == "train"
        assert any("one image" in warning and "rare" in warning for warning in drawn.warnings)


def test_tiny_classes_keep_an_image_in_train() -> None:
    names = ["a"] * 30 + ["b", "b", "c", "c", "c"]
    for seed in range(20):
        drawn = draw_split(labelled(names), get_kind("label"), RATIOS, seed)
        trained = {name for name, value in zip(names, drawn.values, strict=True) if value == "train"}
        assert trained == {"a", "b", "c"}


def test_more_classes_than_images_in_a_subset() -> None:
    names = [f"class{i}" for i in range(50) for _ in range(2)]
    drawn = draw_split(labelled(names), get_kind("label"), RATIOS, 3)
    assert Counter(drawn.values) == {"train": 70, "val": 15, "test": 15}
    assert any("Classes without validation images" in warning and "more" in warning for warning in drawn.warnings)


def test_one_class_is_warned_of() -> None:
    drawn = draw_split(labelled(["a"] * 20), get_kind("label"), RATIOS, 0)
    assert any("only one class (a)" in warning for warning in drawn.warnings)


@pytest.mark.parametrize("num_images", [0, 1, 2])
def test_fewer_than_three_images_are_warned_of(num_images: int) -> None:
    drawn = draw_split(labelled(["a", "b"][:num_images]), get_kind("label"), RATIOS, 0)
    assert drawn.values == ["train"] * num_images
    assert f"has only {num_images} image" in drawn.warnings[0]


def test_three_images_give_one_to_each_subset() -> None:
    drawn = draw_split(labelled(["a", "a", "a"]), get_kind("label"), RATIOS, 0)
    assert sorted(drawn.values) == ["test", "train", "val"]


def test_values_are_spread_over_every_subset() -> None:
    numbers = np.random.default_rng(0).lognormal(size=1000)
    drawn = draw_split(valued([[float(number)] for number in numbers]), get_kind("values"), RATIOS, 42)
    quartiles = np.searchsorted(np.quantile(numbers, [0.25, 0.5, 0.75]), numbers)
    for subset, size in (("train", 700), ("val", 150), ("test", 150)):
        chosen = quartiles[np.array(drawn.values) == subset]
        assert len(chosen) == size
        assert np.abs(np.bincount(chosen) / size - 0.25).max() < 0.03
    assert not drawn.warnings


@pytest.mark.parametrize(
    "rows", [[[1.0]] * 30, [[float(i), float(-i)] for i in range(30)], [[1.0]] * 29 + [[2.0, 3.0]]]
)
def test_values_that_give_no_bins_are_divided_all_the_same(rows: list[list[float]]) -> None:
    assert Counter(draw_split(valued(rows), get_kind("values"), RATIOS, 0).values) == {"train": 21, "val": 5, "test": 4}


def test_images_without_a_class_are_divided_too() -> None:
    drawn = draw_split(make_table([[] for _ in range(20)]), get_kind("label"), RATIOS, 0)
    assert Counter(drawn.values) == {"train": 14, "val": 3, "test": 3}


def test_count_split_counts_per_class() -> None:
    counts, by_class = count_split(["train", "val", "train", "none"], ["a", "a", "b", None])
    assert counts == SplitCounts(train=2, val=1, none=1)
    assert by_class == {"a": SplitCounts(train=1, val=1), "b": SplitCounts(train=1)}


@settings(max_examples=150, deadline=None)
@given(
    names=st.lists(st.sampled_from("abcdefgh"), max_size=60),
    parts=st.tuples(st.integers(1, 10), st.integers(0, 10), st.integers(0, 10)),
    seed=st.integers(0, 2**31 - 1),
)
def test_any_dataset_and_ratios_give_sizes_within_one(names: list[str], parts: tuple[int, int, int], seed: int) -> None:
    shares = [part / sum(parts) for part in parts]
    drawn = draw_split(
        labelled(names), get_kind("label"), SplitRatios(train=shares[0], val=shares[1], test=shares[2]), seed
    )
    assert len(drawn.values) == len(names)
    counts = Counter[str](drawn.values)
    for subset, share in zip(("train", "val", "test"), shares, strict=True):
        assert abs(counts[subset] - share * len(names)) < 2
        assert share > 0 or counts[subset] == 0
        assert share == 0 or len(names) < 3 or counts[subset] > 0
    assert not names or counts["train"] > 0


def test_importing_splits_does_not_import_scikit_learn() -> None:
    code = (
        "import sys, app.datasets.splits; print(sorted(m for m in ('sklearn', 'torch', 'scipy') if m in sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
