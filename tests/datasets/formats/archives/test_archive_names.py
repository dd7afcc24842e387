"""Names in zips as packers of many systems write them, archives of other kinds, and what is counted as lost."""

from __future__ import annotations

import gzip
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.annotations.registry import get_kind
from app.datasets.formats.archives.archive import extract_zip
from app.datasets.formats.archives.kinds import find_other_archive, name_archive
from app.datasets.formats.base import SourceError
from app.datasets.formats.layouts.tree import has_image_ending
from app.datasets.formats.report.check import check_source
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.source import Source
from app.datasets.formats.work import Work
from tests.datasets.formats.raw_zip import unicode_path, write_zip
from tests.datasets.pictures import gradient, write_image

UTF_8 = 0x800


def unpack(path: Path) -> tuple[list[str], ProblemList]:
    target = path.parent / f"{path.stem}-unpacked"
    target.mkdir()
    problems = extract_zip(path, target, Work())
    return sorted(item.relative_to(target).as_posix() for item in target.rglob("*") if item.is_file()), problems


@pytest.mark.parametrize(
    ("names", "encoding", "title"),
    [
        (["Birnen/ä.png", "Äpfel/1.png"], "utf-8", "UTF-8"),
        (["Birnen/ä.png", "Äpfel/1.png"], "cp437", "code page 437"),
        (["Birnen/öl.png", "Äpfel/1.png"], "cp1252", "Windows-1252"),
        (["りんご/1.png", "テスト/写真.png"], "cp932", "Shift-JIS (Japanese)"),
        (["груша/1.png", "яблоко/1.png"], "cp866", "code page 866 (Cyrillic)"),
    ],
)
def test_names_without_a_stated_encoding_are_read(tmp_path: Path, names: list[str], encoding: str, title: str) -> None:
    entries = [(name.encode(encoding), b"data") for name in [*names, "plain.png"]]
    found, problems = unpack(write_zip(tmp_path / "a.zip", entries))
    assert found == sorted([*names, "plain.png"])
    assert problems.num_problems == 0
    (note,) = problems.notes
    assert f"they are read as {title}, e.g. {names[0]!r}." in note


def test_names_with_the_flag_need_no_note_and_are_composed(tmp_path: Path) -> None:
    names = [unicodedata.normalize("NFD", name) for name in ("Äpfel/größe.png", "한국/1.png", "é/ñ.png")]
    found, problems = unpack(write_zip(tmp_path / "a.zip", [(name.encode(), b"x") for name in names], UTF_8))
    assert found == sorted(unicodedata.normalize("NFC", name) for name in names)
    assert (problems.notes, problems.num_problems) == ([], 0)


def test_the_field_with_the_name_in_utf_8_wins_where_it_is_of_this_name(tmp_path: Path) -> None:
    raw = [b"\x8epfel.png", b"B\x84r.png", b"caf\x82.png"]
    extras = [unicode_path(raw[0], "Äpfel.png"), unicode_path(b"other", "wrong.png"), unicode_path(raw[2], "x.png", 2)]
    found, problems = unpack(write_zip(tmp_path / "a.zip", [(name, b"x") for name in raw], extras=extras))
    assert found == ["Bär.png", "café.png", "Äpfel.png"]
    assert len(problems.notes) == 1
    found, problems = unpack(write_zip(tmp_path / "b.zip", [(raw[0], b"x")], extras=extras[:1]))
    assert (found, problems.notes) == (["Äpfel.png"], [])


def test_folders_whose_names_cannot_be_read_stay_apart(tmp_path: Path) -> None:
    names = ["Äpfel/1.png".encode(), "Öl/1.png".encode(), b"\xe9/1.png", b"\xe8/1.png"]
    found, problems = unpack(write_zip(tmp_path / "a.zip", [(name, name) for name in names]))
    assert len(found) == 4
    assert len({name.partition("/")[0] for name in found}) == 4
    assert problems.num_problems == 0


def test_a_twin_by_unicode_form_is_refused_and_counted(tmp_path: Path) -> None:
    entries = [("ä.png".encode(), b"1"), ("a\u0308.png".encode(), b"2"), ("a\u0308.txt".encode(), b"3")]
    found, problems = unpack(write_zip(tmp_path / "a.zip", entries, UTF_8))
    assert found == ["ä.png", "ä.txt"]
    assert (problems.num_problems, problems.num_lost) == (1, 1)


def test_backslashes_are_folders_and_a_backslash_within_a_letter_is_none(tmp_path: Path) -> None:
    assert "表".encode("cp932")[1:] == b"\\"
    entries = [("りんご\\表.png".encode("cp932"), b"1"), (b"cat\\1.png", b"2")]
    found, problems = unpack(write_zip(tmp_path / "a.zip", entries))
    assert (found, problems.num_problems) == (["cat/1.png", "りんご/表.png"], 0)


