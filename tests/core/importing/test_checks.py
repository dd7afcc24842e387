"""Dry runs as jobs: their reports, their limits, and what becomes of those that nobody wants any more."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from app.config import Settings
from app.core.exceptions import NotFoundError, TooManyChecksError, ValidationFailedError
from app.core.importing import checks as import_checks
from app.core.studio import Studio
from app.schemas.datasets import ImportCheck, ImportLocal
from app.schemas.projects import ProjectCreate
from tests.core.conftest import FAKE_ENGINES, WAIT_S, check_import, draw_class_folders, make_studio
from tests.core.importing.test_imports import upload

MIB = 2**20


def wait_until(is_met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def endless(tmp_path: Path) -> ImportCheck:
    """A source at which a dry run looks until it is cancelled."""
    (tmp_path / "endless").mkdir()
    return ImportCheck(source_path=str(tmp_path / "endless"))


def start(studio: Studio, project_id: str, request: ImportCheck) -> str:
    return studio.import_checks.start_check(project_id, request).job_id


def test_only_the_newest_report_is_kept(studio: Studio, project_id: str, tmp_path: Path) -> None:
    source = draw_class_folders(tmp_path / "source", 2)
    (source / "red" / "bad.png").write_text("no image")
    request = ImportCheck(source_path=str(source))
    assert check_import(studio, project_id, request).num_problems == 1
    (first,) = [job.id for job in studio.scheduler.list_jobs()]
    assert studio.import_checks.get_request(project_id, first) == request
    assert "bad.png" in studio.import_checks.problems_path(project_id, first).read_text()
    check_import(studio, project_id, request)
    with pytest.raises(NotFoundError, match="is out of date"):
        studio.import_checks.get_state(project_id, first)
    check_import(studio, project_id, request)
    project = tmp_path / "workspace" / "projects" / project_id
    assert len(list((project / "jobs").iterdir())) == 1
    assert len(list((project / "checks").iterdir())) == 2
    assert [len(list((project / "checks").glob(f"*/{name}"))) for name in ("report.json", "problems.csv")] == [1, 1]


def test_preview_pictures_stay_until_the_report_after_the_next(studio: Studio, project_id: str, tmp_path: Path) -> None:
    request = ImportCheck(source_path=str(draw_class_folders(tmp_path / "source", 8)))
    report = check_import(studio, project_id, request)
    previews = report.previews
    assert [(row.class_name, len(row.pictures)) for row in previews] == [("blue", 6), ("red", 6)]
    (first,) = [job.id for job in studio.scheduler.list_jobs()]
    assert report.check_id == first
    pictures = [studio.import_checks.preview_path(project_id, first, name) for row in previews for name in row.pictures]
    assert len({path.read_bytes()[:3] for path in pictures if path.is_file()}) == 1
    for name in ("../report.json", "..", "/etc/passwd", "", "a/b.jpg", "\x00"):
        with pytest.raises(NotFoundError):
            studio.import_checks.preview_path(project_id, first, name)
    check_import(studio, project_id, request)
    again = [studio.import_checks.preview_path(project_id, first, path.name) for path in pictures]
    assert again == pictures, "a page shows the last report until it has the new one"
    check_import(studio, project_id, request)
    assert not any(path.exists() for path in pictures)
    with pytest.raises(NotFoundError, match="is out of date"):
        studio.import_checks.preview_path(project_id, first, pictures[0].name)


def test_a_newer_one_replaces_one_that_runs(
    studio: Studio, project_id: str, endless: ImportCheck, tmp_path: Path
) -> None:
    first = start(studio, project_id, endless)
    wait_until(lambda: studio.import_checks.get_state(project_id, first).progress.done > 0)
    source = draw_class_folders(tmp_path / "source", 1)
    assert check_import(studio, project_id, ImportCheck(source_path=str(source))).num_images == 2
    assert studio.scheduler.wait(first, WAIT_S).status == "cancelled"
    assert studio.import_checks.get_state(project_id, first).report is None
    assert not (tmp_path / "workspace" / "projects" / project_id / "checks" / first).exists()


def test_more_than_may_wait_are_refused_at_once(tmp_path: Path, endless: ImportCheck) -> None:
    settings = Settings(workspace_root=tmp_path / "workspace", concurrent_checks=1, waiting_checks=1, cancel_ask_s=1.0)
    studio = Studio(settings, FAKE_ENGINES)
    studio.start()
    try:
        projects = [studio.projects.create_project(ProjectCreate(name=n, task="classification")).id for n in "abc"]
        first, second = (start(studio, project, endless) for project in projects[:2])
        wait_until(lambda: studio.scheduler.get(first).status == "running")
        assert studio.scheduler.get(second).status == "pending"
        with pytest.raises(TooManyChecksError, match="AI_STUDIO_WAITING_CHECKS"):
            start(studio, projects[2], endless)
        start(studio, projects[0], endless)  # in place of its own
        assert studio.scheduler.wait(first, WAIT_S).status == "cancelled"
    finally:
        studio.stop()


def test_of_many_at_the_same_moment_no_more_are_taken_than_may_wait(tmp_path: Path, endless: ImportCheck) -> None:
    settings = Settings(workspace_root=tmp_path / "workspace", concurrent_checks=1, waiting_checks=3, cancel_ask_s=1.0)
    studio = Studio(settings, FAKE_ENGINES)
    studio.start()
    try:
        projects = [
            studio.projects.create_project(ProjectCreate(name=f"Project {number}", task="classification")).id
            for number in range(24)
        ]
        barrier = threading.Barrier(len(projects))

        def start_together(project_id: str) -> bool:
            barrier.wait(WAIT_S)
            try:
                start(studio, project_id, endless)
            except TooManyChecksError:
                return False
            return True

        with ThreadPoolExecutor(len(projects)) as pool:
            assert sum(pool.map(start_together, projects)) == 4
    finally:
        studio.stop()


def test_many_of_one_project_at_the_same_moment_do_not_wait_for_each_other(
    studio: Studio, project_id: str, endless: ImportCheck
) -> None:
    with ThreadPoolExecutor(5) as pool:
        with studio.import_checks._gate.enter(project_id):  # as a slow disk would hold up the first
            asked = [pool.submit(start, studio, project_id, endless) for _ in range(5)]
            wait_until(lambda: sum(each.done() for each in asked) == 3)
            errors = [each.exception() for each in asked if each.done()]
        assert {type(error) for error in errors} == {TooManyChecksError}
        taken = [each.result(WAIT_S) for each in asked if each.exception(WAIT_S) is None]
    assert len(set(taken)) == 2
    wait_until(lambda: sorted(job.status for job in studio.scheduler.list_jobs())[0] == "cancelled")


def test_one_that_nobody_asks_for_is_given_up(
    studio: Studio, project_id: str, endless: ImportCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = start(studio, project_id, endless)
    wait_until(lambda: studio.import_checks.get_state(project_id, job_id).progress.done > 2)
    assert studio.scheduler.get(job_id).status == "running"
    monkeypatch.setattr(import_checks, "ABANDONED_S", 0.0)
    assert studio.scheduler.wait(job_id, WAIT_S).status == "cancelled"


def test_it_keeps_neither_an_import_nor_a_deletion_waiting(
    studio: Studio, project_id: str, endless: ImportCheck, tmp_path: Path
) -> None:
    job_id = start(studio, project_id, endless)
    source = draw_class_folders(tmp_path / "source", 1)
    started = studio.imports.import_local(project_id, ImportLocal(source_path=str(source)))
    assert studio.scheduler.wait(started.job_id, WAIT_S).status == "completed"
    assert studio.datasets.describe_removal(project_id).reason is None
    studio.projects.delete_project(project_id)
    with pytest.raises(NotFoundError):
        studio.scheduler.get(job_id)
    assert not (tmp_path / "workspace" / "projects" / project_id).exists()


def test_an_upload_that_is_looked_at_can_be_given_up(
    studio: Studio, project_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = draw_class_folders(tmp_path / "source", 1)
    upload_id = upload(studio, project_id, sorted(root.rglob("*.png")), root, is_final=False)
    folder = tmp_path / "endless"
    folder.mkdir()
    monkeypatch.setattr(import_checks, "find_upload", lambda *_: folder)
    job_id = start(studio, project_id, ImportCheck(upload_id=upload_id))
    assert studio.imports.remove_upload(project_id, upload_id).removed
    assert studio.scheduler.wait(job_id, WAIT_S).status == "cancelled"


def test_the_next_server_forgets_what_the_former_looked_at(tmp_path: Path, endless: ImportCheck) -> None:
    former = make_studio(tmp_path / "workspace")
    former.start()
    project_id = former.projects.create_project(ProjectCreate(name="Bolts", task="classification")).id
    job_id = start(former, project_id, endless)
    wait_until(lambda: former.import_checks.get_state(project_id, job_id).progress.done > 0)
    former.stop()
    orphan = tmp_path / "workspace" / "projects" / project_id / "checks" / "job-0000abcd"
    orphan.mkdir(parents=True)
    studio = make_studio(tmp_path / "workspace")
    studio.start()
    try:
        assert studio.import_checks.get_state(project_id, job_id).status == "interrupted"
        assert not list(orphan.parent.iterdir())
    finally:
        studio.stop()


def test_a_job_that_fails_has_a_report_that_says_so(studio: Studio, project_id: str, tmp_path: Path) -> None:
    (tmp_path / "crashing").mkdir()
    report = check_import(studio, project_id, ImportCheck(source_path=str(tmp_path / "crashing")))
    assert (report.can_import, report.is_complete, report.problems[0].message) == (False, False, "The look failed.")
    assert report.check_id == studio.scheduler.list_jobs()[0].id


def test_a_missing_source_and_an_unknown_job_are_refused(studio: Studio, project_id: str) -> None:
    with pytest.raises(ValidationFailedError):
        start(studio, project_id, ImportCheck(source_path="/there/is/nothing"))
    with pytest.raises(NotFoundError):
        studio.import_checks.get_state(project_id, "job-00000000")
    assert not studio.scheduler.list_jobs()


@pytest.mark.parametrize("kind", ["check", "import"])
def test_a_document_of_very_many_entries_ends_within_its_memory(tmp_path: Path, kind: str) -> None:
    limit = 256 * MIB
    settings = Settings(workspace_root=tmp_path / "workspace", max_import_memory=limit, max_entries=10**7)
    studio = Studio(settings, FAKE_ENGINES)
    studio.start()
    try:
        project_id = studio.projects.create_project(ProjectCreate(name="Bolts", task="classification")).id
        entry = '{"image_id":1,"category_id":1}'
        document = tmp_path / "labels.json"
        with document.open("w") as file:
            file.write('{"images":[],"categories":[],"annotations":[' + entry)
            for _ in range(200):
                file.write(f",{entry}" * 10_000)
            file.write("]}")
        most = 0

        def measure(job_id: str) -> bool:
            nonlocal most
            job = studio.scheduler.get(job_id)
            if job.pid is not None and psutil.pid_exists(job.pid):
                with contextlib.suppress(psutil.Error):
                    most = max(most, psutil.Process(job.pid).memory_info().rss)
            return job.status not in ("pending", "running")

        if kind == "check":
            job_id = start(studio, project_id, ImportCheck(source_path=str(document)))
            wait_until(lambda: measure(job_id))
            report = studio.import_checks.get_state(project_id, job_id).report
            assert report is not None
            assert not report.is_complete
            message = report.problems[0].message + report.problems[0].fix
        else:
            job_id = studio.imports.import_local(project_id, ImportLocal(source_path=str(document))).job_id
            wait_until(lambda: measure(job_id))
            error = studio.scheduler.get(job_id).error
            assert error is not None
            message = error.message
        assert "256 MiB" in message
        assert "AI_STUDIO_MAX_IMPORT_MEMORY" in message
        assert 0 < most < 1.5 * limit
    finally:
        studio.stop()
