"""What was answered is there after `kill -9` of the server, and no run is shown as what it is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.core.stores import open_stores
from app.core.studio import Studio
from app.schemas.common import new_id, utc_now
from app.schemas.evaluation import EvaluationRequest
from app.schemas.experiments import RunRecord
from app.schemas.export import ExportRequest
from app.storage.locks import WorkspaceInUseError
from app.storage.paths import WorkspacePaths
from tests.core.conftest import WAIT_S, create_experiment, draw_class_folders, make_studio

SERVER = """
import json, sys, time
from pathlib import Path
from app.schemas.datasets import ImportLocal
from app.schemas.evaluation import EvaluationRequest
from app.schemas.export import ExportOptions, ExportRequest
from app.schemas.projects import ProjectCreate
from app.schemas.splits import SplitCreate
from tests.core.conftest import create_experiment, make_studio, train_to_end

root, source, phase = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
studio = make_studio(root)
studio.start()
pid = studio.projects.create_project(ProjectCreate(name="Bolts", task="classification")).id
if phase == "sample":
    started = studio.samples.create_project("classification")
    pid, job = started.project_id, started.job_id
else:
    job = studio.imports.import_local(pid, ImportLocal(source_path=source)).job_id
facts = {"project": pid, "job": job}
if phase not in {"import", "sample"}:
    studio.scheduler.wait(job, 60)
    studio.splits.create_split(pid, SplitCreate(name="main"))
if phase in {"evaluation", "export"}:
    trained = train_to_end(studio, pid, create_experiment(studio, pid, "trained"))
    facts["trained"] = trained.id
    if phase == "evaluation":
        begun = studio.evaluations.start_evaluation(pid, trained.id, EvaluationRequest(batch_size=13))
    else:
        options = ExportOptions(opset_version=21)
        begun = studio.exports.create_export(pid, ExportRequest(experiment_id=trained.id, options=options))
        facts["export"] = begun.id
    facts["job"] = begun.job_id
    def has_begun():  # the record follows what is on disk of the job
        if phase == "export":
            return studio.exports.get_export(pid, begun.id).status == "running"
        return studio.evaluations.get_evaluation(pid, trained.id).evaluation.status == "running"
    while not has_begun():
        time.sleep(0.01)
if phase == "training":
    running = create_experiment(studio, pid, "running", seed=14)
    waiting = create_experiment(studio, pid, "waiting")
    facts["running"] = running.id
    facts["job"] = studio.training.start_training(pid, running.id).job_id
    facts["waiting"] = waiting.id
    facts["waiting_job"] = studio.training.start_training(pid, waiting.id).job_id
    while not studio.experiments.read_metrics(pid, running.id).epochs:
        time.sleep(0.01)
    facts["pid"] = studio.scheduler.get(facts["job"]).pid
print(json.dumps(facts), flush=True)
time.sleep(60)
"""


def run_server_and_kill_it(root: Path, source: Path, phase: str) -> dict[str, str]:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(root), str(source), phase], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    facts: dict[str, str] = json.loads(server.stdout.readline())
    server.kill()
    server.communicate()
    return facts


def is_running(pid: int) -> bool:
    """A zombie does not run; where nobody reaps orphans it stays listed."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return draw_class_folders(tmp_path / "source")


def test_a_killed_server_comes_back_with_the_truth(tmp_path: Path, source: Path) -> None:
    facts = run_server_and_kill_it(tmp_path / "workspace", source, "training")
    studio = make_studio(tmp_path / "workspace")
    studio.start()
    try:
        check_training(studio, facts)
    finally:
        studio.stop()


def check_training(studio: Studio, facts: dict[str, str]) -> None:
    project_id = facts["project"]
    record = studio.experiments.get_experiment(project_id, facts["running"])
    assert record.status == "interrupted"
    assert not is_running(int(facts["pid"]))
    epochs = [epoch.epoch for epoch in studio.experiments.read_metrics(project_id, record.id).epochs]
    assert epochs == list(range(1, len(epochs) + 1))
    logged = [line for line in studio.bus.read(project_id, 0, 10_000) if line.type == "EPOCH_FINISHED"]
    mine = [line.payload["metrics"]["epoch"] for line in logged if line.job_id == facts["job"]]
    assert mine == epochs
    waiting = studio.scheduler.wait(facts["waiting_job"], WAIT_S)
    assert waiting.status == "completed"
    assert studio.experiments.get_experiment(project_id, facts["waiting"]).status == "completed"
    resumed = studio.training.resume_training(project_id, record.id)
    studio.training.stop_training(project_id, record.id, keep=False)
    assert studio.scheduler.wait(resumed.job_id or "", 20).status == "cancelled"


