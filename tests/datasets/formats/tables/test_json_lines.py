"""JSON Lines as tables: keys as columns, numbers in lists, and lines that are no objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.datasets.formats.base import SourceError
from app.datasets.formats.tables.json_lines import JsonLinesTable
from app.datasets.formats.work import LimitError, Work
from app.schemas.payloads import ImportLimits
from tests.datasets.formats.scanned import kinds, labels, scan_table, splits, values, write_files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(tmp_path / "in", *(f"{number}.png" for number in range(3)))


def lines(*records: Any) -> str:
    return "".join(f"{record if isinstance(record, str) else json.dumps(record)}\n" for record in records)


@pytest.mark.parametrize(
    "records",
    [
        [{"file_name": "0.png", "label": "cat"}, {"file_name": "1.png", "label": "dog"}],
        [{"text": "cat", "file_name": "0.png"}, {"file_name": "1.png", "text": "dog"}],
        [{"image": "0.png", "class": "cat", "size": [1, 2]}, {"image": "1.png", "class": "dog", "size": [3, 4]}],
        [{"path": "C:\\x\\0.png", "breed": ["cat"]}, {"path": "/a/1.png", "breed": ["dog"]}],
        [{"file_name": "0.png", "cat": True, "dog": False}, {"file_name": "1.png", "cat": False, "dog": True}],
    ],
)
@pytest.mark.parametrize("name", ["metadata.jsonl", "t.ndjson"])
def test_labels(root: Path, records: list[dict[str, Any]], name: str) -> None:
    found = scan_table(root, lines(*records), name=name)
    assert labels(found) == [("0.png", "cat"), ("1.png", "dog")]


def test_numbers_and_lists_of_numbers_are_values(root: Path) -> None:
    records = [{"file_name": "0.png", "point": [1, 2.5], "age": 3}, {"file_name": "1.png", "point": [0, -1], "age": 4}]
    found = scan_table(root, lines(*records), "values", name="t.jsonl")
    assert found.value_names == ("point_0", "point_1", "age")
    assert values(found) == [[1.0, 2.5, 3.0], [0.0, -1.0, 4.0]]


def test_a_split_key_becomes_the_split(root: Path) -> None:
    records = [
        {"file_name": f"{i}.png", "label": i, "split": split} for i, split in enumerate(("train", "val", "test"))
    ]
    assert splits(scan_table(root, lines(*records), name="t.jsonl")) == ["train", "val", "test"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is not valid JSON:"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "is not valid JSON:"),
        ("nonsense", "is not valid JSON:"),
    ],
)
def test_lines_that_are_no_objects_are_named(root: Path, line: str, message: str) -> None:
    found = scan_table(
        root,
        lines({"file_name": "0.png", "label": "a"}, line, "", {"file_name": "1.png", "label": "b"}),
        name="t.jsonl",
    )
    assert [name for name, _ in labels(found)] == ["0.png", "1.png"]
    assert kinds(found) == [("error", "bad_row", 0)]
    assert found.problems.named[0].file == "t.jsonl, row 2"
    assert message in found.problems.named[0].message


def test_missing_keys_are_named(root: Path) -> None:
    records = [
        {"file_name": "0.png", "label": "a"},
        {"file_name": "1.png"},
        {"label": "b"},
        {"file_name": "2.png", "label": None},
    ]
    found = scan_table(root, lines(*records), name="t.jsonl")
    assert len(found.images) == 1
    assert sorted(kinds(found)) == [("error", "bad_file_name", 0), ("error", "bad_label", 2)]


@pytest.mark.parametrize("text", ["", "\n\n", "[]\n", "no json\n"])
def test_a_file_without_objects_is_refused(root: Path, text: str) -> None:
    with pytest.raises(SourceError, match="no JSON object"):
        scan_table(root, text, name="t.jsonl")


def test_limits(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(lines(*({"a": i} for i in range(20))))
    with pytest.raises(LimitError, match="more than 10 entries"):
        JsonLinesTable(path, "t.jsonl", Work(ImportLimits(max_entries=10)))
    with pytest.raises(LimitError, match="MiB"):
        JsonLinesTable(path, "t.jsonl", Work(ImportLimits(max_annotation_bytes=50)))
    path.write_text(lines({f"key {i}": i for i in range(2000)}))
    with pytest.raises(SourceError, match="more than 1,000 values"):
        JsonLinesTable(path, "t.jsonl", Work())


NESTED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"file_name": "0.png", "label": {"name": "cat", "id": 0}},
        {"file_name": "1.png", "label": {"name": "dog", "id": 1}},
    ),
    (
        {"image": {"path": "0.png", "width": 4}, "class": "cat"},
        {"image": {"path": "1.png", "width": 4}, "class": "dog"},
    ),
    (
        {"data": {"image": "0.png", "n": 1}, "result": {"species": {"id": 7, "name": "cat"}}},
        {"data": {"image": "1.png", "n": 2}, "result": {"species": {"id": 8, "name": "dog"}}},
    ),
    (
        {"file": {"name": "0.png"}, "labels": {"cat": 1, "dog": 0}},
        {"file": {"name": "1.png"}, "labels": {"cat": 0, "dog": 1}},
    ),
    (
        {"file_name": "0.png", "label": {"text": "cat"}, "boxes": [[1, 2]]},
        {"file_name": "1.png", "label": {"text": "dog"}},
    ),
    (
        {"id": 1, "photo": {"url": "http://x/0.png"}, "label": {"value": "cat"}},
        {"id": 2, "photo": {"url": "http://x/1.png"}, "label": {"value": "dog"}},
    ),
]


@pytest.mark.parametrize("records", NESTED)
@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_fields_of_objects_inside_are_columns(root: Path, records: tuple[dict[str, Any], ...], name: str) -> None:
    text = lines(*records) if name == "t.jsonl" else json.dumps(records)
    found = scan_table(root, text, name=name)
    assert labels(found) == [("0.png", "cat"), ("1.png", "dog")]
    assert set(found.classes) == {"cat", "dog"}


@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_a_missing_object_loses_its_own_image_only(root: Path, name: str) -> None:
    records = [{"file_name": "0.png", "label": None}, {"file_name": "1.png", "label": {"name": "dog", "id": 1}}]
    found = scan_table(root, lines(*records) if name == "t.jsonl" else json.dumps(records), name=name)
    assert labels(found) == [("1.png", "dog")]
    assert [(problem.kind, problem.message) for problem in found.problems.named] == [
        ("bad_label", "The label is empty.")
    ]
    assert not any("'label'" in note for note in found.notes)


@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_numbers_of_objects_inside_are_values(root: Path, name: str) -> None:
    records = [
        {"image": {"path": f"{i}.png", "width": 8}, "objects": {"x": 1.5 + i, "y": i}, "boxes": [{"x": 1}]}
        for i in range(2)
    ]
    text = lines(*records) if name == "t.jsonl" else json.dumps(records)
    found = scan_table(root, text, "values", name=name)
    assert found.value_names == ("objects.x", "objects.y")
    assert values(found) == [[1.5, 0.0], [2.5, 1.0]]
    assert "Fields that are not used, because they hold lists: 'boxes'." in found.notes


def test_objects_by_name_of_the_image_are_rows(root: Path) -> None:
    content = {f"{i}.png": {"label": own, "size": {"width": 8}} for i, own in enumerate(["cat", "dog"])}
    assert labels(scan_table(root, json.dumps(content), name="t.json")) == [("0.png", "cat"), ("1.png", "dog")]


def test_a_column_of_a_table_may_be_called_like_an_inner_field(root: Path) -> None:
    text = "image.path,label.id,label.name\n0.png,4,cat\n1.png,5,dog\n"
    assert labels(scan_table(root, text)) == [("0.png", "cat"), ("1.png", "dog")]


@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman"])
def test_records_in_a_code_page_keep_their_classes(root: Path, name: str, encoding: str) -> None:
    records = [{"file_name": f"{i}.png", "Größe": i, "label": own} for i, own in enumerate(["Äpfel", "Bäume"])]
    own = [json.dumps(record, ensure_ascii=False) for record in records]
    text = "\n".join(own) if name == "t.jsonl" else f"[{', '.join(own)}]"
    found = scan_table(root, text.encode(encoding), name=name)
    assert labels(found) == [("0.png", "Äpfel"), ("1.png", "Bäume")]
    assert f"Encoding: {encoding} (guessed" in found.notes[0]


@pytest.mark.parametrize("other", [["cat", "dog"], [{"name": "cat"}], {"a": [1, 2], "label": "x"}])
@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_a_list_among_labels_is_no_class(root: Path, name: str, other: object) -> None:
    records = [{"file_name": f"{i}.png", "label": own} for i, own in enumerate(["cat", "dog", other])]
    found = scan_table(root, lines(*records) if name == "t.jsonl" else json.dumps(records), name=name)
    assert labels(found) == [("0.png", "cat"), ("1.png", "dog")]
    assert kinds(found) == [("error", "bad_label", 1)]


def test_a_refusal_names_the_fields_that_hold_lists(root: Path) -> None:
    records = [{"file_name": f"{i}.png", "tags": ["a", "b"], "boxes": [[1, 2]]} for i in range(3)]
    with pytest.raises(SourceError, match=r"Each record needs its values as numbers, .*; 'tags', 'boxes' hold lists"):
        scan_table(root, lines(*records), "values", name="t.jsonl")


@pytest.mark.parametrize(
    ("fields", "options", "named"),
    [
        ({"labels": ["cat", "dog"]}, {}, "'labels' holds lists"),
        ({"labels": ["cat", "dog"], "boxes": [[1, 2]]}, {}, "'labels' holds lists"),
        ({"tags": ["a", "b"], "size": [24, 24], "mtime": 3.5}, {}, "'tags' holds lists"),
        ({"objects": {"category": [1, 5]}, "boxes": [[1]]}, {}, "'objects.category' holds lists"),
        ({"breeds": ["cat", "dog"], "parts": ["a", "b"], "w": 1, "h": 2}, {}, "'breeds', 'parts' hold lists"),
        ({"breeds": ["cat", "dog"], "w": 1}, {"target_columns": ["breeds"]}, "'breeds' holds lists"),
        ({"size": [24, 24], "w": 1}, {"target_columns": ["size"]}, "'size' holds lists"),
    ],
)
@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_lists_of_classes_are_no_class(
    root: Path, fields: dict[str, Any], options: dict[str, Any], named: str, name: str
) -> None:
    records = [{"file_name": f"{i}.png", **fields} for i in range(3)]
    text = lines(*records) if name == "t.jsonl" else json.dumps(records)
    with pytest.raises(SourceError) as caught:
        scan_table(root, text, name=name, annotation_file=name, **options)
    assert caught.value.message == (f'{name}: Each record needs one class as text, such as "label": "cat"; {named}.')
    assert "Choose the column" not in caught.value.fix


@pytest.mark.parametrize(
    ("fields", "unused"),
    [
        ({"size": [24, 24]}, "'size' (a list)"),
        ({"box": [1, 2, 3, 4], "note": "x", "size": [24, 25]}, "'box' (a list), 'note', 'size' (a list)"),
        ({"image": {"size": [24, 24]}}, "'image.size' (a list)"),
    ],
)
def test_a_list_that_is_not_used_is_named_as_its_field(root: Path, fields: dict[str, Any], unused: str) -> None:
    records = [{"file_name": f"{i}.png", "label": own, **fields} for i, own in enumerate(["cat", "dog"])]
    assert f"Columns that are not used: {unused}." in scan_table(root, lines(*records), name="t.jsonl").notes


def test_the_numbers_of_a_list_that_is_used_in_part_keep_their_names(root: Path) -> None:
    records = [{"file_name": f"{i}.png", "point": [i, 3]} for i in range(2)]
    found = scan_table(root, lines(*records), "values", name="t.jsonl", target_columns=["point_0"])
    assert "Columns that are not used: 'point_1'." in found.notes


def test_a_label_that_begins_like_a_list_is_a_class(root: Path) -> None:
    records = [{"file_name": f"{i}.png", "label": own} for i, own in enumerate(["[unknown]", "{cat"])]
    assert labels(scan_table(root, lines(*records), name="t.jsonl")) == [("0.png", "[unknown]"), ("1.png", "{cat")]


@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_whole_numbers_are_names_and_classes_without_a_point(root: Path, name: str) -> None:
    records = [{"file_name": float(i), "label": own} for i, own in enumerate([1, 1.0, 2.0])]
    found = scan_table(root, lines(*records) if name == "t.jsonl" else json.dumps(records), name=name)
    assert labels(found) == [("0.png", "1"), ("1.png", "1"), ("2.png", "2")]
