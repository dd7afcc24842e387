"""Tables as competitions and public datasets ship them: which table is read, and which of its columns is the answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats.documents.sets import is_example
from tests.datasets.formats.sources import look_at, two_in, write_source

EXAMPLES = (
    *("sample_submission.csv", "sampleSubmission.csv", "Sample-Submission.csv", "LOC_sample_submission.csv"),
    *("submission.csv", "submission_format.csv", "gender_submission.csv", "example_submission.xlsx"),
)
NO_EXAMPLES = (
    "train.csv",
    "labels.csv",
    "samples.csv",
    "submissions_of_users.csv",
    "sample_labels.csv",
    "examples.csv",
)


def test_an_example_of_what_to_hand_in_is_known_by_its_name() -> None:
    assert [name for name in EXAMPLES if not is_example(name)] == []
    assert [name for name in NO_EXAMPLES if is_example(name)] == []
    assert (len(EXAMPLES), len(NO_EXAMPLES)) == (8, 6)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.endswith(".csv")])
def test_made_up_labels_do_not_replace_class_folders(tmp_path: Path, name: str) -> None:
    images = [*two_in("train/oak", "train/fir"), "test/0a.png", "test/0b.png", "test/0c.png"]
    root = write_source(tmp_path / "in", images, {name: "file,species\n0a.png,elm\n0b.png,elm\n0c.png,elm\n"})
    report = look_at(root)
    assert (report.source_format, report.class_counts) == ("image_folders", {"fir": 2, "oak": 2})
    assert report.num_lost == 3
    assert look_at(root, annotation_file=name).class_counts == {"elm": 3}


def test_made_up_labels_alone_are_named_and_not_read(tmp_path: Path) -> None:
    images = ["train/cat.0.png", "train/dog.0.png", "test1/1.png"]
    report = look_at(write_source(tmp_path / "in", images, {"sampleSubmission.csv": "id,label\n1,0\n"}))
    assert not report.can_import
    assert "sampleSubmission.csv is an example" in report.problems[0].message


@pytest.mark.parametrize("column", ["partition", "split", "fold", "Usage"])
def test_a_column_of_subsets_is_no_label(tmp_path: Path, column: str) -> None:
    rows = "".join(f"{number}.png,{number % 3}\n" for number in range(4))
    root = write_source(
        tmp_path / "in",
        [f"faces/{number}.png" for number in range(4)],
        {
            "list_attr.csv": "image_id,Male,Young\n" + "".join(f"{number}.png,1,-1\n" for number in range(4)),
            "list_eval_partition.csv": f"image_id,{column}\n{rows}",
        },
    )
    report = look_at(root)
    assert not report.can_import
    assert "list_attr.csv" in report.problems[0].message
    chosen = look_at(root, annotation_file="list_attr.csv", target_columns=["Young"])
    assert chosen.class_counts == {"-1": 4}


@pytest.mark.parametrize("column", ["set", "partition", "fold"])
def test_words_that_are_no_subsets_are_labels_whatever_the_column_is_called(tmp_path: Path, column: str) -> None:
    root = write_source(tmp_path / "in", ["0.png", "1.png"], {"list.csv": f"file,{column}\n0.png,lego\n1.png,duplo\n"})
    assert look_at(root).class_counts == {"duplo": 1, "lego": 1}


@pytest.mark.parametrize("column", ["ClassId", "LabelName", "class name", "ground_truth"])
def test_the_label_is_found_among_columns_of_numbers(tmp_path: Path, column: str) -> None:
    text = f"Width,Height,{column},Path\n20,30,4,a/0.png\n21,31,9,a/1.png\n20,30,4,b/0.png\n22,30,9,b/1.png\n"
    report = look_at(write_source(tmp_path / "in", two_in("a", "b"), {"Signs.csv": text}))
    assert report.class_counts == {"4": 2, "9": 2}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("id,boneage,male\n0,180,True\n1,12,False\n", "id,sex\n2,M\n3,F\n"),
        ("id,blur,score\n0,1,70\n1,0,30\n", "id,blur\n2,1\n3,0\n"),
        ("id,score\n0,70\n1,30\n", "id,width\n2,8\n3,8\n"),
    ],
)
def test_a_test_table_without_the_values_is_left_out(tmp_path: Path, train: str, test: str) -> None:
    images = [*("train/0.png", "train/1.png"), *("test/2.png", "test/3.png")]
    root = write_source(tmp_path / "in", images, {"train.csv": train, "test.csv": test})
    report = look_at(root, "values")
    assert (report.num_images, report.num_lost, report.can_import) == (2, 2, True)
    assert any(note.startswith("test.csv is not read, because it has no column") for note in report.notes)


def test_tables_with_the_same_values_stay_one_dataset(tmp_path: Path) -> None:
    texts = {f"{name}.csv": f"id,a,b\n{number},1,{number}\n" for number, name in enumerate(("train", "val", "test"))}
    report = look_at(write_source(tmp_path / "in", ["0.png", "1.png", "2.png"], texts), "values")
    assert (report.split_counts, report.value_names) == ({"train": 1, "val": 1, "test": 1}, ["a", "b"])


@pytest.mark.parametrize("column", ["id", "case_id", "Eyes"])
def test_plain_numbers_are_not_called_numbers_with_units(tmp_path: Path, column: str) -> None:
    text = f"file,{column},age\n0.png,0,31\n1.png,1,32\n"
    root = write_source(tmp_path / "in", ["0.png", "1.png"], {"ages.csv": text})
    report = look_at(root, "values", target_columns=["age"])
    assert (report.value_names, report.num_problems) == (["age"], 0)


@pytest.mark.parametrize(
    "cell", ["n014{0} 1{1} 76 499 322", "cat {1} 10 200 300 dog 1 2 3 4", "0.5 12.{1} 30 40.5 60", "{1} 2 3 4"]
)
def test_boxes_in_a_cell_are_no_class(tmp_path: Path, cell: str) -> None:
    """ImageNet's LOC_train_solution.csv: the folders have the classes, the table has their boxes."""
    images = two_in("train/n0140", "train/n0141")
    rows = "".join(f"{name.removesuffix('.png')},{cell.format(n // 2, n % 2)} \n" for n, name in enumerate(images))
    root = write_source(tmp_path / "in", images, {"LOC_solution.csv": f"ImageId,PredictionString\n{rows}"})
    report = look_at(root)
    assert (report.source_format, report.class_counts) == ("image_folders", {"n0140": 2, "n0141": 2})


