"""A real studio on a temporary workspace, with real imports and with engines that need no torch."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from app.config import Settings
from app.core.studio import Studio
from app.schemas.datasets import ImportCheck, ImportLocal
from app.schemas.experiments import ExperimentCreate, ExperimentRecord
from app.schemas.import_report import ImportReport
from app.schemas.projects import ProjectCreate
from app.schemas.splits import SplitCreate, SplitRatios
from tests import forked_jobs

forked_jobs.install()
FAKE_ENGINES = ("--handlers", "tests.core.fake_handlers:HANDLERS")
WAIT_S = 60.0


def make_studio(root: Path) -> Studio:
    """Return a studio that was not started."""
    settings = Settings(workspace_root=root, cancel_ask_s=1.0, cancel_terminate_s=1.0)
    return Studio(settings, worker_arguments=FAKE_ENGINES)


def draw_class_folders(root: Path, num_per_class: int = 10) -> Path:
    """Draw plain images of two classes into folders, no two of them the same."""
    for name, (red, blue) in (("red", (200, 0)), ("blue", (0, 200))):
        (root / name).mkdir(parents=True)
        for number in range(num_per_class):
            Image.new("RGB", (12, 8), (red, number, blue)).save(root / name / f"{name}_{number}.png")
    return root


@pytest.fixture(scope="session")
def imported_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one project of twenty images and a split named main; to be copied, never used itself."""
    root = tmp_path_factory.mktemp("imported")
    source = draw_class_folders(root / "source")
    studio = make_studio(root / "workspace")
    studio.start()
    project_id = studio.projects.create_project(ProjectCreate(name="Bolts", task="classification")).id
    job = studio.imports.import_local(project_id, ImportLocal(source_path=str(source)))
    assert studio.scheduler.wait(job.job_id, WAIT_S).status == "completed"
    studio.splits.create_split(project_id, SplitCreate(name="main", ratios=SplitRatios(train=0.6, val=0.2, test=0.2)))
    studio.stop()
    return root / "workspace"


@pytest.fixture(scope="session")
def trained_workspace(imported_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The imported project with one experiment that was trained to its end; to be copied, never used itself."""
    root = tmp_path_factory.mktemp("trained") / "workspace"
    shutil.copytree(imported_workspace, root)
    studio = make_studio(root)
    studio.start()
    project_id = studio.projects.list_projects().projects[0].id
    assert train_to_end(studio, project_id, create_experiment(studio, project_id)).status == "completed"
    studio.stop()
    return root


@pytest.fixture
def studio(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Studio]:
    """A running studio; its workspace is empty, or what `imported_id` or `trained` need for a test that asks for it."""
    needed = {"trained": "trained_workspace", "imported_id": "imported_workspace"}
    for name, workspace in needed.items():
        if name in request.fixturenames:
            shutil.copytree(request.getfixturevalue(workspace), tmp_path / "workspace")
            break
    running = make_studio(tmp_path / "workspace")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def project_id(studio: Studio) -> str:
    """An empty project."""
    return studio.projects.create_project(ProjectCreate(name="Bolts", task="classification")).id


@pytest.fixture
def imported_id(studio: Studio) -> str:
    """The imported project."""
    return studio.projects.list_projects().projects[0].id


@pytest.fixture
def trained(studio: Studio, imported_id: str) -> ExperimentRecord:
    """The completed experiment of the imported project, of two epochs."""
    (listed,) = studio.experiments.list_experiments(imported_id).experiments
    return studio.experiments.get_experiment(imported_id, listed.id)


def check_import(studio: Studio, project_id: str, request: ImportCheck) -> ImportReport:
    """Return the report of a dry run."""
    state = studio.import_checks.start_check(project_id, request)
    studio.scheduler.wait(state.job_id, WAIT_S)
    report = studio.import_checks.get_state(project_id, state.job_id).report
    assert report is not None
    return report


def create_experiment(studio: Studio, project_id: str, name: str = "first", **hyperparameters: int) -> ExperimentRecord:
    """Create an experiment of two epochs."""
    settings = {"max_epochs": 2, **hyperparameters}
    return studio.experiments.create_experiment(
        project_id, ExperimentCreate(name=name, split_name="main", hyperparameters=settings)
    )


def train_to_end(studio: Studio, project_id: str, record: ExperimentRecord) -> ExperimentRecord:
    """Train and return the experiment as it ended."""
    started = studio.training.start_training(project_id, record.id)
    studio.scheduler.wait(started.job_id or "", WAIT_S)
    return studio.experiments.get_experiment(project_id, record.id)
