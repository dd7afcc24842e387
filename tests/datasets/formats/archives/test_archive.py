"""Zips from strangers: every refused entry by its name, and nothing outside of the target or larger than allowed."""

from __future__ import annotations

import io
import stat
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.datasets.formats.archives import archive
from app.datasets.formats.base import SourceError
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.work import Work
from app.schemas.job_context import JobCancelled
from app.schemas.payloads import ImportLimits

LIMITS = ImportLimits()


def extract_zip(
    path: Path, target: Path, limits: ImportLimits, on_progress: Callable[[int, int], None] | None = None
) -> ProblemList:
    def tell(doing: str, done: int, total: int) -> None:
        if on_progress is not None and doing == "Unpacking":
            on_progress(done, total)

    return archive.extract_zip(path, target, Work(limits, tell, interval_s=0.0))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "target"
    folder.mkdir(parents=True)
    return folder


def pack(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def special(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (mode | 0o644) << 16
    return entry


def written(target: Path) -> dict[str, bytes]:
    return {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if not p.is_dir()}


def refused(problems: ProblemList) -> dict[str, str]:
    return {item.file: item.message for item in problems.named}


def test_files_are_unpacked_with_their_folders(tmp_path: Path, target: Path) -> None:
    source = pack(tmp_path / "a.zip", ("cat/", b""), ("cat/1.png", b"one"), ("dog/2.png", b"two" * 100_000))
    seen: list[tuple[int, int]] = []
    problems = extract_zip(source, target, LIMITS, lambda done, total: seen.append((done, total)))
    assert written(target) == {"cat/1.png": b"one", "dog/2.png": b"two" * 100_000}
    assert (problems.num_problems, seen[0], seen[-1]) == (0, (0, 2), (2, 2))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("../evil.png", "with '..'"),
        ("a/../../evil.png", "with '..'"),
        ("/evil.png", "absolute"),
        ("C:/evil.png", "absolute"),
        ("..\\evil.png", "with '..'"),
        ("e\nvil.png", "no file name has"),
        ("x" * 300, "too long"),
        ("d/" * 40 + "a.png", "too deep"),
        (special("evil.png", stat.S_IFLNK), "a link"),
        (special("evil.png", stat.S_IFCHR), "a device"),
        (special("evil.png", stat.S_IFIFO), "a device or pipe"),
    ],
)
def test_entries_that_are_no_plain_files_are_refused(
    tmp_path: Path, target: Path, entry: str | zipfile.ZipInfo, message: str
) -> None:
    problems = extract_zip(pack(tmp_path / "a.zip", (entry, b"../x"), ("good.png", b"good")), target, LIMITS)
    assert written(target) == {"good.png": b"good"}
    assert len(problems.named) == problems.num_problems == 1
    assert message in problems.named[0].message
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("a.PNG", "cannot tell the name from 'a.png'"),
        ("é.png", "cannot tell the name"),
        ("a.png/b.png", "file and a folder"),
        ("dir", "file and a folder"),
    ],
)
def test_twins_are_refused(tmp_path: Path, target: Path, second: str, message: str) -> None:
    entries = [("a.png", b"1"), ("e\u0301.png", b"2"), ("dir/c.png", b"3"), (second, b"4")]
    problems = extract_zip(pack(tmp_path / "a.zip", *entries), target, LIMITS)
    assert message in refused(problems)[second]
    assert sorted(written(target).values()) == [b"1", b"2", b"3"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicates_are_refused(tmp_path: Path, target: Path) -> None:
    problems = extract_zip(pack(tmp_path / "a.zip", ("a.png", b"1"), ("a.png", b"2")), target, LIMITS)
    assert (written(target), list(refused(problems))) == ({"a.png": b"1"}, ["a.png"])


def test_junk_is_ignored_in_silence(tmp_path: Path, target: Path) -> None:
    source = pack(tmp_path / "a.zip", ("__MACOSX/._a.png", b"x"), (".DS_Store", b"x"), ("a.png", b"1"))
    problems = extract_zip(source, target, LIMITS)
    assert (list(written(target)), problems.num_problems) == (["a.png"], 0)


@pytest.mark.parametrize(
    "entries", [(), (("a/", b""), ("a/b/", b"")), (("__MACOSX/._a.png", b"x"), (".DS_Store", b"x"))]
)
def test_an_empty_zip_is_refused_as_that(tmp_path: Path, target: Path, entries: tuple[tuple[str, bytes], ...]) -> None:
    with pytest.raises(SourceError, match=r"The zip 'a\.zip' has no files in it\.") as refused:
        extract_zip(pack(tmp_path / "a.zip", *entries), target, LIMITS)
    assert refused.value.fix == "Choose a zip with images in it, or pack the folder again."


def forge(path: Path, offset_in_directory: int, value: bytes, name: bytes = b"evil.png") -> None:
    """Change a field of the central directory's entry of a name."""
    data = bytearray(path.read_bytes())
    start = data.rfind(name) - 46
    data[start + offset_in_directory : start + offset_in_directory + len(value)] = value
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (8, struct.pack("<H", 1), "encrypted"),
        (10, struct.pack("<H", 14), "method that is not supported"),
        (24, struct.pack("<I", 2), "damaged"),
        (24, struct.pack("<I", 500_000), "smaller than it says"),
        (16, struct.pack("<I", 12345), "damaged"),
        (42, struct.pack("<I", 0), "belong to another entry"),
        (42, struct.pack("<I", 0x7FFFFFFF), "outside of the archive"),
        (20, struct.pack("<I", 0x7FFFFFFF), "outside of the archive"),
        (20, struct.pack("<I", 1), "damaged"),
        (24, struct.pack("<I", 0x7FFFFFFF), "times its size"),
        (46, b"\0", "NUL"),
    ],
)
def test_entries_that_lie_are_refused(tmp_path: Path, target: Path, offset: int, value: bytes, message: str) -> None:
    source = pack(
        tmp_path / "a.zip", ("first.png", b"first"), ("evil.png", bytes(range(256)) * 4), ("last.png", b"last")
    )
    forge(source, offset, value)
    problems = extract_zip(source, target, LIMITS)
    (refusal,) = [text for name, text in refused(problems).items() if name.endswith("vil.png")]
    assert message in refusal
    assert "evil.png" not in written(target)
    assert written(target)["last.png"] == b"last"