@pytest.mark.parametrize("name", ["trainLabels.csv", "train_labels.csv", "labels_training.csv", "pets-train.csv"])
def test_a_table_of_one_subset_means_the_images_of_that_subset(tmp_path: Path, name: str) -> None:
    folder = "pets_train" if name.startswith("pets") else "train"
    other = folder.replace("train", "test")
    images = [f"{place}/{number}.png" for place in (folder, other) for number in (1, 2)]
    report = look_at(write_source(tmp_path / "in", images, {name: "id,label\n1,cat\n2,dog\n"}))
    assert (report.class_counts, report.num_lost) == ({"cat": 1, "dog": 1}, 2)
    assert all(problem.file.startswith(other) for problem in report.problems if problem.kind == "not_in_table")


@pytest.mark.parametrize("deep", ["", "/images"])
@pytest.mark.parametrize("place", ["val", "test"])
def test_a_table_of_the_smaller_part_does_not_hide_class_folders(tmp_path: Path, deep: str, place: str) -> None:
    """Tiny ImageNet: folders of classes for training, one table for validation."""
    images = [f"train/{name}{deep}/{number}.png" for name in ("n01", "n02") for number in range(3)]
    images += [f"{place}/images/{place}_{number}.png" for number in range(4)]
    text = "".join(f"{place}_{number}.png\tn0{number % 2 + 1}\t0\t32\t44\t62\n" for number in range(4))
    root = write_source(tmp_path / "in", images, {f"{place}/{place}_annotations.txt": text})
    report = look_at(root)
    assert (report.class_counts, report.num_lost) == ({"n01": 3, "n02": 3}, 4)
    assert any("names only 4 of " in note for note in report.notes)


def test_a_table_of_the_larger_part_is_read(tmp_path: Path) -> None:
    images = [*two_in("good/cat", "good/dog"), *(f"more/{number}.png" for number in range(6))]
    rows = "".join(f"more/{number}.png,{('cat', 'dog')[number % 2]}\n" for number in range(6))
    report = look_at(write_source(tmp_path / "in", images, {"labels.csv": f"file,label\n{rows}"}))
    assert (report.source_format, report.class_counts) == ("csv", {"cat": 3, "dog": 3})


