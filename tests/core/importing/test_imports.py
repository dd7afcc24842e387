"""Imports: from a folder, by upload, refused and interrupted."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from app.core.exceptions import (
    ConflictError,
    DatasetNotImportedError,
    NotFoundError,
    ValidationFailedError,
)
from app.core.studio import Studio
from app.schemas.datasets import ImportCheck, ImportLocal, ImportOptions
from tests.core.conftest import WAIT_S, check_import, draw_class_folders


def upload(studio: Studio, project_id: str, names: list[Path], root: Path, **kwargs: object) -> str:
    files = [(path.relative_to(root).as_posix(), io.BytesIO(path.read_bytes())) for path in names]
    arguments = {"upload_id": None, "source_format": None, "is_final": True, "options": ImportOptions()} | kwargs
    received = studio.imports.receive_upload(project_id, files, **arguments)  # type: ignore[arg-type]
    return received.job_id or received.upload_id


def test_a_folder_becomes_a_dataset(studio: Studio, project_id: str, tmp_path: Path) -> None:
    source = draw_class_folders(tmp_path / "source")
    report = check_import(studio, project_id, ImportCheck(source_path=str(source)))
    assert (report.num_images, report.class_counts, report.can_import) == (20, {"blue": 10, "red": 10}, True)
    started = studio.imports.import_local(project_id, ImportLocal(source_path=str(source)))
    assert studio.scheduler.wait(started.job_id, WAIT_S).status == "completed"
    summary = studio.datasets.get_summary(project_id)
    assert summary.class_counts == report.class_counts
    assert summary.image_stats.max_width == 12
    assert studio.states.get_state(project_id).current_stage.status == "COMPLETED"


def test_a_second_import_is_refused(studio: Studio, imported_id: str, tmp_path: Path) -> None:
    draw_class_folders(tmp_path / "source")
    with pytest.raises(ConflictError, match="Clear it first"):
        studio.imports.import_local(imported_id, ImportLocal(source_path=str(tmp_path / "source")))
    studio.datasets.clear_dataset(imported_id)
    with pytest.raises(DatasetNotImportedError):
        studio.datasets.get_summary(imported_id)
    started = studio.imports.import_local(imported_id, ImportLocal(source_path=str(tmp_path / "source")))
    assert studio.scheduler.wait(started.job_id, WAIT_S).status == "completed"


@pytest.mark.parametrize("path", ["relative/folder", "/there/is/no/such/folder", "/a\x00b"])
def test_a_source_that_is_not_there_is_refused(studio: Studio, project_id: str, path: str) -> None:
    with pytest.raises(ValidationFailedError):
        studio.imports.import_local(project_id, ImportLocal(source_path=path))


@pytest.mark.parametrize("wrapping", ['"{}"', "  {}/ ", "file://{}", "'file://localhost{}'"])
def test_a_pasted_path_is_read_by_checks_and_imports(
    studio: Studio, project_id: str, tmp_path: Path, wrapping: str
) -> None:
    source = draw_class_folders(tmp_path / "source")
    pasted = wrapping.format(source)
    assert check_import(studio, project_id, ImportCheck(source_path=pasted)).num_images == 20
    started = studio.imports.import_local(project_id, ImportLocal(source_path=pasted))
    assert studio.scheduler.wait(started.job_id, WAIT_S).status == "completed"
    assert studio.datasets.get_summary(project_id).source_path == str(source)


def test_a_missing_path_says_which_part_of_it_exists(studio: Studio, project_id: str, tmp_path: Path) -> None:
    for start in (
        lambda path: studio.imports.import_local(project_id, ImportLocal(source_path=path)),
        lambda path: studio.import_checks.start_check(project_id, ImportCheck(source_path=path)),
    ):
        with pytest.raises(ValidationFailedError) as raised:
            start(str(tmp_path / "pictuers" / "cats"))
        details = raised.value.details
        assert isinstance(details, list)
        assert f"{str(tmp_path)!r} exists, 'pictuers' does not." in details[0].message


def test_an_empty_folder_fails_and_says_so(studio: Studio, project_id: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    report = check_import(studio, project_id, ImportCheck(source_path=str(tmp_path / "empty")))
    assert not report.can_import
    started = studio.imports.import_local(project_id, ImportLocal(source_path=str(tmp_path / "empty")))
    job = studio.scheduler.wait(started.job_id, WAIT_S)
    assert job.status == "failed"
    assert job.error is not None
    assert job.error.traceback == ""
    assert not studio.projects.get_project(project_id).num_images


def test_the_workspace_itself_is_no_source(studio: Studio, project_id: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationFailedError):
        studio.imports.import_local(project_id, ImportLocal(source_path=str(tmp_path / "workspace")))


def test_images_come_in_batches(studio: Studio, project_id: str, tmp_path: Path) -> None:
    root = draw_class_folders(tmp_path / "source", 3)
    names = sorted(root.rglob("*.png"))
    upload_id = upload(studio, project_id, names[:3], root, is_final=False)
    report = check_import(studio, project_id, ImportCheck(upload_id=upload_id))
    assert report.num_images == 3
    job_id = upload(studio, project_id, names[3:], root, upload_id=upload_id)
    assert studio.scheduler.wait(job_id, WAIT_S).status == "completed"
    assert studio.datasets.get_summary(project_id).image_stats.num_images == 6
    with pytest.raises(NotFoundError):
        check_import(studio, project_id, ImportCheck(upload_id=upload_id))


def test_a_zip_is_unpacked(studio: Studio, project_id: str, tmp_path: Path) -> None:
    root = draw_class_folders(tmp_path / "source", 2)
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for path in root.rglob("*.png"):
            target.write(path, path.relative_to(root))
    job_id = upload(studio, project_id, [archive], tmp_path)
    assert studio.scheduler.wait(job_id, WAIT_S).status == "completed"
    assert studio.datasets.get_summary(project_id).image_stats.num_images == 4


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "..\\x.png", "con.png"])
def test_names_that_lead_elsewhere_are_refused(studio: Studio, project_id: str, name: str) -> None:
    files = [(name, io.BytesIO(b"x"))]
    with pytest.raises(ValidationFailedError):
        studio.imports.receive_upload(project_id, files, None, None, True, ImportOptions())


def test_a_format_of_another_kind_is_refused(studio: Studio, project_id: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationFailedError):
        studio.imports.import_local(project_id, ImportLocal(source_path=str(tmp_path), source_format="yolo"))


def test_a_batch_may_be_sent_again_but_not_with_another_content(
    studio: Studio, project_id: str, tmp_path: Path
) -> None:
    root = draw_class_folders(tmp_path / "source", 2)
    names = sorted(root.rglob("*.png"))
    upload_id = upload(studio, project_id, names, root, is_final=False)
    upload(studio, project_id, names, root, upload_id=upload_id, is_final=False)
    assert check_import(studio, project_id, ImportCheck(upload_id=upload_id)).num_images == 4
    names[0].write_bytes(names[0].read_bytes() + b"more")
    with pytest.raises(ValidationFailedError, match="validation failed") as caught:
        upload(studio, project_id, names[:1], root, upload_id=upload_id, is_final=False)
    assert "another content" in str(caught.value.details)


def test_an_upload_can_be_given_up(studio: Studio, project_id: str, tmp_path: Path) -> None:
    root = draw_class_folders(tmp_path / "source", 1)
    upload_id = upload(studio, project_id, sorted(root.rglob("*.png")), root, is_final=False)
    assert studio.imports.remove_upload(project_id, upload_id).removed
    with pytest.raises(NotFoundError):
        studio.imports.remove_upload(project_id, upload_id)