def test_a_killed_import_leaves_the_project_and_no_half_dataset(tmp_path: Path, source: Path) -> None:
    facts = run_server_and_kill_it(tmp_path / "workspace", source, "import")
    studio = make_studio(tmp_path / "workspace")
    studio.start()
    try:
        job = studio.scheduler.wait(facts["job"], WAIT_S)  # one that had not begun starts again by itself
        has_dataset = studio.projects.get_project(facts["project"]).num_images == 20
        assert (job.status == "completed") == has_dataset
        assert job.status in {"completed", "interrupted"}
        staging = list((tmp_path / "workspace" / "projects" / facts["project"]).glob("staging/job-*"))
        assert staging == []
    finally:
        studio.stop()


@pytest.mark.slow
def test_a_killed_sample_is_whole_or_empty(tmp_path: Path, source: Path) -> None:
    facts = run_server_and_kill_it(tmp_path / "workspace", source, "sample")
    studio = make_studio(tmp_path / "workspace")
    studio.start()
    try:
        has_completed = studio.scheduler.wait(facts["job"], WAIT_S).status == "completed"
        project = studio.projects.get_project(facts["project"])
        assert (project.num_images > 0, project.num_experiments) == (has_completed, int(has_completed))
        if has_completed:
            assert len(studio.splits.list_splits(project.id).splits) == 1
    finally:
        studio.stop()


@pytest.mark.parametrize("phase", ["evaluation", "export"])
def test_a_killed_evaluation_or_export_is_interrupted_and_can_be_repeated(
    tmp_path: Path, source: Path, phase: str
) -> None:
    facts = run_server_and_kill_it(tmp_path / "workspace", source, phase)
    studio = make_studio(tmp_path / "workspace")
    studio.start()
    try:
        assert studio.scheduler.get(facts["job"]).status == "interrupted"
        assert studio.experiments.get_experiment(facts["project"], facts["trained"]).status == "completed"
        repeat(studio, facts, phase)
    finally:
        studio.stop()


def repeat(studio: Studio, facts: dict[str, str], phase: str) -> None:
    project_id, experiment_id = facts["project"], facts["trained"]
    if phase == "evaluation":
        evaluation = studio.evaluations.get_evaluation(project_id, experiment_id).evaluation
        assert evaluation is not None
        assert evaluation.status == "interrupted"
        job_id = studio.evaluations.start_evaluation(project_id, experiment_id, EvaluationRequest()).job_id
    else:
        assert studio.exports.get_export(project_id, facts["export"]).status == "interrupted"
        job_id = studio.exports.create_export(project_id, ExportRequest(experiment_id=experiment_id)).job_id
    assert studio.scheduler.wait(job_id or "", WAIT_S).status == "completed"


def test_two_servers_do_not_share_a_workspace(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceInUseError):
        make_studio(tmp_path / "workspace").start()


def test_a_run_that_was_killed_before_it_became_the_current_one_is_interrupted(
    tmp_path: Path, imported_workspace: Path
) -> None:
    root = shutil.copytree(imported_workspace, tmp_path / "workspace")
    studio = make_studio(root)
    studio.start()
    project_id = studio.projects.list_projects().projects[0].id
    experiment_id = create_experiment(studio, project_id).id
    studio.stop()
    run = RunRecord(id=new_id("run"), experiment_id=experiment_id, job_id=new_id("job"), created_at=utc_now())
    open_stores(WorkspacePaths(root)).experiments.create_run(project_id, run)
    studio = make_studio(root)
    studio.start()
    try:
        assert [each.status for each in studio.experiments.list_runs(project_id, experiment_id).runs] == ["interrupted"]
        assert studio.experiments.get_experiment(project_id, experiment_id).status == "created"
    finally:
        studio.stop()
