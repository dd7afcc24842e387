"""Tables as competitions and public datasets ship them: which table is read, and which of its columns is the answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.formats.document_sets import is_example
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
    assert (len(EXAMPLES), len(NO_EXAMPLES)) == (8, 5)


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
    text = f"Width,Height,{column},Path\n20,30,4,a/0.png\n21,31,4,a/1.png\n20,30,9,b/0.png\n22,30,9,b/1.png\n"
    report = look_at(write_source(tmp_path / "in", two_in("a", "b"), {"Train.csv": text}))
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
