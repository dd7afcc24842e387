"""Jobs that ended long ago and that nothing points to go, with their folders; all others stay."""

from __future__ import annotations

import time

import pytest

from app.core.exceptions import NotFoundError
from app.core.leftovers import JOB_AGE_S, LeftoverService
from app.core.old_jobs import list_unneeded_jobs
from app.core.studio import Studio
from app.schemas.evaluation import EvaluationRequest
from app.schemas.export import ExportRequest
from app.schemas.jobs import JobRecord, JobStatus
from tests.core.conftest import WAIT_S, create_experiment, train_to_end

PROJECT = "proj-00000001"
LATER = 2_000_000_000.0


def make_job(number: int, kind: str, status: JobStatus = "completed", **subject: str) -> JobRecord:
    return JobRecord(
        id=f"job-{number:08x}",
        kind=kind,
        project_id=PROJECT,
        subject=subject,
        status=status,
        created_at=f"2026-01-01T00:00:{number:02d}Z",
        completed_at=f"2026-01-01T00:01:{number:02d}Z",
    )


def find_unneeded(studio: Studio, *jobs: JobRecord, before: float = LATER) -> list[int]:
    return [int(job.id[4:], 16) for job in list_unneeded_jobs(studio._stores, jobs, before)]


def test_the_last_import_and_the_last_probe_of_each_experiment_stay(studio: Studio) -> None:
    one, two = "exp-00000001", "exp-00000002"
    jobs = [
        make_job(1, "import"),
        make_job(2, "import", "failed"),
        make_job(3, "probe", experiment_id=one),
        make_job(4, "probe", experiment_id=one),
        make_job(5, "probe", experiment_id=two),
        make_job(6, "predict", experiment_id=one),
        make_job(7, "check"),
    ]
    assert find_unneeded(studio, *jobs) == [1, 3, 6, 7]


@pytest.mark.parametrize("status", ["pending", "running"])
def test_a_job_that_goes_on_stays(studio: Studio, status: JobStatus) -> None:
    assert find_unneeded(studio, make_job(1, "predict", status, experiment_id="exp-00000001")) == []


def test_a_job_that_ended_lately_stays(studio: Studio) -> None:
    assert find_unneeded(studio, make_job(1, "check"), before=0.0) == []


def test_jobs_that_records_name_stay_until_these_are_gone(studio: Studio, imported_id: str) -> None:
    record = train_to_end(studio, imported_id, create_experiment(studio, imported_id))
    started = studio.evaluations.start_evaluation(imported_id, record.id, EvaluationRequest())
    assert studio.scheduler.wait(started.job_id or "", WAIT_S).status == "completed"
    again = studio.evaluations.start_evaluation(imported_id, record.id, EvaluationRequest())
    assert studio.scheduler.wait(again.job_id or "", WAIT_S).status == "completed"
    export = studio.exports.create_export(imported_id, ExportRequest(experiment_id=record.id))
    assert studio.scheduler.wait(export.job_id or "", WAIT_S).status == "completed"
    service = LeftoverService(studio._stores, studio.scheduler, lambda: time.time() + JOB_AGE_S + 60)
    kinds = [job.kind for job in studio.scheduler.list_jobs()]
    assert sorted(kinds) == ["evaluate", "evaluate", "export", "import", "train"]

    service.sweep()  # the first evaluation was replaced, so nothing names its job
    assert sorted(job.kind for job in studio.scheduler.list_jobs()) == ["evaluate", "export", "import", "train"]
    with pytest.raises(NotFoundError):
        studio.scheduler.get(started.job_id or "")
    assert not studio._paths.job_dir(imported_id, started.job_id or "").exists()
    assert studio._paths.job_dir(imported_id, again.job_id or "").is_dir()

    run_file = studio._paths.run_dir(imported_id, record.id, record.current_run_id or "") / "run.json"
    kept = run_file.read_bytes()
    run_file.unlink()
    run_file.mkdir()  # cannot be read now, so it may name its job
    service.sweep()
    assert len(studio.scheduler.list_jobs()) == 4
    run_file.rmdir()
    run_file.write_bytes(kept)

    studio.exports.delete_export(imported_id, export.id)
    studio.experiments.delete_experiment(imported_id, record.id)
    service.sweep()
    assert [job.kind for job in studio.scheduler.list_jobs()] == ["import"]
