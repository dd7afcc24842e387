"""Ids and names from outside become paths only after a full match."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.storage.paths import UnsafePathError, WorkspacePaths, check_id, check_name, contained


@pytest.mark.parametrize(
    "value", ["", "proj-", "proj-1234567", "proj-123456789", "proj-1234567g", "proj-12345678\n", "../proj-12345678"]
)
def test_malformed_ids_are_refused(value: str) -> None:
    with pytest.raises(UnsafePathError):
        check_id("proj", value)


def test_an_id_of_another_kind_is_refused() -> None:
    with pytest.raises(UnsafePathError):
        check_id("proj", "exp-12345678")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "a\x00", "con.jpg", "LPT1", "a:b", "x" * 256, "../x", "a\nb"]
)
def test_names_that_are_not_plain_are_refused(name: str) -> None:
    with pytest.raises(UnsafePathError):
        check_name(name)


@given(st.text(max_size=300))
def test_a_name_is_refused_or_stays_inside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.getbasetemp()
    try:
        path = contained(root, name)
    except (UnsafePathError, UnicodeEncodeError):
        return
    assert path.parent == root.resolve()


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(UnsafePathError, match="leads out"):
        contained(root, "link")


def test_every_location_lies_in_the_workspace(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    project, experiment = "proj-0123abcd", "exp-0123abcd"
    locations = [
        paths.project_file(project),
        paths.events_file(project),
        paths.dataset_file(project),
        paths.run_dir(project, experiment, "run-0123abcd"),
        paths.evaluation_dir(project, experiment),
        paths.export_dir(project, "export-0123abcd"),
        paths.job_dir(project, "job-0123abcd"),
        paths.upload_dir(project, "upload-0123abcd"),
    ]
    assert len(locations) == 8
    assert all(location.is_relative_to(paths.project_dir(project)) for location in locations)


def test_lock_files_lie_outside_of_what_can_be_deleted(tmp_path: Path) -> None:
    paths = WorkspacePaths(tmp_path)
    lock = paths.lock_file(paths.project_file("proj-0123abcd"))
    assert not lock.is_relative_to(paths.projects_dir)
