"""The file that a document means: usual folders, endings, letters, paths of other machines; never one outside."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.datasets.formats.layouts.file_finder import FileFinder, FoundFile, NoFileError
from app.datasets.formats.layouts.file_matches import Match, describe_matches
from app.datasets.formats.work import LimitError, Work
from app.schemas.payloads import ImportLimits


def make_finder(root: Path, *names: str, document: str = "labels.csv") -> FileFinder:
    for name in (*names, document):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return FileFinder(root.resolve(), root.resolve() / document, Work())


def find(finder: FileFinder, name: str) -> str:
    return finder.find(name).name


@pytest.mark.parametrize("folder", ["images", "img", "data", "Images", "PHOTOS", "photos", "data/images", "lost/found"])
def test_images_in_a_folder_are_found(tmp_path: Path, folder: str) -> None:
    assert find(make_finder(tmp_path, f"{folder}/a.png"), "a.png") == f"{folder}/a.png"


@pytest.mark.parametrize(
    ("document", "folder"),
    [
        ("train.csv", "train"),
        ("train_labels.csv", "train"),
        ("annotations/instances_val2017.json", "val2017"),
        ("annotations/instances_val2017.json", "images/val2017"),
        ("test.csv", "test_images"),
    ],
)
def test_the_folder_that_a_document_is_named_after_comes_first(tmp_path: Path, document: str, folder: str) -> None:
    finder = make_finder(tmp_path, f"{folder}/a.png", "other/a.png", document=document)
    assert find(finder, "a.png") == f"{folder}/a.png"
    assert find(finder, "a") == f"{folder}/a.png"


@pytest.mark.parametrize(
    ("name", "file", "match"),
    [
        ("a", "a.jpg", Match.STEM),
        ("a", "train/a.jpg", Match.STEM),
        ("00001", "photos/00001.JPEG", Match.STEM),
        ("1.2.840.7", "x/1.2.840.7.tif", Match.STEM),
        ("a.png", "a.PNG", Match.LETTERS),
        ("A.JPG", "images/a.jpg", Match.LETTERS),
        (unicodedata.normalize("NFC", "köln.png"), unicodedata.normalize("NFD", "köln.png"), Match.LETTERS),
        (unicodedata.normalize("NFD", "köln.png"), unicodedata.normalize("NFC", "köln.png"), Match.LETTERS),
        ("/data/upload/1/x.png", "images/x.png", Match.LAST_PART),
        ("C:\\Users\\me\\x.png", "x.png", Match.LAST_PART),
        ("..\\..\\media\\x.png", "images/x.png", Match.LAST_PART),
        ("\\\\server\\share\\x.png", "a/x.png", Match.LAST_PART),
        ("../x.png", "a/x.png", Match.LAST_PART),
        ("s3://bucket/a/x.png", "a/x.png", Match.LAST_PART),
        ("https://host.example/x%20y.png?d=1#z", "x y.png", Match.LAST_PART),
        ("file:///home/me/x.png", "images/x.png", Match.LAST_PART),
        ("/data/local-files/?d=set/a/x.png", "a/x.png", Match.LAST_PART),
        ("images/x%20y.png", "images/x y.png", Match.LAST_PART),
        ("/data/upload/3/a1b2c3d4-x.png", "images/x.png", Match.UPLOAD_PREFIX),
        ("a1b2c3d4-x.png", "x.png", Match.UPLOAD_PREFIX),
        ("elsewhere/x.png", "images/x.png", Match.LAST_PART),
        ("gs://b/x", "images/x.png", Match.STEM),
    ],
)
def test_a_name_is_matched_to_the_only_file_that_fits(tmp_path: Path, name: str, file: str, match: Match) -> None:
    found = make_finder(tmp_path, file).find(name)
    assert (found.name, found.match) == (file, match)
    [note] = describe_matches([match, match])
    assert note.startswith("2 ")


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("a", ["a.jpg", "a.png"]),
        ("a", ["x/a.jpg", "y/a.jpg"]),
        ("/data/upload/1/a.png", ["x/a.png", "y/a.png"]),
        ("C:\\z\\a.png", ["x/a.png", "y/a.png"]),
        ("A.PNG", ["x/a.png", "y/a.png"]),
        ("a1b2c3d4-a.png", ["x/a.png", "y/a.png"]),
    ],
)
def test_two_files_that_fit_are_named(tmp_path: Path, name: str, files: list[str]) -> None:
    with pytest.raises(NoFileError, match="fits 2 files") as refusal:
        make_finder(tmp_path, *files).find(name)
    assert refusal.value.kind == "ambiguous_file"
    assert all(file in refusal.value.message for file in files)


@pytest.mark.parametrize(
    ("name", "file"),
    [("C:\\set\\cat\\1.png", "cat/1.png"), ("/x/dog/1.png", "dog/1.png"), ("s3://b/cat/1", "cat/1.png")],
)
def test_the_folders_of_a_path_tell_files_of_one_name_apart(tmp_path: Path, name: str, file: str) -> None:
    assert find(make_finder(tmp_path, "cat/1.png", "dog/1.png"), name) == file


@pytest.mark.parametrize("name", ["cat/2.png", "cat/2", "./cat/2.png"])
def test_a_folder_that_exists_is_taken_at_its_word(tmp_path: Path, name: str) -> None:
    with pytest.raises(NoFileError, match="does not exist") as refusal:
        make_finder(tmp_path, "cat/1.png", "dog/2.png").find(name)
    assert refusal.value.kind == "missing_file"


@pytest.mark.parametrize(
    ("names", "winner"),
    [
        (["a.png", "A.png"], "a.png"),
        (["/x/a.png", "a.png"], "a.png"),
        (["/x/a.png", "a"], "a"),
        (["/x/a.png", "/y/a.png"], None),
    ],
)
def test_a_file_goes_to_the_name_that_fits_best(tmp_path: Path, names: list[str], winner: str | None) -> None:
    found = make_finder(tmp_path, "a.png").find_all(names)
    assert len(found) == len(names)
    assert [name for name, file in found.items() if isinstance(file, FoundFile)] == ([winner] if winner else [])


def test_another_ending_is_mentioned(tmp_path: Path) -> None:
    with pytest.raises(NoFileError, match=r"does not exist; there is 'x/a\.png'"):
        make_finder(tmp_path, "x/a.png").find("a.jpg")


@pytest.mark.parametrize("name", ["/etc/passwd", "../../secret.png", "C:\\secret.png", "file:///etc/passwd", "a\0b"])
def test_nothing_outside_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    with pytest.raises(NoFileError):
        make_finder(tmp_path / "in", "a.png").find(name)


def test_a_link_to_the_outside_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    finder = make_finder(tmp_path / "in", "a.png")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "secret.png")
    for name in ("link.png", "link", "/x/link.png"):
        with pytest.raises(NoFileError):
            finder.find(name)


def test_the_number_of_files_is_limited(tmp_path: Path) -> None:
    make_finder(tmp_path, *(f"{number}.png" for number in range(10)))
    with pytest.raises(LimitError, match="more than 5 entries"):
        FileFinder(tmp_path.resolve(), tmp_path.resolve() / "labels.csv", Work(ImportLimits(max_entries=5)))


NAMES = st.text(st.sampled_from("ab./\\:%?# é-0"), max_size=12) | st.text(max_size=12)


@settings(derandomize=True, deadline=None)
@given(name=NAMES)
def test_any_name_is_a_file_of_the_source_or_refused(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.mktemp("any") / "in"
    [found] = make_finder(root, "a.png", "a/b.png").find_all([name]).values()
    if isinstance(found, NoFileError):
        assert found.kind in {"missing_file", "ambiguous_file", "bad_file_name"}
        return
    assert found.path.is_relative_to(root.resolve())
    assert found.path.is_file()


def test_the_files_of_a_source_are_sorted_once_for_all_of_its_documents(tmp_path: Path) -> None:
    root, work = tmp_path.resolve(), Work()
    for name in ("a/one.png", "b/two.png", "train.txt", "test.txt"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    finders = [FileFinder(root, root / name, work) for name in ("train.txt", "test.txt")]
    assert work.indexes == {}  # names that are those of files need none
    assert [find(finder, "one") for finder in finders] == ["a/one.png", "a/one.png"]
    assert list(work.indexes) == [root]
    index = work.indexes[root]
    assert find(finders[1], "two") == "b/two.png"
    assert work.indexes[root] is index
    work.forget_documents()
    assert work.indexes == {}
