"""One folder per class: classes, subsets, and what is wrong in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.annotations.label import Label
from app.annotations.registry import get_kind
from app.datasets.formats.base import Scan, SourceError, find_subset
from app.datasets.formats.image_folders import FORMAT
from app.datasets.formats.work import Work
from app.schemas.datasets import ImportOptions
from app.schemas.payloads import ImportLimits
from tests.datasets.formats.sources import look_at, problems_of, two_in, write_source
from tests.datasets.pictures import write_image


def scan(root: Path) -> Scan:
    return FORMAT.scan(root.resolve(), get_kind("label"), ImportOptions(), Work())


def test_folders_are_classes_in_order(tmp_path: Path) -> None:
    for name in ("dog", "Cat", "ant"):
        write_image(tmp_path / name / "1.png")
    found = scan(tmp_path)
    assert found.classes == ("Cat", "ant", "dog")
    assert [(image.name, image.annotations) for image in found.images] == [
        ("Cat/1.png", (Label(0, "Cat"),)),
        ("ant/1.png", (Label(1, "ant"),)),
        ("dog/1.png", (Label(2, "dog"),)),
    ]
    assert (found.problems.num_problems, found.has_split) == (0, False)


def test_classes_that_are_numbers_are_in_order_of_number(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write_image(tmp_path / str(number) / "a.png")
    assert scan(tmp_path).classes == ("1", "2", "10")


def test_junk_is_ignored_in_silence(tmp_path: Path) -> None:
    write_image(tmp_path / "cat" / "1.png")
    for name in (".DS_Store", "cat/Thumbs.db", "cat/._1.png", "__MACOSX/cat/._1.png", ".hidden/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"junk")
    found = scan(tmp_path)
    assert ([image.name for image in found.images], found.problems.num_problems) == (["cat/1.png"], 0)


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "validation", "TEST"), ("train", "valid")])
def test_subset_folders_become_a_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        write_image(tmp_path / name / "cat" / f"{name}.png")
    write_image(tmp_path / names[0] / "dog" / "d.png")
    found = scan(tmp_path)
    assert found.classes == ("cat", "dog")
    assert {image.split for image in found.images} == {"train", "val", "test"} - (
        {"test"} if len(names) == 2 else set()
    )


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    for name in ("test", "control"):
        write_image(tmp_path / name / "a.png")
    assert scan(tmp_path).classes == ("control", "test")


def test_what_lies_beside_the_folders_is_named(tmp_path: Path) -> None:
    write_image(tmp_path / "train" / "cat" / "a.png")
    write_image(tmp_path / "train" / "loose.png")
    write_image(tmp_path / "extra" / "b.png")
    write_image(tmp_path / "top.png")
    (tmp_path / "README.txt").write_text("about")
    found = scan(tmp_path)
    assert {item.file for item in found.problems.named} == {"train/loose.png", "extra/b.png", "top.png"}
    assert len(found.images) == 1


def test_an_empty_class_folder_is_warned_of(tmp_path: Path) -> None:
    write_image(tmp_path / "cat" / "a.png")
    (tmp_path / "dog").mkdir()
    found = scan(tmp_path)
    assert (found.classes, [item.file for item in found.problems.named]) == (("cat",), ["dog"])


def test_images_without_class_folders_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    with pytest.raises(SourceError, match="directly in the folder"):
        scan(tmp_path)


@pytest.mark.parametrize(("folders", "message"), [((), "is empty"), (("cat", "dog"), "No folder has images")])
def test_a_folder_without_images_is_refused(tmp_path: Path, folders: tuple[str, ...], message: str) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
    with pytest.raises(SourceError, match=message):
        scan(tmp_path)


def test_the_number_of_files_is_limited(tmp_path: Path) -> None:
    for i in range(3):
        write_image(tmp_path / "cat" / f"{i}.png")
    with pytest.raises(SourceError, match="more than 2 entries"):
        FORMAT.scan(tmp_path.resolve(), get_kind("label"), ImportOptions(), Work(ImportLimits(max_entries=2)))


def test_matching_looks_at_contents(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.png").write_text("no image")
    assert not FORMAT.is_match(tmp_path, ImportOptions(), Work())
    write_image(tmp_path / "train" / "cat" / "b.png")
    assert FORMAT.is_match(tmp_path, ImportOptions(), Work())


NESTED = ["cat/0.png", "cat/1.png", "dog/0.png", *two_in("dog/batch1", "dog/batch2", "bird/batch1"), "dog/cat/0.png"]


def test_images_below_class_folders_are_counted_folder_by_folder(tmp_path: Path) -> None:
    report = look_at(write_source(tmp_path / "in", NESTED))
    assert (report.num_images, report.num_files, report.num_lost) == (3, 10, 7)
    assert problems_of(report, "nested_folder") == ["bird/batch1", "dog/batch1", "dog/batch2", "dog/cat/0.png"]
    (group,) = [group for group in report.groups if group.kind == "nested_folder"]
    assert (group.count, group.num_images, group.severity) == (4, 7, "error")
    assert "named like the class 'cat'" in group.examples[3].message
    assert [remedy.options for remedy in group.remedies] == [
        {"nested_folders": "into_class"},
        {"nested_folders": "own_class"},
    ]


@pytest.mark.parametrize(
    ("nested", "counts"),
    [
        ("into_class", {"bird": 2, "cat": 2, "dog": 6}),
        ("own_class", {"batch1": 4, "batch2": 2, "cat": 3, "dog": 1}),
    ],
)
def test_images_below_class_folders_are_read_in_one_press(tmp_path: Path, nested: str, counts: dict[str, int]) -> None:
    report = look_at(write_source(tmp_path / "in", NESTED), nested_folders=nested)
    assert (report.class_counts, report.num_files, report.num_lost) == (counts, 10, 0)
    assert problems_of(report, "nested_twin") == (["dog/cat"] if nested == "into_class" else [])


@pytest.mark.parametrize("holder", ["images", "img", "2024"])
def test_a_folder_that_every_class_has_is_part_of_the_class(tmp_path: Path, holder: str) -> None:
    report = look_at(write_source(tmp_path / "in", two_in(f"cat/{holder}", f"dog/{holder}")))
    assert (report.class_counts, report.num_problems) == ({"cat": 2, "dog": 2}, 0)
    assert any(repr(holder) in note for note in report.notes)


@pytest.mark.parametrize("outer", [("animals", "vehicles"), ("day1", "day2"), ("2024-01-01", "2024-01-02")])
def test_two_levels_of_folders_are_a_question_and_not_a_guess(tmp_path: Path, outer: tuple[str, str]) -> None:
    root = write_source(tmp_path / "in", two_in(f"{outer[0]}/x", f"{outer[0]}/y", f"{outer[1]}/x", f"{outer[1]}/y"))
    report = look_at(root)
    assert (report.can_import, report.num_files, report.num_lost) == (False, 8, 8)
    assert look_at(root, nested_folders="into_class").class_counts == {outer[0]: 4, outer[1]: 4}
    assert look_at(root, nested_folders="own_class").class_counts == {"x": 4, "y": 4}


@pytest.mark.parametrize(
    ("first", "second"),
    [(("a", "house"), ("b", "yard")), (("a", "x"), ("b", "x/y")), (("train", "a"), ("train", "b"))],
)
def test_folders_of_one_name_that_become_one_class_are_named(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str]
) -> None:
    folders = [f"{'/'.join(first)}/outdoor", f"{'/'.join(second)}/outdoor", f"{first[0]}/abbey/door", "c/gate"]
    report = look_at(write_source(tmp_path / "in", two_in(*folders)), nested_folders="own_class")
    assert report.class_counts["outdoor"] == 4
    (note,) = [note for note in report.notes if "of the same name" in note]
    assert all(folder in note for folder in folders[:2])
    assert "gate" not in note


@pytest.mark.parametrize("names", [("100CANON", "101CANON"), ("101_PANA", "102_0612"), ("202401__", "202402__")])
def test_folders_of_cameras_are_doubted(tmp_path: Path, names: tuple[str, str]) -> None:
    report = look_at(write_source(tmp_path / "in", two_in(*names)))
    assert (report.num_images, [group.kind for group in report.groups]) == (4, ["date_classes"])


@pytest.mark.parametrize("names", [("100CANON", "cat"), ("100", "101"), ("100 ducks", "101 ducks")])
def test_folders_that_are_not_all_of_a_camera_are_classes(tmp_path: Path, names: tuple[str, str]) -> None:
    assert look_at(write_source(tmp_path / "in", two_in(*names))).num_problems == 0


@pytest.mark.parametrize("name", [".a.jpg.icloud", ".b c.HEIC.icloud", ".3.png.icloud"])
def test_an_image_that_is_still_in_icloud_is_lost_by_name(tmp_path: Path, name: str) -> None:
    root = write_source(tmp_path / "in", two_in("cat", "dog"), {f"cat/{name}": "bplist00", "cat/.x.icloud": "bplist00"})
    report = look_at(root)
    assert (report.num_images, report.num_files, report.num_lost) == (4, 5, 1)
    (problem,) = report.problems
    assert problem.file == f"cat/{name}"
    assert "iCloud" in problem.message


@pytest.mark.parametrize(
    "names",
    [
        *(("2024-01-01", "2024-01-02"), ("batch1", "Batch_2"), ("20240131", "20240201")),
        *(("2023-01", "2023-02"), ("2023_1", "2024_12"), ("01.2023", "02.2023"), ("31.12.2023", "1.1.2024")),
    ],
)
def test_classes_named_like_dates_are_doubted(tmp_path: Path, names: tuple[str, str]) -> None:
    report = look_at(write_source(tmp_path / "in", two_in(*names)))
    assert (report.num_images, [group.kind for group in report.groups]) == (4, ["date_classes"])


@pytest.mark.parametrize("names", [("2023", "2024"), ("2023-40", "2023-50"), ("202301", "202302"), ("1-2", "3-4")])
def test_years_and_other_numbers_are_no_dates(tmp_path: Path, names: tuple[str, str]) -> None:
    assert look_at(write_source(tmp_path / "in", two_in(*names))).num_problems == 0


@pytest.mark.parametrize("name", ["1", "a1", "set1", "2024"])
def test_other_names_with_numbers_are_classes(tmp_path: Path, name: str) -> None:
    assert look_at(write_source(tmp_path / "in", two_in(name, "other"))).num_problems == 0


@pytest.mark.parametrize("bad", [(b"\xc4pfel", b"\xd6pfel"), (b"\xff", b"\xfe"), (b"a\xe4", b"a\xf6")])
def test_names_of_folders_that_are_no_text_stay_two_classes(tmp_path: Path, bad: tuple[bytes, bytes]) -> None:
    root = write_source(tmp_path / "in", two_in("pear"))
    for raw in bad:
        folder = root / raw.decode("utf-8", "surrogateescape")
        try:
            folder.mkdir()
        except OSError:
            pytest.skip("This file system takes no such names.")
        write_image(tmp_path / "a.png").rename(folder / "a.png")
    report = look_at(root)
    assert (report.num_classes, report.num_images, report.num_files) == (3, 4, 4)
    assert len(problems_of(report, "undecodable_name")) == 2
    assert len(set(report.classes)) == 3


@pytest.mark.parametrize(
    "name",
    [
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",  # a family: three emoji that joiners make one
        "\u0645\u06cc\u200c\u062e\u0648\u0631\u062f",  # a Persian word whose parts a non-joiner keeps apart
        "\u0915\u094d\u200d\u0937",  # a Hindi half letter
        "Golden\u00a0Retriever",
        "\u67f4\u3000\u72ac",
    ],
)
def test_a_class_may_have_any_characters_that_people_can_read(tmp_path: Path, name: str) -> None:
    report = look_at(write_source(tmp_path / "in", two_in(name, "dog")))
    assert (report.class_counts, report.num_problems) == ({name: 2, "dog": 2}, 0)


@pytest.mark.parametrize("name", ["\u200d\u200c", "a\u202eb", "a\x07b"])
def test_a_class_has_no_name_that_cannot_be_seen(tmp_path: Path, name: str) -> None:
    report = look_at(write_source(tmp_path / "in", two_in(name, "dog")))
    assert (report.num_images, len(problems_of(report, "undecodable_name"))) == (4, 1)
    assert name not in report.classes


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a\nb", "a character that cannot be shown (U+000A); its class is 'a?b'"),
        ("a\u200bb", "a character that cannot be shown (U+200B ZERO WIDTH SPACE); its class is 'a?b'"),
        ("a\u202eb\x07", "characters that cannot be shown (U+202E RIGHT-TO-LEFT OVERRIDE, U+0007)"),
        (os.fsdecode(b"b\xe4r"), "cannot be decoded as text (b\\xe4r)"),
    ],
)
def test_it_is_said_what_is_wrong_with_the_name_of_a_folder(tmp_path: Path, name: str, told: str) -> None:
    report = look_at(write_source(tmp_path / "in", two_in(name, "dog")))
    (problem,) = [item for item in report.problems if item.kind == "undecodable_name"]
    assert f"The name of the folder {'has ' if 'shown' in told else ''}{told}" in problem.message


@pytest.mark.parametrize(
    ("folders", "beside"),
    [
        (("test/cat", "test/dog", "apprentissage/cat"), "test"),
        (("train/cat", "Test/cat", "Test/dog", "rest/cat"), "train and Test"),
        (("train/cat", "val/dog", "test/dog", "rest/cat"), "train, val and test"),
    ],
)
def test_the_folders_that_one_lies_beside_are_those_that_are_there(
    tmp_path: Path, folders: tuple[str, ...], beside: str
) -> None:
    report = look_at(write_source(tmp_path / "in", two_in(*folders)))
    (problem,) = [item for item in report.problems if item.kind == "unread_folder"]
    assert problem.message == f"2 images are not read, because the folder lies beside {beside}: 0.png, 1.png."


@pytest.mark.parametrize(
    ("name", "subset"),
    [
        *(("Train", "train"), ("training_set", "train"), ("train2017", "train"), ("images_train", "train")),
        *(("dev", "val"), ("eval", "val"), ("Valid", "val"), ("val-images", "val")),
        *(("test1", "test"), ("Test Set", "test"), ("holdout", "test"), ("testset", "test")),
        *(
            ("trainer", None),
            ("trainval", "train"),
            ("train_val", "train"),
            ("train-val", "train"),
            ("TrainVal", "train"),
            ("train+val", "train"),
            ("Train and Validation", "train"),
            ("train_valid2017", "train"),
            ("train_test", None),
            ("train_values", None),
            ("constrain_val", None),
            ("testimony", None),
            ("cat", None),
            ("2017", None),
            ("images", None),
        ),
    ],
)
def test_names_of_subset_folders(name: str, subset: str | None) -> None:
    assert find_subset(name) == subset


@pytest.mark.parametrize("folders", [("train", "bus", "car"), ("test", "control"), ("val", "other")])
def test_a_subset_name_beside_classes_is_a_class(tmp_path: Path, folders: tuple[str, ...]) -> None:
    assert look_at(write_source(tmp_path / "in", two_in(*folders))).classes == sorted(folders)


@pytest.mark.parametrize(
    ("folders", "split_counts"),
    [
        (("train/images/cat", "train/images/dog", "val/images/cat"), {"train": 4, "val": 2}),
        (("train/data/cat", "train/data/dog", "test/cat", "test/dog"), {"train": 4, "test": 4}),
        (("trainval/cat", "trainval/dog", "test/dog"), {"train": 4, "test": 2}),
        (("train-val/cat", "train-val/dog", "test/dog"), {"train": 4, "test": 2}),
        (("Train+Val/cat", "Train+Val/dog", "Test/dog"), {"train": 4, "test": 2}),
        (("pets_train_val/cat", "pets_train_val/dog", "pets_test/dog"), {"train": 4, "test": 2}),
        (("cat/TrainVal", "cat/Test", "dog/TrainVal"), {"train": 4, "test": 2}),
        (("Training/cat", "Validierung/cat", "Test/dog"), {"train": 2, "val": 2, "test": 2}),
    ],
)
def test_classes_are_found_in_subsets(tmp_path: Path, folders: tuple[str, ...], split_counts: dict[str, int]) -> None:
    report = look_at(write_source(tmp_path / "in", two_in(*folders)))
    assert (report.classes, report.split_counts, report.num_lost) == (["cat", "dog"], split_counts, 0)


@pytest.mark.parametrize(
    ("images", "folder", "words"),
    [
        (["test/1.png", "test/2.png"], "test", "lie in no folder of a class"),
        (["val/1.jpg"], "val", "lie in no folder of a class"),
        (["unlabeled/1.png"], "unlabeled", "not read, because the folder lies beside train and val2"),
        (["test/images/1.png"], "test/images", "is not a class name"),
    ],
)
def test_a_subset_without_classes_is_named(tmp_path: Path, images: list[str], folder: str, words: str) -> None:
    report = look_at(write_source(tmp_path / "in", [*two_in("train/cat", "train/dog", "val2/cat"), *images]))
    (found,) = [group for group in report.groups if group.kind == "unread_folder"]
    assert report.num_lost == len(images)
    assert found.examples[0].file.startswith(folder)
    assert words in found.examples[0].message
    assert f", {folder} " not in report.notes[0]


@pytest.mark.parametrize("name", ["images", "data", "unlabeled"])
def test_a_folder_of_images_beside_the_classes_of_a_subset_is_doubted(tmp_path: Path, name: str) -> None:
    root = write_source(tmp_path / "in", two_in("train/cat", "train/dog", f"train/{name}", "val/cat", f"val/{name}"))
    (remedy,) = [remedy for group in look_at(root).groups for remedy in group.remedies]
    assert remedy.options == {"class_mapping": {name: None}}
    assert look_at(root, **remedy.options).class_counts == {"cat": 4, "dog": 2}


@pytest.mark.parametrize("holder", ["data", "Dataset", "images"])
@pytest.mark.parametrize("beside", [["results/loss.png"], ["venv/lib/icons/a.png", "plot.png"], ["Examples/1.png"]])
def test_class_folders_in_data_are_read_beside_a_few_other_images(
    tmp_path: Path, holder: str, beside: list[str]
) -> None:
    images = two_in(f"{holder}/cat", f"{holder}/dog")
    report = look_at(write_source(tmp_path / "in", [*images, *beside]))
    assert (report.class_counts, report.num_lost) == ({"cat": 2, "dog": 2}, len(beside))
    assert f"The classes are read from {holder}." in report.notes


def test_subsets_in_data_are_read_beside_a_few_other_images(tmp_path: Path) -> None:
    images = two_in("data/train/cat", "data/train/dog", "data/test/cat", "data/test/dog")
    report = look_at(write_source(tmp_path / "in", [*images, *two_in("results")]))
    assert (report.class_counts, report.split_counts) == ({"cat": 4, "dog": 4}, {"train": 4, "test": 4})
    assert report.num_lost == 2


@pytest.mark.parametrize("folders", [["data/x", "data/y", "cat", "dog", "cow"], ["data/x", "cat", "dog"]])
def test_class_folders_beside_data_stay_classes(tmp_path: Path, folders: list[str]) -> None:
    report = look_at(write_source(tmp_path / "in", two_in(*folders)))
    assert {"cat", "dog"} <= set(report.class_counts)
    assert report.num_lost == 2 * sum("/" in folder for folder in folders)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set/training_set", "test_set/test_set"),
        ("train/train", "test/test"),
        ("Train/train_images", "Val/val"),
        ("Training/Training", "Testing/images"),
    ],
)
def test_a_subset_folder_inside_of_itself_is_no_class(tmp_path: Path, train: str, test: str) -> None:
    images = two_in(f"{train}/cat", f"{train}/dog", f"{test}/cat", f"{test}/dog")
    report = look_at(write_source(tmp_path / "in", images))
    assert (report.class_counts, report.num_lost) == ({"cat": 4, "dog": 4}, 0)
    assert sorted(report.split_counts.values()) == [4, 4]


def test_a_class_that_is_called_like_a_subset_beside_others_stays_one(tmp_path: Path) -> None:
    report = look_at(write_source(tmp_path / "in", two_in("train/test", "train/control", "val/test", "val/control")))
    assert report.class_counts == {"control": 4, "test": 4}


def test_a_flat_subset_folder_inside_of_itself_is_refused(tmp_path: Path) -> None:
    report = look_at(write_source(tmp_path / "in", two_in("train/train", "test/test")))
    assert (report.can_import, report.classes, report.num_lost) == (False, [], 4)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("asl_alphabet_train/asl_alphabet_train", "asl_alphabet_test"),
        ("train_flowers", "val_flowers"),
        ("Fruits-Training", "Fruits-Test"),
        ("my train images", "my test images"),
    ],
)
def test_subset_folders_may_share_a_word(tmp_path: Path, train: str, test: str) -> None:
    images = two_in(f"{train}/cat", f"{train}/dog", f"{test}/cat", f"{test}/dog")
    report = look_at(write_source(tmp_path / "in", images))
    assert (report.class_counts, report.num_lost) == ({"cat": 4, "dog": 4}, 0)
    assert sorted(report.split_counts.values()) == [4, 4]


def test_a_folder_that_shares_the_word_and_is_no_subset_is_named(tmp_path: Path) -> None:
    images = two_in("seg_train/cat", "seg_train/dog", "seg_test/cat", "seg_pred/seg_pred")
    report = look_at(write_source(tmp_path / "in", images))
    assert (report.class_counts, report.split_counts) == ({"cat": 4, "dog": 2}, {"train": 4, "test": 2})
    assert problems_of(report, "unread_folder") == ["seg_pred/seg_pred"]


@pytest.mark.parametrize(
    "folders", [("test_positive", "test_negative"), ("night_train", "night_bus"), ("bus_test", "car_test"), ("a_val",)]
)
def test_classes_that_share_a_word_stay_classes(tmp_path: Path, folders: tuple[str, ...]) -> None:
    assert look_at(write_source(tmp_path / "in", two_in(*folders))).classes == sorted(folders)


def test_flat_subset_folders_that_share_a_word_are_no_classes(tmp_path: Path) -> None:
    report = look_at(write_source(tmp_path / "in", two_in("pets_train", "pets_test")))
    assert (report.can_import, report.classes, report.num_lost) == (False, [], 4)
    assert "pets_test (2), pets_train (2)" in report.problems[0].message
