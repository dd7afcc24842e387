"""Sample projects: real images, a split and a first experiment, so that the next thing to do is to train.

The import job writes the images and draws the split together with the dataset, so there is never one without the
other. The experiment is made where the end of the import is seen, which is repeated after a crash of the server.
"""

from __future__ import annotations

import logging

from app.core.collaborators import Collaborators
from app.core.exceptions import AIStudioError, NotFoundError
from app.core.experiments import ExperimentService
from app.core.importing.imports import ImportService
from app.core.projects import ProjectService
from app.datasets.samples import FirstRun, Sample
from app.schemas.experiments import AugmentationSettings, ExperimentCreate
from app.schemas.jobs import JobRecord
from app.schemas.projects import ProjectCreate
from app.schemas.samples import SampleInfo, SampleList, SampleStarted
from app.schemas.splits import SplitCreate
from app.tasks.base import TaskSpec
from app.tasks.registry import list_samples

logger = logging.getLogger(__name__)
SPLIT_NAME = "main"


class SampleService:
    """Lists the samples and makes projects of them."""

    def __init__(
        self, shared: Collaborators, projects: ProjectService, imports: ImportService, experiments: ExperimentService
    ) -> None:
        self._stores = shared.stores
        self._lookup = shared.lookup
        self._projects = projects
        self._imports = imports
        self._experiments = experiments

    def list_samples(self) -> SampleList:
        """Return what there is for the tasks that are installed."""
        return SampleList(samples=[_describe(task_id, sample) for task_id, sample in list_samples().items()])

    def create_project(self, task_id: str) -> SampleStarted:
        """Create a project and start its import; raises NotFoundError for a task without a sample."""
        sample = list_samples().get(task_id)
        if sample is None:
            known = ", ".join(list_samples()) or "none"
            msg = f"There is no sample project for the task {task_id[:64]!r}. Tasks with a sample: {known}."
            raise NotFoundError(msg)
        request = ProjectCreate(name=self._free_name(sample.project_name), task=task_id, description=sample.description)
        project = self._projects.create_project(request)
        try:
            started = self._imports.import_sample(project.id, sample, SplitCreate(name=SPLIT_NAME))
        except OSError:
            self._projects.delete_project(project.id)  # without images it is no sample
            raise
        return SampleStarted(project_id=project.id, job_id=started.job_id)

    def _free_name(self, name: str) -> str:
        taken = {record.name for record in self._stores.projects.read_all()}
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name} {number}"
        return free

    def prepare_experiment(self, job: JobRecord) -> None:
        """Make the first experiment once the images of a sample are there. Safe to be called twice."""
        if "sample" not in job.subject or self._stores.experiments.count(job.project_id):
            return
        try:
            spec = self._lookup.find_spec(job.project_id)
            run = list_samples()[spec.id].first_run
            self._experiments.create_experiment(job.project_id, _first_experiment(spec, run))
        except (AIStudioError, OSError) as error:
            logger.warning("The sample project %s gets no experiment: %s", job.project_id, error)


def _describe(task_id: str, sample: Sample) -> SampleInfo:
    return SampleInfo(
        task=task_id,
        title=sample.title,
        description=sample.description,
        num_images=sample.num_images,
        licence=sample.licence,
    )


def _first_experiment(spec: TaskSpec, run: FirstRun) -> ExperimentCreate:
    fixed = list(spec.info.default_augmentations["val"])
    return ExperimentCreate(
        name=run.name,
        description=run.description,
        split_name=SPLIT_NAME,
        model=run.model,
        hyperparameters=run.hyperparameters,
        augmentations=AugmentationSettings(train=[*fixed[:1], run.train_augmentation, *fixed[1:]], val=fixed),
    )
