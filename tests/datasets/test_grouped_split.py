"""Splits of datasets with identical images: groups are never torn, and sizes are as near as the groups allow."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.annotations.label import Label
from app.annotations.registry import get_kind
from app.annotations.values import Value
from app.datasets.grouped_split import Units, place_units, share_out, unite_strata
from app.datasets.splits import _subset_sizes, draw_split
from app.datasets.table import DatasetTable, ImageRecord, StatsRecord
from app.schemas.splits import SplitRatios

RATIOS = SplitRatios()
SUBSETS = ("train", "val", "test")


def make_table(rows: list[tuple[str, str]]) -> DatasetTable:
    """Return a table of (class, content); an empty content is one of its own."""
    names = sorted({name for name, _ in rows})
    images = [
        ImageRecord(f"{i}.png", 8, 8, [], [Label(names.index(name), name)], content_hash=content or f"own {i}")
        for i, (name, content) in enumerate(rows)
    ]
    return DatasetTable("dataset-00000000", "any", "csv", "", "", [], [], StatsRecord(0, 8, 8, 8, 8, []), images)


def subsets_of_contents(table: DatasetTable, values: list[str]) -> dict[str, set[str]]:
    found = defaultdict(set)
    for image, value in zip(table.images, values, strict=True):
        found[image.content_hash].add(value)
    return found


def test_without_identical_images_the_split_is_the_one_that_was_drawn_before_there_were_groups() -> None:
    names = ["a", "b", "c"] * 30
    alone = make_table([(name, "") for name in names])
    unhashed = make_table([(name, "") for name in names])
    for image in unhashed.images:
        image.content_hash = ""
    drawn = draw_split(alone, get_kind("label"), RATIOS, 5)
    assert drawn.values == draw_split(unhashed, get_kind("label"), RATIOS, 5).values
    assert drawn.leaks.identical.groups_together == 0


def test_pairs_stay_together_and_every_class_has_its_share() -> None:
    rows = [(f"class {i % 4}", f"content {i // 8}-{i % 4}" if i < 400 else "") for i in range(800)]
    table = make_table(rows)
    drawn = draw_split(table, get_kind("label"), RATIOS, 3)
    assert all(len(subsets) == 1 for subsets in subsets_of_contents(table, list(drawn.values)).values())
    assert Counter(drawn.values) == {"train": 560, "val": 120, "test": 120}
    by_class = Counter[tuple[str, str]]((name, value) for (name, _), value in zip(rows, drawn.values, strict=True))
    for number in range(4):
        assert [by_class[f"class {number}", subset] for subset in SUBSETS] == [140, 30, 30]
    found = drawn.leaks.identical
    assert (found.groups, found.images, found.groups_together, found.images_together) == (0, 0, 200, 400)
    assert "400 images are identical to another image (200 groups); each group is in one subset." in drawn.warnings


def test_identical_images_come_into_every_subset_and_not_into_train_alone() -> None:
    table = make_table([("a", f"pair {i // 2}" if i < 400 else "") for i in range(1000)])
    drawn = draw_split(table, get_kind("label"), RATIOS, 0)
    of_pairs = Counter[str](drawn.values[:400])
    for subset, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        assert abs(of_pairs[subset] / 400 - share) < 0.08


def test_a_group_with_two_labels_is_drawn_as_the_one_that_most_of_it_has() -> None:
    strata = np.array([0, 1, 1, 1, 0, 2, 2, 0])
    assert unite_strata(strata, [[0, 1, 2], [4, 5]]).tolist() == [1, 1, 1, 1, 0, 0, 2, 0]


def test_values_with_copies_stay_together() -> None:
    images = [ImageRecord(f"{i}.png", 8, 8, [], [Value([float(i)])], content_hash=str(i // 3)) for i in range(300)]
    table = make_table([])
    table.images = images
    drawn = draw_split(table, get_kind("values"), RATIOS, 1)
    assert all(len(subsets) == 1 for subsets in subsets_of_contents(table, list(drawn.values)).values())
    counts = Counter[str](drawn.values)
    assert all(abs(counts[subset] - wanted) <= 3 for subset, wanted in zip(SUBSETS, (210, 45, 45), strict=True))


def test_a_class_whose_images_are_all_the_same_goes_to_train() -> None:
    rows = [("common", "")] * 60 + [("rare", "same")] * 5
    for seed in range(20):
        drawn = draw_split(make_table(rows), get_kind("label"), RATIOS, seed)
        assert set(drawn.values[60:]) == {"train"}
        assert Counter(drawn.values) == {"train": 45, "val": 10, "test": 10}


@pytest.mark.parametrize(("contents", "place"), [(["x"] * 12, "train"), (["x"] * 6 + ["y"] * 6, "train")])
def test_fewer_different_images_than_subsets_are_all_for_training(contents: list[str], place: str) -> None:
    drawn = draw_split(make_table([("a", content) for content in contents]), get_kind("label"), RATIOS, 0)
    assert set(drawn.values) == {place}
    differ = len(set(contents))
    assert f"No validation or test images: only {differ} of the 12 images differ in content." in drawn.warnings


def test_many_classes_of_one_pair_each_give_the_sizes_asked_for() -> None:
    table = make_table([(f"class {i // 2}", f"pair {i // 2}") for i in range(4000)])
    drawn = draw_split(table, get_kind("label"), RATIOS, 0)
    assert Counter(drawn.values) == {"train": 2800, "val": 600, "test": 600}


def test_one_huge_group_leaves_the_rest_to_the_other_subsets() -> None:
    table = make_table([("a", "big")] * 80 + [("a", "")] * 20)
    drawn = draw_split(table, get_kind("label"), RATIOS, 0)
    assert Counter(drawn.values) == {"train": 80, "val": 10, "test": 10}


@st.composite
def tables(draw: st.DrawFn) -> DatasetTable:
    """Up to 60 images of up to 6 classes, in groups of up to 9, some of them with several labels."""
    rows: list[tuple[str, str]] = []
    for number in range(draw(st.integers(0, 12))):
        size, content = draw(st.integers(1, 9)), f"content {number}"
        rows += [(draw(st.sampled_from("abcdef")), content) for _ in range(size)]
    rows += [(name, "") for name in draw(st.lists(st.sampled_from("abcdef"), max_size=30))]
    return make_table(draw(st.permutations(rows)))


@settings(max_examples=300, deadline=None)
@given(
    table=tables(),
    parts=st.tuples(st.integers(1, 10), st.integers(0, 10), st.integers(0, 10)),
    seed=st.integers(0, 2**31 - 1),
)
def test_any_dataset_with_copies(table: DatasetTable, parts: tuple[int, int, int], seed: int) -> None:
    train, val, test = (part / sum(parts) for part in parts)
    ratios = SplitRatios(train=train, val=val, test=test)
    drawn = draw_split(table, get_kind("label"), ratios, seed)
    assert drawn == draw_split(table, get_kind("label"), ratios, seed)
    contents = subsets_of_contents(table, list(drawn.values))
    assert all(len(subsets) == 1 for subsets in contents.values())
    assert drawn.leaks.identical.groups == 0
    counts = Counter[str](drawn.values)
    wanted = [subset for subset, part in zip(SUBSETS, parts, strict=True) if part]
    assert set(counts) <= set(wanted)
    if len(contents) < len(wanted):
        assert set(counts) <= {"train"}
        return
    assert all(counts[subset] for subset in wanted)
    groups = Counter(image.content_hash for image in table.images).values()
    sizes = _subset_sizes(len(table.images), ratios)
    # A subset that is smaller than every group gets one all the same, and the others lack these images.
    forced = sum(max(0, min(groups) - size) for size, part in zip(sizes, parts, strict=True) if part)
    for subset, size in zip(SUBSETS, sizes, strict=True):
        assert abs(counts[subset] - size) <= (0 if max(groups) == 1 else max(groups) + forced)


@settings(max_examples=200, deadline=None)
@given(weights=st.lists(st.integers(0, 50), min_size=1, max_size=8), data=st.data())
def test_share_out_gives_all_and_no_more_than_there_is(weights: list[int], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, sum(weights)))
    shares = share_out(number, np.array(weights, dtype=np.int64))
    assert int(shares.sum()) == number
    assert all(0 <= share <= weight for share, weight in zip(shares, weights, strict=True))


def test_a_class_keeps_an_image_in_train_where_the_sizes_allow_it() -> None:
    rows = [("a", "")] * 40 + [("b", "b1")] * 2 + [("b", "b2")] * 2 + [("c", "c1")] * 3 + [("c", "c2")] * 3
    for seed in range(20):
        table = make_table(rows)
        drawn = draw_split(table, get_kind("label"), RATIOS, seed)
        trained = {name for (name, _), value in zip(rows, drawn.values, strict=True) if value == "train"}
        assert trained == {"a", "b", "c"}
        assert Counter(drawn.values) == {"train": 35, "val": 8, "test": 7}


def test_units_are_groups_and_single_images() -> None:
    units = Units(np.zeros(6, dtype=np.int64), [[0, 2], [3, 5]])
    assert (units.num_units, units.find_singles().tolist()) == (4, [1, 4])
    targets = np.array([[4, 1, 1]])
    placed = place_units(units, targets, 0)
    assert np.bincount(placed, minlength=3).tolist() == [4, 1, 1]
