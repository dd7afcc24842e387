"""Checksums are computed once for each state of a file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from app.checksum import find_checksum
from app.core import checksums
from app.core.checksums import Checksums
from app.core.exceptions import ConflictError


def test_a_file_is_read_again_only_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = tmp_path / "model", []

    def count(file: Path) -> str:
        read.append(file)
        return find_checksum(file)

    monkeypatch.setattr(checksums, "find_checksum", count)
    known = Checksums()
    path.write_bytes(b"abc")
    assert known.find(path) == known.find(path) == hashlib.sha256(b"abc").hexdigest()
    assert len(read) == 1
    path.write_bytes(b"abcd")
    assert known.find(path) == hashlib.sha256(b"abcd").hexdigest()
    assert len(read) == 2
    with pytest.raises(FileNotFoundError):
        known.find(tmp_path / "gone")


def test_a_change_is_noticed_although_the_time_of_the_file_was_put_back(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"abc")
    known = Checksums()
    checksum = known.find(path)
    before = path.stat()
    path.write_bytes(b"abd")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ConflictError):
        known.require(path, checksum)


def test_a_download_reads_the_file_again_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, now = tmp_path / "model", 0.0
    path.write_bytes(b"abc")
    known = Checksums(lambda: now)
    checksum = known.find(path)
    monkeypatch.setattr(checksums, "find_checksum", lambda file: "of what the disk gives now")
    now = checksums.VOUCHED_FOR_S
    known.require(path, checksum)
    now += 1.0
    with pytest.raises(ConflictError):
        known.require(path, checksum)
    assert known.find(path) == "of what the disk gives now"
