"""Annotation files of a source: which are some, which one is read, and pairs that are one dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.annotations.registry import get_kind
from app.datasets.formats.base import ChoiceError, SourceError
from app.datasets.formats.coco import FORMAT as COCO
from app.datasets.formats.csv_table import FORMAT as TABLE
from app.datasets.formats.documents.json_documents import inspect_json
from app.datasets.formats.documents.sets import MAX_CANDIDATES
from app.datasets.formats.report.check import check_source
from app.datasets.formats.source import Source
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions
from app.schemas.import_report import ImportReport
from tests.datasets.formats.scanned import kinds, labels, scan_folder, splits, write_files
from tests.datasets.pictures import write_image

STRAYS = {
    "class_to_idx.json": '{"cat": 0, "dog": 1}',
    "results.csv": "epoch,train_loss,val_loss\n1,0.7,0.8\n",
    "package.json": '{"name": "x", "version": "1.0"}',
    "config.json": '{"lr": 0.1, "layers": [1, 2]}',
    "history.jsonl": '{"epoch": 1, "loss": 0.5}\n',
    "README.txt": "These are pictures of pets.\n",
    "classes.txt": "cat\ndog\n",
    "list.json": "[1, 2, 3]",
    "broken.json": "{",
    "empty.csv": "",
    "broken.xlsx": "PK\x03\x04 no zip",
    "deep.json": "[" * 100_000,
}


def coco(names: list[str], categories: list[str] | None = None) -> dict[str, Any]:
    """Return a document in which the images have the categories in turn."""
    names_of = categories or ["cat", "dog"]
    return {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "annotations": [{"image_id": i, "category_id": i % len(names_of)} for i in range(len(names))],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names_of)],
    }


def check(root: Path, **options: Any) -> ImportReport:
    source = Source(root, get_kind("label"), ("image_folders", "csv", "coco"), None, ImportOptions(**options))
    return check_source(source, root.parent)


@pytest.mark.parametrize("name", list(STRAYS))
def test_a_stray_document_does_not_stop_class_folders(tmp_path: Path, name: str) -> None:
    for folder in ("cat", "dog"):
        write_image(tmp_path / "in" / folder / "0.png")
    (tmp_path / "in" / name).write_text(STRAYS[name])
    report = check(tmp_path / "in")
    assert (report.source_format, report.class_counts, report.num_lost) == ("image_folders", {"cat": 1, "dog": 1}, 0)
    assert any(name in note and "not used" in note for note in report.notes)


@pytest.mark.parametrize("name", list(STRAYS))
def test_a_stray_document_does_not_stop_a_table_or_coco(tmp_path: Path, name: str) -> None:
    for number in range(2):
        write_image(tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / name).write_text(STRAYS[name])
    (tmp_path / "in" / "labels.csv").write_text("filename,label\n0.png,cat\n1.png,dog\n")
    report = check(tmp_path / "in")
    assert (report.source_format, report.class_counts, report.documents) == (
        "csv",
        {"cat": 1, "dog": 1},
        ["labels.csv"],
    )
    (tmp_path / "in" / "pets.json").write_text(json.dumps(coco(["0.png", "1.png"])))
    report = check(tmp_path / "in")
    assert (report.source_format, report.class_counts) == ("coco", {"cat": 1, "dog": 1})
    assert report.documents == ["pets.json", "labels.csv"]


@pytest.mark.parametrize(
    ("content", "description"),
    [
        ([{"id": 1, "data": {"image": "x"}, "annotations": []}], "a Label Studio export"),
        ([{"image": "x.png", "annotations": []}], "a CreateML file"),
        ([{"file_name": "x.png", "label": "cat"}], "a list of records"),
        ({"shapes": [], "imagePath": "x.png"}, "a LabelMe file"),
        ({"dm_format_version": "1.0", "categories": {"label": {}}, "items": []}, "a Datumaro export"),
        ({"version": "2.0", "item": {"name": "x.png"}, "annotations": []}, "a V7 Darwin file"),
        ({"dataset": "d", "image": {"filename": "x.png"}, "annotations": []}, "a V7 Darwin file"),
        ({"_via_img_metadata": {}}, "VGG Image Annotator"),
        ({"x.png1": {"filename": "x.png", "regions": []}}, "VGG Image Annotator"),
        ({"images": [], "categories": []}, "without annotations"),
        ({"images": [], "annotations": []}, "without categories"),
        ({"images": 5, "annotations": [], "categories": []}, "without usable lists"),
        ({"cat": 0, "dog": 1}, "names with values"),
        ({"classes": [], "labels": {}}, "FiftyOne"),
        (5, "no readable JSON"),
        ([], "without the lists"),
    ],
)
def test_other_json_is_named_and_no_coco(tmp_path: Path, content: Any, description: str) -> None:
    path = write_files(tmp_path, "0.png") / "x.json"
    path.write_text(json.dumps(content))
    kind = inspect_json(path, Work())
    assert (kind.is_coco, description in kind.description, bool(kind.fix)) == (False, True, True)
    assert not COCO.is_match(tmp_path, ImportOptions(), Work())
    with pytest.raises(SourceError, match="not a COCO document") as refusal:
        COCO.scan(tmp_path.resolve(), get_kind("label"), ImportOptions(annotation_file="x.json"), Work())
    assert description in refusal.value.message


def test_a_large_document_is_recognised_by_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_text('{"info": {}, "images": [' + " " * 20_000_000 + '], "annotations": [], "categories": []}')
    assert inspect_json(path, Work()).is_coco
    path.write_text('{"info": {}, "pictures": [' + " " * 20_000_000 + "]}")
    assert not inspect_json(path, Work()).is_coco


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("instances_train.json", "instances_val.json"),
        ("train.json", "valid.json"),
        ("annotations/instances_train2017.json", "annotations/instances_val2017.json"),
        ("train.csv", "val.csv"),
        ("train_labels.csv", "validation_labels.csv"),
        ("train.jsonl", "dev.jsonl"),
    ],
)
def test_a_pair_of_documents_is_one_dataset_with_a_split(tmp_path: Path, train: str, val: str) -> None:
    root = write_files(tmp_path / "in", *(f"images/{number}.png" for number in range(6)))
    for name, numbers in ((train, range(4)), (val, range(4, 6))):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        names = [f"{number}.png" for number in numbers]
        text = {
            ".json": json.dumps(coco(names)),
            ".csv": "filename,label\n"
            + "".join(f"{own},{'cat' if i % 2 == 0 else 'dog'}\n" for i, own in enumerate(names)),
            ".jsonl": "".join(
                json.dumps({"file_name": own, "label": "cat" if i % 2 == 0 else "dog"}) + "\n"
                for i, own in enumerate(names)
            ),
        }
        path.write_text(text[path.suffix])
    found = (COCO if train.endswith(".json") else TABLE).scan(root, get_kind("label"), ImportOptions(), Work())
    assert splits(found) == ["train"] * 4 + ["val"] * 2
    assert [label for _, label in labels(found)] == ["cat", "dog", "cat", "dog", "cat", "dog"]
    assert (found.classes, found.problems.num_problems) == (("cat", "dog"), 0)
    assert found.read_documents == (train, val)
    assert train in found.notes[0]


@pytest.mark.parametrize("name", ["trainval.csv", "train_val.csv", "Train-Valid.csv"])
def test_train_and_val_in_one_table_are_the_subset_train(tmp_path: Path, name: str) -> None:
    root = write_files(tmp_path / "in", "0.png", "1.png")
    (root / name).write_text("filename,label\n0.png,a\n")
    (root / ("Test.csv" if name[0] == "T" else "test.csv")).write_text("filename,label\n1.png,b\n")
    assert splits(scan_folder(root)) == ["train", "test"]


def test_classes_of_a_pair_are_joined_by_their_names(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", *(f"{number}.png" for number in range(4)))
    (root / "train.json").write_text(json.dumps(coco(["0.png", "1.png"], ["cat", "dog"])))
    (root / "test.json").write_text(json.dumps(coco(["2.png", "3.png"], ["dog", "bird"])))
    found = COCO.scan(root, get_kind("label"), ImportOptions(), Work())
    assert labels(found) == [("0.png", "cat"), ("1.png", "dog"), ("2.png", "dog"), ("3.png", "bird")]
    assert found.classes == ("cat", "dog", "bird")
    assert splits(found) == ["train", "train", "test", "test"]


def test_a_file_in_both_documents_of_a_pair_is_named(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", "0.png", "1.png")
    (root / "train.csv").write_text("filename,label\n0.png,a\n1.png,b\n")
    (root / "val.csv").write_text("filename,label\n0.png,a\n")
    found = scan_folder(root)
    assert splits(found) == ["train", "train"]
    assert kinds(found) == [("error", "repeated_row", 0)]
    assert found.problems.num_unused_entries == 1
    assert "in the subsets train and val" in found.problems.named[0].message


def test_an_example_of_a_submission_is_not_read(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", "train/0.png", "train/1.png", "test/2.png")
    (root / "train.csv").write_text("id,breed\n0,a\n1,b\n")
    (root / "sample_submission.csv").write_text("id,breed\n2,a\n")
    assert labels(scan_folder(root)) == [("train/0.png", "a"), ("train/1.png", "b")]


@pytest.mark.parametrize(
    "names", [("a.csv", "b.csv"), ("train_a.csv", "val_b.csv"), ("train.csv", "val.csv", "test.csv", "all.csv")]
)
def test_several_that_fit_are_named_to_choose_from(tmp_path: Path, names: tuple[str, ...]) -> None:
    root = write_files(tmp_path / "in", "0.png")
    for name in names:
        (root / name).write_text("filename,label\n0.png,a\n")
    (root / "results.csv").write_text(STRAYS["results.csv"])
    with pytest.raises(ChoiceError, match=", ".join(sorted(names))) as refusal:
        scan_folder(root)
    assert refusal.value.documents == tuple(sorted(names))
    report = check(root)
    assert (report.can_import, report.documents) == (False, sorted(names))
    assert labels(scan_folder(root, annotation_file=names[0])) == [("0.png", "a")]


def test_a_report_has_the_columns_also_when_none_fits(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", "0.png")
    (root / "t.csv").write_text("filename,a,b\n0.png,1,2\n")
    report = check(root)
    assert (report.can_import, [column.name for column in report.columns]) == (False, ["filename", "a", "b"])


def test_a_table_whose_images_are_missing_says_which(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", "other.png")
    (root / "t.csv").write_text("filename,label\n0.png,a\n1.png,b\n")
    report = check(root)
    assert (report.source_format, report.num_lost, report.num_unused_entries) == ("csv", 1, 2)
    counts = {(group.kind, group.count, group.num_images) for group in report.groups}
    assert counts == {("missing_file", 2, 0), ("not_in_table", 1, 1)}


@pytest.mark.parametrize(
    ("image_id", "category_id", "loose"), [("1", "7", 2), (1.0, 7.0, 2), (1, 7, 0), ("1.0", " 7", 2), (1, "7", 1)]
)
def test_ids_match_whatever_their_type(tmp_path: Path, image_id: Any, category_id: Any, loose: int) -> None:
    root = write_files(tmp_path / "in", "0.png")
    document = {
        "images": [{"id": 1, "file_name": "0.png"}],
        "annotations": [{"image_id": image_id, "category_id": category_id}],
        "categories": [{"id": 7, "name": 3}],
    }
    (root / "a.json").write_text(json.dumps(document))
    found = COCO.scan(root, get_kind("label"), ImportOptions(), Work())
    assert labels(found) == [("0.png", "3")]
    told = "1 id differs in type" if loose == 1 else f"{loose} ids differ in type"
    assert any(note.startswith(told) for note in found.notes) == bool(loose)


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("images", ("train", "val")),
        ("Images", ("Train", "Validation")),
        ("data", ("train2017", "val2017")),
    ],
)
def test_documents_in_the_folder_annotations_keep_their_folder_of_images(
    tmp_path: Path, folder: str, names: tuple[str, str]
) -> None:
    for name in names:
        write_image(tmp_path / "in" / folder / name / "0.png")  # two files with the same name
        (tmp_path / "in/annotations").mkdir(exist_ok=True)
        document = coco(["0.png"], ["cat"])
        (tmp_path / "in/annotations" / f"instances_{name}.json").write_text(json.dumps(document))
    report = check(tmp_path / "in")
    assert (report.num_images, report.split_counts, report.num_lost) == (2, {"train": 1, "val": 1}, 0)


def test_ids_that_differ_only_in_type_stay_apart(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", "0.png", "1.png")
    document = {
        "images": [{"id": 1, "file_name": "0.png"}, {"id": "1", "file_name": "1.png"}],
        "annotations": [{"image_id": "1", "category_id": 1}, {"image_id": 1, "category_id": 2}],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }
    (root / "a.json").write_text(json.dumps(document))
    assert labels(COCO.scan(root, get_kind("label"), ImportOptions(), Work())) == [("0.png", "b"), ("1.png", "a")]


@pytest.mark.parametrize(
    ("root_category", "others", "classes"),
    [
        ({"id": 0, "name": "fruit", "supercategory": "none"}, "fruit", ("cat", "dog")),
        ({"id": 0, "name": "cat", "supercategory": "none"}, "cat", ("cat", "dog")),
        ({"id": 9, "name": "all"}, "all", ("cat", "dog")),
        ({"id": 9, "name": "bird", "supercategory": "none"}, "pet", ("cat", "dog", "bird")),
    ],
)
def test_a_root_category_is_left_out(
    tmp_path: Path, root_category: dict[str, Any], others: str, classes: tuple[str, ...]
) -> None:
    root = write_files(tmp_path / "in", "0.png", "1.png")
    document = coco(["0.png", "1.png"])
    document["annotations"] = [{"image_id": i, "category_id": i + 1} for i in range(2)]
    named = [{"id": i + 1, "name": name, "supercategory": others} for i, name in enumerate(("cat", "dog"))]
    document["categories"] = [root_category, *named]
    (root / "a.json").write_text(json.dumps(document))
    found = COCO.scan(root, get_kind("label"), ImportOptions(), Work())
    assert (found.classes, len(found.images), found.problems.num_problems) == (classes, 2, 0)
    assert any("root of the others" in note for note in found.notes) == (len(classes) == 2)


def test_images_that_coco_loses_are_counted_once(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in", *(f"{number}.png" for number in range(4)))
    document = coco(["0.png", "1.png", "2.png", "gone.png", "0.png"])
    document["annotations"] = [{"image_id": i, "category_id": 0} for i in (0, 1, 3, 4)]
    document["annotations"].append({"image_id": 1, "category_id": 1})
    (root / "a.json").write_text(json.dumps(document))
    found = COCO.scan(root, get_kind("label"), ImportOptions(), Work())
    assert labels(found) == [("0.png", "cat")]
    assert sorted(kinds(found)) == [
        ("error", "missing_file", 0),
        ("error", "no_annotation", 1),
        ("error", "repeated_row", 0),
        ("error", "several_annotations", 1),
    ]
    assert found.problems.covered == {root / "1.png", root / "2.png"}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", '[{"id": 1, "data": {}, "annotations": []}]', "a.json is a Label Studio export"),
        ("a.json", '[{"file_name": ["0.png", "1.png"], "label": "x"}]', "a.json is a list of records"),
        ("a.json", '{"images": [],\n,', "a.json is no readable JSON (line 2"),
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", "x,y\n1,2\n", "a.csv has no column with names of image files"),
        ("a.parquet", "PAR1", "a.parquet is a table that is not read"),
        ("a.json", '{"images": [], "categories": []}', "like COCO, but without annotations"),
        ("a.xlsx", "PK\x03\x04 no zip", "a.xlsx is not an Excel workbook"),
        ("a.xls", "old", "a.xls is a table that is not read"),
    ],
)
def test_a_source_that_nothing_reads_says_why_its_documents_are_none(
    tmp_path: Path, name: str, content: str, told: str
) -> None:
    write_image(tmp_path / "in" / "0.png")
    (tmp_path / "in" / name).write_text(content)
    [problem] = check(tmp_path / "in").problems
    assert told in problem.message


@pytest.mark.parametrize("option", ["target_columns", "filename_column", "split_column"])
def test_columns_of_tables_in_subsets_can_be_chosen_after_a_refusal(tmp_path: Path, option: str) -> None:
    for folder in ("train", "val"):
        write_image(tmp_path / "in" / folder / "0.png")
        (tmp_path / "in" / folder / "metadata.csv").write_text("file_name,a,b\n0.png,1,2\n")
    report = check(tmp_path / "in", **{option: ["c"] if option == "target_columns" else "c"})
    assert (report.can_import, [column.name for column in report.columns]) == (False, ["file_name", "a", "b"])


@pytest.mark.parametrize(
    ("ending", "content"),
    [(".txt", "0 0.5 0.5 0.1 0.1\n"), (".json", '{"shapes": [], "imagePath": "0.png"}'), (".csv", "x,y\n1,2\n")],
)
def test_a_document_beside_each_image_costs_little(tmp_path: Path, ending: str, content: str) -> None:
    num_images = 100
    root = write_files(tmp_path / "in", *(f"{number}.png" for number in range(num_images)))
    for number in range(num_images):
        (root / f"{number}{ending}").write_text(content)
    told: list[str] = []
    work = Work(on_progress=lambda doing, done, total: told.append(doing), interval_s=0.0)
    assert not TABLE.is_match(root, ImportOptions(), work)
    assert not COCO.is_match(root, ImportOptions(), work)
    assert len({doing for doing in told if "Finding the" in doing or "Looking into" in doing}) <= 2 * MAX_CANDIDATES
    (root / "zz_labels.csv").write_text("filename,label\n0.png,a\n")
    assert TABLE.is_match(root, ImportOptions(), Work())
    assert labels(scan_folder(root)) == [("0.png", "a")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pets.json", json.dumps(coco(["0.png", "1.png"], ["Kätzchen", "犬"]), ensure_ascii=False)),
        ("pets.json", '[{"file_name": "0.png", "label": "Kätzchen"}, {"file_name": "1.png", "label": "犬"}]'),
        ("pets.json", '{"0.png": "Kätzchen", "1.png": "犬"}'),
        ("pets.jsonl", '{"file_name": "0.png", "label": "Kätzchen"}\r\n{"file_name": "1.png", "label": "犬"}\r\n'),
    ],
)
def test_json_is_read_in_every_unicode_encoding(tmp_path: Path, name: str, text: str, encoding: str) -> None:
    for number in range(2):
        write_image(tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / name).write_bytes(text.encode(encoding))
    report = check(tmp_path / "in")
    assert (report.class_counts, report.num_lost) == ({"Kätzchen": 1, "犬": 1}, 0)


@pytest.mark.parametrize("folder", ["annotations", "Annotations", "ANNOTATIONS"])
@pytest.mark.parametrize("name", ["pets.json", "pets.csv", "pets.jsonl"])
def test_the_folder_of_the_annotations_may_be_written_in_any_case(tmp_path: Path, folder: str, name: str) -> None:
    for number in range(2):
        write_image(tmp_path / "in" / "Images" / f"{number}.png")
    texts = {
        "pets.json": json.dumps(coco(["0.png", "1.png"])),
        "pets.csv": "filename,label\n0.png,cat\n1.png,dog\n",
        "pets.jsonl": '{"file_name": "0.png", "label": "cat"}\n{"file_name": "1.png", "label": "dog"}\n',
    }
    (tmp_path / "in" / folder).mkdir()
    (tmp_path / "in" / folder / name).write_text(texts[name])
    report = check(tmp_path / "in")
    assert (report.class_counts, report.num_lost, report.documents) == (
        {"cat": 1, "dog": 1},
        0,
        [f"{folder}/{name}"],
    )


def test_a_folder_of_annotations_outside_of_the_source_is_not_read(tmp_path: Path) -> None:
    for folder in ("cat", "dog"):
        write_image(tmp_path / "in" / folder / "0.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "pets.csv").write_text("filename,label\ncat/0.png,mouse\n")
    (tmp_path / "in" / "Annotations").symlink_to(tmp_path / "out")
    assert check(tmp_path / "in").class_counts == {"cat": 1, "dog": 1}