@pytest.mark.parametrize("use", ["TRAIN VALIDATION TEST UNASSIGNED", "training test unassigned training"])
def test_a_table_of_vertex_ai_has_its_subsets(tmp_path: Path, use: str) -> None:
    lines = [f"{word},gs://b/{number}.png,{('cat', 'dog')[number % 2]}\n" for number, word in enumerate(use.split())]
    report = look_at(write_source(tmp_path / "in", [f"{n}.png" for n in range(4)], {"export.csv": "".join(lines)}))
    assert report.class_counts == {"cat": 2, "dog": 2}
    assert report.split_counts["none"] == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "via_export.csv",
            'filename,size,file_attributes\n0.png,5,"{""class"":""cat""}"\n1.png,6,"{""class"":""b""}"\n',
        ),
        ("data.jsonl", '{"imageGcsUri": "gs://b/0.png", "annotation": {"displayName": "a"}, "use": {"x": "y"}}\n'),
        ("list.csv", "file,width,height\n0.png,3,4\n1.png,5,6\n"),
    ],
)
def test_a_refusal_of_columns_names_the_table(tmp_path: Path, name: str, text: str) -> None:
    report = look_at(write_source(tmp_path / "in", ["0.png", "1.png"], {name: text}))
    assert not report.can_import
    assert report.problems[0].message.startswith(f"{name}: The table has no column")


@pytest.mark.parametrize("cell", ["2018-01-01", "1/2/2018 10:00", "10:30", "31.12.2017"])
def test_dates_are_no_classes(tmp_path: Path, cell: str) -> None:
    text = f"image,chain,hotel_id,taken\n0.png,1,10,{cell}\n1.png,2,11,{cell}\n"
    report = look_at(write_source(tmp_path / "in", ["0.png", "1.png"], {"train.csv": text}))
    assert not report.can_import
    assert "no column 'label'" in report.problems[0].message
    text = f"image,chain,taken,city\n0.png,1,{cell},Rome\n1.png,2,{cell},Rome\n"
    report = look_at(write_source(tmp_path / "in", (), {"train.csv": text}))
    assert report.class_counts == {"Rome": 2}


@pytest.mark.parametrize("folder", ["place", "dir", "set"])
def test_labels_of_names_that_several_folders_have_are_not_replaced_by_the_folders(tmp_path: Path, folder: str) -> None:
    images = [f"{place}/{number}.png" for place in ("day", "night") for number in range(2)]
    rows = "".join(f"{name.replace('/', ',')},{('cat', 'dog')[number % 2]}\n" for number, name in enumerate(images))
    report = look_at(write_source(tmp_path / "in", images, {"labels.csv": f"{folder},file,label\n{rows}"}))
    assert (report.source_format, report.can_import, report.classes) == ("csv", False, [])
    assert {problem.kind for problem in report.problems} == {"ambiguous_file", "not_in_table"}


@pytest.mark.parametrize("folder", ["lfw", "archive/images", "a/b/c"])
@pytest.mark.parametrize("text", ["name,images\nana,7\nbob,9\n", ",Image,Category\n0,7,ana\n1,9,bob\n"])
def test_a_table_without_files_does_not_hide_class_folders_deeper_down(tmp_path: Path, folder: str, text: str) -> None:
    root = write_source(tmp_path / "in", two_in(f"{folder}/ana", f"{folder}/bob"), {"list.csv": text})
    assert look_at(root).class_counts == {"ana": 2, "bob": 2}


@pytest.mark.parametrize(
    "names", ["Bild;Ort;Klasse", "archivo;lugar;clase", "fichier;lieu;étiquette", "Datei;Ort;Kategorie"]
)
def test_the_label_is_found_under_its_name_in_other_languages(tmp_path: Path, names: str) -> None:
    root = write_source(tmp_path / "in", [f"{n}.png" for n in range(3)])
    (root / "t.csv").write_text(f"{names}\n0;A;cat\n1;A;dog\n2;B;dog\n", encoding="utf-8")
    assert look_at(root).class_counts == {"cat": 1, "dog": 2}