def test_archives_inside_the_zip_are_named_and_not_unpacked(tmp_path: Path) -> None:
    names = ["inner.zip", "data/train.tar.gz", "more.7Z", "x.rar", "cat/1.png"]
    found, problems = unpack(write_zip(tmp_path / "a.zip", [(name.encode(), b"PK") for name in names]))
    assert found == ["cat/1.png"]
    (group,) = problems.groups
    assert (group.kind, group.count, group.severity) == ("nested_archive", 4, "warning")
    assert "This tar archive inside the zip is not unpacked." in {item.message for item in problems.named}


def test_archives_beside_the_images_of_a_folder_are_named(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        write_image(tmp_path / "in" / name, gradient(20 + len(name), 30))
    (tmp_path / "in" / "rest.zip").write_bytes(b"PK")
    (tmp_path / "in" / "dog" / "old.tar.xz").write_bytes(b"x")
    report = check_source(Source(tmp_path / "in", get_kind("label"), ["image_folders"]))
    (group,) = [group for group in report.groups if group.kind == "nested_archive"]
    assert [item.file for item in group.examples] == ["rest.zip", "dog/old.tar.xz"]
    assert not any("rest.zip" in note for note in report.notes)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz", "a.7z", "a.rar", "a.zip"])
def test_archives_of_other_kinds_are_named_as_what_they_are(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    kind = {"a.7z": "7-Zip archive", "a.rar": "RAR archive", "a.zip": "RAR archive"}.get(name, "tar archive")
    if kind == "tar archive":
        mode = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz", "tar": "w"}[name.rpartition(".")[2]]
        with tarfile.open(path, mode) as target:  # type: ignore[call-overload]
            target.add(__file__, "cat/1.png")
    else:
        path.write_bytes(b"7z\xbc\xaf\x27\x1c" if name == "a.7z" else b"Rar!\x1a\x07\x00" + bytes(60))
    report = check_source(Source(path, get_kind("label"), ["image_folders"]))
    assert not report.can_import
    (problem,) = report.problems
    assert problem.message == f"{name!r} is a {kind}, which cannot be read."
    assert "pack the files as a zip" in problem.fix


def test_kinds_of_archives() -> None:
    assert [name_archive(name) for name in ("A.TAR.GZ", "b.Zip", "c.png", "zip", "d.gz")] == [
        "tar archive",
        "zip archive",
        None,
        None,
        "gzip file",
    ]


def test_a_packed_file_is_no_tar_archive(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv.gz"
    path.write_bytes(gzip.compress(b"a,b"))
    assert find_other_archive(path) == "gzip file"
    assert find_other_archive(tmp_path / "nothing") is None
    (tmp_path / "x.png").write_bytes(b"\x89PNG")
    assert find_other_archive(tmp_path / "x.png") is None


def test_a_damaged_directory_of_a_real_zip_is_still_called_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("a.png", b"x" * 100)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SourceError, match="not a usable zip archive"):
        unpack(path)


PARTS = st.sampled_from(["a", "b", "A", "ä", "a\u0308", "1", "..", "c:", "\x01", "日本", "x" * 250, ".", " "])
ENDINGS = st.sampled_from([".png", ".JPG", ".txt", ".zip", "", "/", "."])


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    names=st.lists(
        st.tuples(st.lists(PARTS, min_size=1, max_size=3), ENDINGS, st.sampled_from(["utf-8", "cp437", "cp932"])),
        max_size=8,
    ),
    is_flagged=st.booleans(),
)
def test_what_goes_in_is_unpacked_or_named_and_the_images_add_up(
    tmp_path_factory: pytest.TempPathFactory, names: list[tuple[list[str], str, str]], is_flagged: bool
) -> None:
    folder = tmp_path_factory.mktemp("zip")
    texts = ["/".join(parts) + ending for parts, ending, _ in names]
    raw = [
        text.encode("utf-8" if is_flagged else encoding, "replace")
        for text, (_, _, encoding) in zip(texts, names, strict=True)
    ]
    contents = [f"content {number}".encode() for number in range(len(raw))]
    path = write_zip(folder / "a.zip", list(zip(raw, contents, strict=True)), UTF_8 if is_flagged else 0)
    try:
        found, problems = unpack(path)
    except SourceError:  # it holds no files, or only archives and files that are no images
        assert any(map(name_archive, texts)) or all(text.endswith("/") or "/." in f"/{text}" for text in texts)
        assert not any(map(has_image_ending, texts))
        return
    unpacked = {(folder / "a-unpacked" / name).read_bytes() for name in found}
    assert unpacked <= set(contents)
    assert len(unpacked) == len(found)
    num_junk = sum(any(part.startswith(b".") and part.strip(b".") for part in name.split(b"/")) for name in raw)
    num_folders = sum(name.endswith(b"/") for name in raw)
    assert len(found) + problems.num_problems <= len(raw)
    assert len(found) + problems.num_problems >= len(raw) - num_junk - num_folders
    images = [text for text in texts if has_image_ending(text)]
    if not num_junk:
        assert sum(map(has_image_ending, found)) + problems.num_lost == len(images)
