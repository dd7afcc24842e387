"""Ended sessions: kept until they would have ended by themselves, whatever state their file is in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.core.signed_out import SESSION_AGE_S, SignedOut


def test_what_would_have_ended_by_itself_is_forgotten(tmp_path: Path) -> None:
    path, now = tmp_path / "signed_out.json", 100.0
    ended = SignedOut(path, lambda: now)
    ended.add("first", 110.0)
    now = 120.0
    ended.add("second", 130.0)
    assert json.loads(path.read_text()) == {"second": 130.0}


@pytest.mark.parametrize("content", ["", "[1]", '{"a": "b"}', "[" * 5000, "nonsense"])
def test_damaged_file_ends_every_session_begun_before(tmp_path: Path, content: str) -> None:
    """Whoever signed out must stay out, and nobody knows who that was."""
    path, now = tmp_path / "signed_out.json", 1000.0
    path.write_text(content)
    for _ in range(2):  # after a restart, too
        ended = SignedOut(path, lambda: now)
        assert ended.has("one", 900.0 + SESSION_AGE_S)
        assert not ended.has("begun since", 1000.0 + SESSION_AGE_S)
    assert len(list((tmp_path / ".corrupt").glob("*.reason"))) == 1


def test_file_that_cannot_be_read_ends_every_session_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "signed_out.json"
    path.mkdir()
    ended = SignedOut(path, lambda: 1000.0)
    assert ended.has("one", 900.0 + SESSION_AGE_S)
    assert path.is_dir()


def test_disk_that_cannot_be_written_ends_it_for_this_server(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = SignedOut(tmp_path / "file" / "signed_out.json", lambda: 0.0)
    ended.add("one", 10.0)
    assert ended.has("one", 10.0)