def test_a_bomb_is_refused_and_the_others_are_unpacked(tmp_path: Path, target: Path) -> None:
    source = pack(tmp_path / "a.zip", ("bomb.png", bytes(20_000_000)), ("a.png", b"1"))
    problems = extract_zip(source, target, LIMITS)
    assert (list(written(target)), "200 times" in refused(problems)["bomb.png"]) == (["a.png"], True)


def test_the_total_is_limited_by_what_is_declared_and_by_what_is_written(tmp_path: Path, target: Path) -> None:
    source = pack(tmp_path / "a.zip", *((f"{i}.png", bytes(1000)) for i in range(10)))
    with pytest.raises(SourceError, match="unpacks to more than"):
        extract_zip(source, target, ImportLimits(max_total_bytes=9_999))
    assert not written(target)
    assert extract_zip(source, target, ImportLimits(max_total_bytes=10_000)).num_problems == 0


def test_the_number_of_entries_is_limited(tmp_path: Path, target: Path) -> None:
    source = pack(tmp_path / "a.zip", *((f"{i}.png", b"1") for i in range(11)))
    with pytest.raises(SourceError, match="more than 10 entries"):
        extract_zip(source, target, ImportLimits(max_entries=10))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + bytes(50), b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_zip_is_refused(tmp_path: Path, target: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(SourceError, match="not a usable zip"):
        extract_zip(tmp_path / "a.zip", target, LIMITS)


def test_the_caller_can_end_it_within_an_entry(tmp_path: Path, target: Path) -> None:
    calls: list[int] = []

    def cancel(done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == 3:
            raise JobCancelled

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", bytes(4_000_000))
    with pytest.raises(JobCancelled):
        extract_zip(tmp_path / "a.zip", target, LIMITS, cancel)


def sample_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/1.png", b"one" * 50)
        archive.writestr("dog/2.png", b"two" * 50)
    return buffer.getvalue()


SAMPLE = sample_zip()


@settings(max_examples=120, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_no_damage_leads_out_or_to_another_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(SAMPLE)
    for place, value in changes:
        data[place] = value
    folder = tmp_path_factory.mktemp("zip")
    (folder / "a.zip").write_bytes(data)
    (folder / "target").mkdir()
    try:
        extract_zip(folder / "a.zip", folder / "target", LIMITS)
    except SourceError:
        assert not written(folder / "target")
    assert {path.name for path in folder.iterdir()} == {"a.zip", "target"}
    assert all(data in {b"one" * 50, b"two" * 50, b""} for data in written(folder / "target").values())


def test_eight_times_as_many_names_take_about_eight_times_as_long(tmp_path: Path, target: Path) -> None:
    def time_names(num_entries: int) -> float:
        names = [f"class {number % 10}/{number}.png" for number in range(num_entries)]
        path = pack(tmp_path / f"{num_entries}.zip", *((name, b"") for name in names))

        def tell(doing: str, done: int, total: int) -> None:
            if doing == "Unpacking":  # the names are done, and this is not about the disk
                raise JobCancelled

        started = time.process_time()
        with pytest.raises(JobCancelled):
            archive.extract_zip(path, target, Work(LIMITS, tell, interval_s=0.0))
        return time.process_time() - started

    time_names(100)
    assert time_names(32_000) < 14 * time_names(4_000)
