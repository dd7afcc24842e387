"""Ended sessions: kept until they would have ended by themselves, whatever state their file is in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.core.signed_out import SESSION_AGE_S, SignedOut
from app.storage.documents import DocumentStore
from app.storage.paths import WorkspacePaths


def open_ended(root: Path, now_s: float = 0.0) -> SignedOut:
    return SignedOut(DocumentStore(WorkspacePaths(root)), lambda: now_s)


def test_what_would_have_ended_by_itself_is_forgotten(tmp_path: Path) -> None:
    path, now = tmp_path / "signed_out.json", 100.0
    ended = SignedOut(DocumentStore(WorkspacePaths(tmp_path)), lambda: now)
    ended.add("first", 110.0)
    now = 120.0
    ended.add("second", 130.0)
    assert json.loads(path.read_text()) == {"second": 130.0}


@pytest.mark.parametrize(
    "content", ["", "[1]", '{"a": "b"}', '{"a": true}', '{"a": -1}', '{"a": 1e999}', '{"": 1}', "[" * 5000, "nonsense"]
)
def test_damaged_file_is_set_aside_and_ends_every_session_begun_before(tmp_path: Path, content: str) -> None:
    """Whoever signed out must stay out, and nobody knows who that was."""
    path = tmp_path / "signed_out.json"
    path.write_text(content)
    for now_s in (1000.0, 1010.0):  # after a restart, too
        ended = open_ended(tmp_path, now_s)
        assert ended.has("one", 900.0 + SESSION_AGE_S)
        assert not ended.has("begun since", 1000.0 + SESSION_AGE_S)
    ended.add("two", 1000.0 + SESSION_AGE_S)
    assert open_ended(tmp_path, 1020.0).has("two", 1000.0 + SESSION_AGE_S)
    (aside,) = DocumentStore(WorkspacePaths(tmp_path)).list_corrupt()
    assert aside.path.startswith(".corrupt/signed_out.json.")


def test_file_that_cannot_be_read_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "signed_out.json"
    path.mkdir()
    ended = open_ended(tmp_path)
    ended.add("one", 10.0)
    assert ended.has("one", 10.0)
    assert path.is_dir()
    path.rmdir()
    path.write_text('{"earlier": 20.0}')
    assert ended.has("earlier", 20.0)
    ended.add("two", 30.0)
    assert json.loads(path.read_text()) == {"earlier": 20.0, "one": 10.0, "two": 30.0}


def test_disk_that_cannot_be_written_ends_it_for_this_server(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = open_ended(tmp_path / "file")
    ended.add("one", 10.0)
    assert ended.has("one", 10.0)
