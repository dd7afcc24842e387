"""Checksums are computed once for each state of a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from app.checksum import find_checksum
from app.core import checksums
from app.core.checksums import Checksums


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
