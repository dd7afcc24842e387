"""One bad entry of a zip stops no good one: each is named, whatever is wrong with it."""

from __future__ import annotations

import errno
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.datasets.formats.archives import archive
from app.datasets.formats.archives.zip_directory import BadEntry, ZipEntry, read_directory, read_entry
from app.datasets.formats.layouts.walking import resolve_inside
from app.datasets.formats.report.problem_list import ProblemList
from app.datasets.formats.work import Work
from app.schemas.payloads import ImportLimits

NAMES = ["a/1.png", "a/evil.png", "b/3.png"]


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in NAMES:
            target.writestr(name, name.encode() * 50)
    return path


def unpack(path: Path, limits: ImportLimits | None = None) -> tuple[list[str], ProblemList]:
    target = path.parent / "target"
    target.mkdir()
    problems = archive.extract_zip(path, target, Work(limits))
    return sorted(item.relative_to(target).as_posix() for item in target.rglob("*") if item.is_file()), problems


def in_directory(offset: int, value: bytes) -> Callable[[bytearray], None]:
    """Return a change of the entry `evil.png` in the directory."""

    def change(data: bytearray) -> None:
        start = data.rfind(b"a/evil.png") - 46 + offset
        data[start : start + len(value)] = value

    return change


def in_header(offset: int, value: bytes) -> Callable[[bytearray], None]:
    """Return a change of the header before the bytes of `evil.png`."""

    def change(data: bytearray) -> None:
        start = data.find(b"a/evil.png") - 30 + offset
        data[start : start + len(value)] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        in_directory(0, b"XXXX"),
        in_directory(8, struct.pack("<H", 0x801)),
        in_directory(10, struct.pack("<H", 12)),
        in_directory(10, struct.pack("<H", 99)),
        in_directory(16, b"\0\1\2\3"),
        in_directory(20, struct.pack("<I", 0x7FFFFFFF)),
        in_directory(24, b"\xff\xff\xff\xff"),
        in_directory(32, struct.pack("<H", 0xFFFF)),
        in_directory(42, struct.pack("<I", 7)),
        in_header(0, b"XXXX"),
        in_header(26, struct.pack("<H", 3)),
        in_header(30, b"b/live.png"),
        in_header(42, b"\xff\xff\xff\xff"),
    ],
)
def test_one_damaged_entry_is_named_and_the_others_are_unpacked(
    packed: Path, change: Callable[[bytearray], None]
) -> None:
    data = bytearray(packed.read_bytes())
    change(data)
    packed.write_bytes(data)
    files, problems = unpack(packed)
    assert files == ["a/1.png", "b/3.png"]
    named = [item.file for item in problems.named]
    assert named
    assert "a/evil.png" in named or named[0].startswith("entry 2 of the directory")


def test_a_name_that_is_no_utf_8_is_named(packed: Path) -> None:
    data = bytearray(packed.read_bytes())
    in_directory(8, struct.pack("<H", 0x800))(data)
    in_directory(46, b"\xff\xfe")(data)
    packed.write_bytes(data)
    files, problems = unpack(packed)
    assert files == ["a/1.png", "b/3.png"]
    assert "UTF-8" in problems.named[0].message


def test_an_entry_that_lies_about_a_huge_size_does_not_use_up_the_limit(packed: Path) -> None:
    data = bytearray(packed.read_bytes())
    in_directory(20, struct.pack("<II", 0x7FFFFFF0, 0x7FFFFFF0))(data)
    packed.write_bytes(data)
    files, problems = unpack(packed, ImportLimits(max_total_bytes=10_000))
    assert (files, problems.num_problems) == (["a/1.png", "b/3.png"], 1)


@pytest.mark.parametrize("code", [errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL])
def test_a_name_that_the_disk_refuses_is_named(packed: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(root: Path, name: str) -> Path:
        path = resolve_inside(root, name)
        if name.endswith("evil.png") and (path.parent.is_dir() or path.parent.name != "a"):
            raise OSError(code, "refused")
        return path

    monkeypatch.setattr("app.datasets.formats.archives.archive.resolve_inside", refuse)
    files, problems = unpack(packed)
    assert (files, [item.file for item in problems.named]) == (["a/1.png", "b/3.png"], ["a/evil.png"])


def test_a_failing_disk_is_no_problem_of_an_entry(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("app.datasets.formats.archives.archive.read_entry", fail)
    with pytest.raises(OSError, match="full"):
        unpack(packed)
    assert not list((packed.parent / "target").rglob("*.png"))


def test_bytes_before_the_archive_and_large_directories_are_read(packed: Path) -> None:
    packed.write_bytes(b"#!/bin/sh\n" * 100 + packed.read_bytes())
    assert unpack(packed)[0] == NAMES


def test_entries_are_those_of_the_standard_module(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for number in range(66_000):  # beyond 65,535 the directory has another form
            target.writestr(f"{number % 7}/ä{number}.png", b"x" if number % 1000 else b"content" * 50_000)
    with zipfile.ZipFile(path) as expected, path.open("rb") as file:
        entries = list(read_directory(file))
        assert len(entries) == 66_000
        assert not any(isinstance(entry, BadEntry) for entry in entries)
        good = [entry for entry in entries if isinstance(entry, ZipEntry)]
        assert [(entry.name, entry.num_bytes, entry.crc) for entry in good] == [
            (info.filename, info.file_size, info.CRC) for info in expected.infolist()
        ]
        for entry in (good[0], good[1], good[65_000]):
            assert b"".join(read_entry(file, entry)) == expected.read(entry.name)
