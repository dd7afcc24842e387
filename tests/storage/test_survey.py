"""The look at every document of a workspace: what no page would miss is named too, at little cost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.storage import survey
from app.storage.documents import DocumentStore
from app.storage.event_log import ProjectEventLog
from app.storage.paths import WorkspacePaths
from app.storage.survey import Survey


def name_problems(root: Path) -> dict[str, str]:
    documents = DocumentStore(WorkspacePaths(root))
    return {item.path: item.reason for item in Survey(documents).list_problems()}


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "measurements.json").symlink_to(tmp_path / "gone")
    assert "leads nowhere" in name_problems(tmp_path)["measurements.json"]


def test_a_damaged_list_of_ended_sessions_is_named(tmp_path: Path) -> None:
    path = tmp_path / "signed_out.json"
    path.write_text('{"a session": 1.5}')
    assert name_problems(tmp_path) == {}
    path.write_text('{"a session": "tomorrow"}')
    assert list(name_problems(tmp_path)) == ["signed_out.json"]


@pytest.mark.parametrize("line", ['{"id": "evt-1"}', '{"seq": 1e999}', '{"seq": "2"}', "far away", "[2]"])
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "projects" / "proj-00000001" / "events.jsonl"
    path.parent.mkdir(parents=True)
    name = path.relative_to(tmp_path).as_posix()
    ProjectEventLog(path, "proj-00000001").append("X", {})
    whole = path.read_text()
    assert name not in name_problems(tmp_path)
    far = whole.strip().replace('"seq":1,', '"seq":9000000000000000,')
    path.write_text(f"{whole}{far if line == 'far away' else line}\n")
    assert "1 of its 2 lines" in name_problems(tmp_path)[name]


def test_records_that_are_too_large_are_named_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path) -> None:
        pytest.fail(f"{path} was read")

    monkeypatch.setattr(survey, "_check_syntax", read)
    names = {"workspace.json", "measurements.json", "signed_out.json", ".locks/server.json"}
    (tmp_path / ".locks").mkdir()
    for name in names:
        (tmp_path / name).write_text("{")
        os.truncate(tmp_path / name, 2**31)
    assert set(name_problems(tmp_path)) == names
