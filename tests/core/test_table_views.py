"""Orders and counts over a decoded dataset."""

from __future__ import annotations

import msgspec
import pytest

from app.annotations.box import Box
from app.annotations.label import Label
from app.annotations.values import Value
from app.core.table_views import TableViews, build_view, values_of
from app.datasets.table import DatasetTable, ImageRecord, StatsRecord
from app.schemas.datasets import ImageQuery


def make_table() -> DatasetTable:
    names = ["b.png", "a.png", "C.png", "d.png"]
    images = [
        ImageRecord(
            filename=name,
            width=10 + index,
            height=10,
            split=["train" if index % 2 else "test"],
            annotations=[Label(index % 2, "cat" if index % 2 else "ant")],
        )
        for index, name in enumerate(names)
    ]
    return DatasetTable(
        id="dataset-0123abcd",
        task="t",
        source_format="image_folders",
        source_path="/s",
        imported_at="now",
        classes=["ant", "cat", "cow"],
        split_names=["main"],
        image_stats=StatsRecord(4, 10, 13, 10, 10, ["PNG"]),
        images=images,
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["C.png", "a.png", "b.png", "d.png"]),
        ({"sort_order": "desc"}, ["d.png", "b.png", "a.png", "C.png"]),
        ({"sort_by": "class"}, ["C.png", "b.png", "a.png", "d.png"]),
        ({"sort_by": "size", "sort_order": "desc"}, ["d.png", "C.png", "a.png", "b.png"]),
        ({"filter_class": "cat"}, ["a.png", "d.png"]),
        ({"filter_class": "nobody"}, []),
        ({"search": "c.P"}, ["C.png"]),
        ({"split_name": "main", "subset": "test"}, ["C.png", "b.png"]),
        ({"split_name": "main"}, ["C.png", "a.png", "b.png", "d.png"]),
    ],
)
def test_queries(query: dict[str, str], expected: list[str]) -> None:
    table = make_table()
    indices = build_view(table).order(ImageQuery.model_validate(query))
    assert [table.images[index].filename for index in indices] == expected


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("day1", ["001.png", "ä.png"]),
        ("DAY1/001", ["001.png"]),
        ("001_1", ["001_1.png"]),
        ("day2/001.png", ["001_1.png"]),
        ("a\u0308", ["ä.png"]),
        ("Ä.PNG", ["ä.png"]),
        ("strasse", ["Straße.png"]),
        ("day3", []),
    ],
)
def test_search_finds_the_name_in_the_source_and_the_file_name(search: str, expected: list[str]) -> None:
    names = {"001.png": "day1/001.png", "001_1.png": "day2/001.png", "ä.png": "day1/a\u0308.png", "Straße.png": ""}
    images = [ImageRecord(name, 8, 8, [], [], source_name=source) for name, source in names.items()]
    view = build_view(msgspec.structs.replace(make_table(), images=images))
    assert [images[index].filename for index in view.order(ImageQuery(search=search))] == expected


def test_counts_name_classes_without_images_too() -> None:
    assert build_view(make_table()).class_counts == {"ant": 2, "cat": 2, "cow": 0}


def test_an_image_is_found_under_each_of_its_classes_and_sorted_by_the_most_frequent() -> None:
    square = (0.0, 0.0, 1.0, 1.0)
    shown = {"a.png": ["cat"], "b.png": ["cow", "ant", "cow"], "c.png": [], "d.png": ["ant"]}
    images = [
        ImageRecord(name, 8, 8, [], [Box(0, item, square) for item in names], source_name="")
        for name, names in shown.items()
    ]
    view = build_view(msgspec.structs.replace(make_table(), images=images))

    def find(**query: str) -> list[str]:
        return [images[index].filename for index in view.order(ImageQuery.model_validate(query))]

    assert view.class_counts == {"ant": 2, "cat": 1, "cow": 1}
    assert (find(filter_class="ant"), find(filter_class="cow")) == (["b.png", "d.png"], ["b.png"])
    assert find(filter_class="nobody") == []
    assert find(sort_by="class") == ["c.png", "d.png", "a.png", "b.png"]


def test_images_with_one_class_need_no_sets() -> None:
    assert build_view(make_table()).class_sets is None


def test_a_view_is_kept_until_the_table_is_replaced() -> None:
    views, table = TableViews(), make_table()
    assert views.view("p", table) is views.view("p", table)
    assert views.view("p", make_table()).table is not table


def test_values_of_an_image() -> None:
    image = ImageRecord(filename="a", width=1, height=1, split=[], annotations=[Value([1.5, 2.0])])
    assert values_of(image) == [1.5, 2.0]
    assert values_of(make_table().images[0]) is None


@pytest.mark.parametrize("folders", [("day1", "day2"), ("north", "south", "west"), ("a/x", "a/y", "b")])
def test_images_of_a_folder_stay_together_by_name(folders: tuple[str, ...]) -> None:
    """Names that several folders have are numbered, so by their file names the folders would be mixed."""
    table = make_table()
    image = table.images[0]
    table.images = [
        msgspec.structs.replace(image, filename=f"{number}_{place}.png", source_name=f"{folder}/{number}.png")
        for number in range(3)
        for place, folder in enumerate(folders)
    ]
    view = build_view(table)
    names = [table.images[i].source_name for i in view.order(ImageQuery(sort_by="filename"))]
    assert names == [f"{folder}/{number}.png" for folder in folders for number in range(3)]
    assert [
        table.images[i].source_name for i in view.order(ImageQuery(sort_by="filename", sort_order="desc"))
    ] == names[::-1]
