"""Ended sessions: kept until they would have ended by themselves, whatever state their file is in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.core.signed_out import SignedOut


def test_what_would_have_ended_by_itself_is_forgotten(tmp_path: Path) -> None:
    path, now = tmp_path / "signed_out.json", 100.0
    ended = SignedOut(path, lambda: now)
    ended.add("first", 110.0)
    now = 120.0
    ended.add("second", 130.0)
    assert json.loads(path.read_text()) == {"second": 130.0}


@pytest.mark.parametrize("content", ["", "[1]", '{"a": "b"}', "[" * 5000, "nonsense"])
def test_damaged_file_is_no_session_and_no_failure(tmp_path: Path, content: str) -> None:
    path = tmp_path / "signed_out.json"
    path.write_text(content)
    ended = SignedOut(path, lambda: 0.0)
    assert "one" not in ended
    ended.add("one", 10.0)
    assert "one" in SignedOut(path, lambda: 0.0)


def test_disk_that_cannot_be_written_ends_it_for_this_server(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = SignedOut(tmp_path / "file" / "signed_out.json", lambda: 0.0)
    ended.add("one", 10.0)
    assert "one" in ended
