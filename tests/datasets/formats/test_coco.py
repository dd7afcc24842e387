"""COCO with one annotation per image: classes in order, and every bad entry by its JSON pointer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.annotations.label import Label
from app.annotations.registry import get_kind
from app.datasets.formats.base import Scan, SourceError
from app.datasets.formats.coco import FORMAT
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions
from tests.datasets.pictures import write_image

CATEGORIES = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for i in range(4):
        write_image(tmp_path / "in" / "images" / f"{i}.png")
    return (tmp_path / "in").resolve()


def document(**changes: Any) -> dict[str, Any]:
    images = [{"id": i, "file_name": f"{i}.png", "width": 32, "height": 24} for i in range(3)]
    annotations = [{"id": i, "image_id": i, "category_id": 7 if i else 3, "bbox": [0, 0, 1, 1]} for i in range(3)]
    return {"images": images, "annotations": annotations, "categories": CATEGORIES, "info": {}} | changes


def scan(root: Path, content: Any, name: str = "a.json", **options: Any) -> Scan:
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return FORMAT.scan(root, get_kind("label"), ImportOptions(**options), Work())


def pointers(found: Scan) -> list[str]:
    return [item.file.removeprefix("a.json#") for item in found.problems.named]


def test_classes_are_in_the_order_of_their_ids(root: Path) -> None:
    found = scan(root, document())
    assert found.classes == ("cat", "dog")
    assert [image.annotations for image in found.images] == [(Label(0, "cat"),), (Label(1, "dog"),), (Label(1, "dog"),)]
    assert found.problems.num_problems == 0


@pytest.mark.parametrize("name", ["annotations/instances_train2017.json", "labels.json"])
def test_the_document_may_lie_in_the_folder_annotations(root: Path, name: str) -> None:
    assert len(scan(root, document(), name).images) == 3


def test_images_may_lie_in_the_folder_that_the_document_is_named_after(tmp_path: Path) -> None:
    for i in range(3):
        write_image(tmp_path / "train2017" / f"{i}.png")
    assert len(scan(tmp_path.resolve(), document(), "annotations/instances_train2017.json").images) == 3


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([(1, 3), (2, 3)], "no annotation"),
        ([(0, 3), (1, 3), (2, 3), (0, 7)], "2 categories: cat, dog (/annotations/0, /annotations/3)"),
        ([(0, 3), (0, 7), (0, 3), (1, 3), (2, 7)], "2 categories: cat, dog (/annotations/0, /annotations/1"),
    ],
)
def test_an_image_needs_annotations_of_exactly_one_category(
    root: Path, pairs: list[tuple[int, int]], message: str
) -> None:
    found = scan(root, document(annotations=[{"image_id": image, "category_id": key} for image, key in pairs]))
    assert len(found.images) == 2
    assert pointers(found) == ["/images/0"]
    assert message in found.problems.named[0].message


@pytest.mark.parametrize(
    ("key", "index", "entry", "pointers_expected"),
    [
        ("images", 1, {"id": 1, "file_name": "../../x.png"}, ["/images/1/file_name"]),
        ("images", 1, {"id": 1, "file_name": "/etc/passwd"}, ["/images/1/file_name"]),
        ("images", 1, {"id": 1, "file_name": "missing.png"}, ["/images/1/file_name"]),
        ("images", 1, {"id": 1, "file_name": "images/0.png"}, ["/images/1/file_name"]),
        ("images", 1, {"id": 1, "file_name": 5}, ["/images/1/file_name"]),
        ("images", 1, {"id": 1, "file_name": None}, ["/images/1", "/annotations/1/image_id"]),
        ("images", 1, {"id": 0, "file_name": "1.png"}, ["/images/1/id", "/annotations/1/image_id"]),
        ("images", 1, 17, ["/images/1", "/annotations/1/image_id"]),
        ("annotations", 1, {"image_id": 1, "category_id": 99}, ["/annotations/1/category_id", "/images/1"]),
        ("annotations", 1, {"image_id": 1, "category_id": None}, ["/annotations/1", "/images/1"]),
        ("annotations", 1, {"image_id": 88, "category_id": 7}, ["/images/1", "/annotations/1/image_id"]),
        ("categories", 0, {"id": 7, "name": ""}, ["/categories/0/name", "/annotations/1/category_id"]),
        ("categories", 1, {"id": 7, "name": "cat"}, ["/categories/1/id", "/annotations/0/category_id"]),
    ],
)
def test_bad_entries_are_named_by_their_pointer(
    root: Path, key: str, index: int, entry: Any, pointers_expected: list[str]
) -> None:
    content = document()
    content[key] = [entry if i == index else item for i, item in enumerate(content[key])]
    found = scan(root, content)
    assert set(pointers_expected) <= set(pointers(found))
    assert all(item.fix for item in found.problems.named)
    assert len(found.images) in {1, 2}


@pytest.mark.parametrize("num_sharing", [2, 3, 4])
def test_an_id_of_several_files_gives_none_of_them_a_class(root: Path, num_sharing: int) -> None:
    images = [{"id": 0 if i < num_sharing else i, "file_name": f"{i}.png"} for i in range(4)]
    found = scan(root, document(images=images))
    assert [image.name for image in found.images] == [f"images/{i}.png" for i in range(num_sharing, 3)]
    lost = {item.file: item.message for item in found.problems.named if item.file.endswith("/id")}
    assert list(lost) == [f"a.json#/images/{i}/id" for i in range(num_sharing)]
    assert all(f"'0.png', '1.png'{', ' if num_sharing > 2 else ')'}" in message for message in lost.values())
    assert found.problems.covered >= {root / "images" / f"{i}.png" for i in range(num_sharing)}


@pytest.mark.parametrize("other", ["0.png", "images/0.png", "./0.png"])
def test_an_entry_that_is_there_twice_loses_nothing(root: Path, other: str) -> None:
    content = document()
    found = scan(root, content | {"images": [*content["images"], {"id": 0, "file_name": other}]})
    assert [image.annotations[0] for image in found.images] == [Label(0, "cat"), Label(1, "dog"), Label(1, "dog")]
    assert [(item.file, item.severity) for item in found.problems.named] == [("a.json#/images/3/id", "warning")]
    assert found.problems.num_lost == 0


@pytest.mark.parametrize(("count", "note"), [(2, "1 image has"), (5, "1 image has"), (1, "")])
def test_several_annotations_of_one_category_are_one_class(root: Path, count: int, note: str) -> None:
    pairs = [(0, 3)] * count + [(1, 7), (2, 7)]
    found = scan(root, document(annotations=[{"image_id": image, "category_id": key} for image, key in pairs]))
    assert [image.annotations for image in found.images] == [(Label(0, "cat"),), (Label(1, "dog"),), (Label(1, "dog"),)]
    assert found.problems.num_problems == 0
    assert any(note in told and "several annotations" in told for told in found.notes) == bool(note)


@pytest.mark.parametrize(
    ("extra", "classes"),
    [
        ([{"id": 9, "name": "dog"}], ("cat", "dog")),
        ([{"id": 9, "name": " cat "}], ("cat", "dog")),
        ([{"id": 9, "name": "cat"}, {"id": 10, "name": "cat"}], ("cat", "dog")),
    ],
)
def test_categories_of_one_name_are_one_class(
    root: Path, extra: list[dict[str, Any]], classes: tuple[str, ...]
) -> None:
    content = document(categories=[*CATEGORIES, *extra])
    content["annotations"][2]["category_id"] = 9
    found = scan(root, content)
    assert (found.classes, len(found.images)) == (classes, 3)
    assert found.images[2].annotations[0] in {Label(0, "cat"), Label(1, "dog")}
    assert [(item.severity, item.file) for item in found.problems.named] == [("warning", "a.json#/categories")]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_passed_over(root: Path, number: str) -> None:
    categories = [{"id": 7, "name": "NaN"}, {"id": 3, "name": "b"}]
    content = document(info={"note": 'NaN and \\" Infinity'}, categories=categories)
    text = json.dumps(content).replace('"bbox": [0, ', f'"bbox": [{number}, ')
    assert number in text.replace('"NaN', "")
    found = scan(root, text.encode())
    assert (found.classes, len(found.images)) == (("b", "NaN"), 3)
    assert FORMAT.is_match(root, ImportOptions(), Work())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"images": [],\n"annotations": [],]', "line 2"),
        ('{"images": [],\n\n oops', "line 3"),
        ('{"images": [', "it ends too early"),
    ],
)
def test_json_that_cannot_be_read_says_where(root: Path, text: str, told: str) -> None:
    with pytest.raises(SourceError, match=told):
        scan(root, text.encode())


def test_a_link_that_leads_outside_is_refused(root: Path) -> None:
    write_image(root.parent / "secret.png")
    (root / "images" / "0.png").unlink()
    (root / "images" / "0.png").symlink_to(root.parent / "secret.png")
    found = scan(root, document())
    assert pointers(found) == ["/images/0/file_name"]
    assert "leads out" in found.problems.named[0].message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"images": 5}',
        b'{"images": [], "annotations": []}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"images": [nan]}',
    ],
)
def test_other_json_is_refused(root: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match="not a COCO document"):
        scan(root, content)


def test_a_byte_order_mark_is_skipped(root: Path) -> None:
    assert len(scan(root, b"\xef\xbb\xbf" + json.dumps(document()).encode()).images) == 3


def test_ids_may_be_text(root: Path) -> None:
    content = document(
        images=[{"id": "a", "file_name": "0.png"}],
        annotations=[{"image_id": "a", "category_id": "x"}],
        categories=[{"id": "x", "name": "cat"}],
    )
    assert len(scan(root, content).images) == 1


def test_several_documents_need_a_choice(root: Path) -> None:
    (root / "b.json").write_text(json.dumps(document()))
    with pytest.raises(SourceError, match=r"a\.json, b\.json"):
        scan(root, document())
    assert len(scan(root, document(), annotation_file="a.json").images) == 3
    with pytest.raises(SourceError, match=r"no file 'c\.json'"):
        scan(root, document(), annotation_file="c.json")
    with pytest.raises(SourceError, match=r"with '\.\.'"):
        scan(root, document(), annotation_file="../a.json")


def test_no_document_is_refused(root: Path) -> None:
    assert not FORMAT.is_match(root, ImportOptions(), Work())
    with pytest.raises(SourceError, match="no COCO JSON file"):
        FORMAT.scan(root, get_kind("label"), ImportOptions(), Work())


@pytest.mark.parametrize("write", [int, float, "{}".format])
def test_a_file_name_may_be_a_number(root: Path, write: Callable[[int], Any]) -> None:
    found = scan(root, document(images=[{"id": i, "file_name": write(i)} for i in range(3)]))
    names = [f"images/{i}.png" for i in range(3)]
    assert [image.name for image in found.images] == names
    assert found.problems.num_problems == 0


@pytest.mark.parametrize(
    ("key", "entry", "message"),
    [
        ("images", {"id": 9}, "The field 'file_name' is missing."),
        ("images", {"id": True, "file_name": "3.png"}, "The field 'id' is true or false instead of a number or text."),
        ("images", {"id": 9, "file_name": ["3.png"]}, "The field 'file_name' is a list instead of a number or text."),
        ("images", 17, "It is a number instead of an object."),
        ("annotations", {"image_id": None, "category_id": 7}, "The field 'image_id' is empty (null) instead of"),
        ("categories", {"id": 9, "name": {}}, "The field 'name' is an object instead of a number or text."),
    ],
)
def test_bad_entries_are_explained_in_plain_words(root: Path, key: str, entry: Any, message: str) -> None:
    content = document()
    found = scan(root, content | {key: [*content[key], entry]})
    [problem] = found.problems.named
    assert message in problem.message
    assert "`" not in problem.message


@pytest.mark.parametrize(
    ("encoding", "names"),
    [("cp1252", ("Äpfel", "Bäume")), ("cp1251", ("кошки", "собаки")), ("mac_roman", ("Äpfel", "Bäume"))],
)
def test_a_document_in_a_code_page_keeps_its_classes(root: Path, encoding: str, names: tuple[str, str]) -> None:
    categories = [{"id": key, "name": name} for key, name in zip([3, 7], names, strict=True)]
    text = json.dumps(document(categories=categories), ensure_ascii=False)
    found = scan(root, text.encode(encoding))
    assert found.classes == names
    assert found.problems.num_problems == 0
    assert f"Encoding: {encoding} (guessed; save the file as UTF-8 if its letters look wrong)." in found.notes[0]
    assert FORMAT.is_match(root, ImportOptions(), Work())


def test_one_damaged_letter_in_a_document_of_utf8_loses_its_entry_only(root: Path) -> None:
    names = ["Äpfel", "Bäume", "Öl", "Mühle"]
    categories = [{"id": key, "name": name} for key, name in enumerate(names, start=7)]
    text = json.dumps(document(categories=[CATEGORIES[1], *categories]), ensure_ascii=False).encode()
    found = scan(root, text.replace("Mühle".encode(), b"M\xfchle"))
    assert set(found.classes) == {"cat", *names[:3]}
    assert [item.message for item in found.problems.named] == ["Its letters are not encoded as UTF-8."]


def test_a_category_may_be_called_by_a_number(root: Path) -> None:
    found = scan(root, document(categories=[{"id": 7, "name": 2.0}, {"id": 3, "name": 1}]))
    assert found.classes == ("1", "2")
