"""The list of projects as a person looks at it: searched, sorted, paged, with what goes on. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from app.core.collaborators import Collaborators
from app.core.importing.samples import SampleService
from app.core.projects import ProjectService
from app.core.tasks import TaskService
from app.schemas.experiments import ExperimentRecord
from app.schemas.jobs import TERMINAL_JOB_STATUSES, JobProgress, JobRecord
from app.schemas.names import add_suffix, fold_name
from app.schemas.project_list import (
    FirstExperiment,
    ListedProject,
    NextStep,
    ProjectExtent,
    ProjectListPage,
    ProjectQuery,
    ProjectSort,
    ProjectSteps,
    ProjectWork,
)
from app.schemas.projects import ProjectSummary
from app.storage.json_store import CorruptDocumentError
from app.storage.paths import UnsafePathError

PAGE_SIZE = 24
# What is said of a time changes with the clock, so no version holds for longer.
VERSION_AGE_S = 20.0
_RANK = {"completed": 0, "training": 1, "pending": 2, "paused": 3, "interrupted": 4, "created": 5}


class ProjectListService:
    """Pages of the list, what a project holds, and its first steps."""

    def __init__(
        self, shared: Collaborators, projects: ProjectService, tasks: TaskService, samples: SampleService
    ) -> None:
        self._stores = shared.stores
        self._scheduler = shared.scheduler
        self._projects = projects
        self._tasks = tasks
        self._samples = samples

    def find_page(self, query: ProjectQuery) -> ProjectListPage:
        """Return a page of projects; one beyond the last is the last."""
        listed = self._projects.list_projects()
        jobs = self._jobs_by_project()
        needle = fold_name(query.search.strip())
        found = [
            project
            for project in listed.projects
            if (not query.task or project.task == query.task) and _holds(project, needle)
        ]
        key = _sort_key(query.sort_by, jobs)
        found.sort(key=key, reverse=query.sort_by != "name")
        num_pages = max(1, -(-len(found) // PAGE_SIZE))
        page = min(query.page, num_pages)
        return ProjectListPage(
            projects=[self._with_next_step(item, jobs) for item in found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]],
            corrupt=listed.corrupt,
            query=query.model_copy(update={"page": page}),
            num_projects=len(listed.projects),
            num_found=len(found),
            num_pages=num_pages,
            tasks=self._tasks.list_tasks().tasks,
            samples=self._samples.list_samples().samples,
        )

    def version(self) -> str:
        """Return a text that changes when a page of the list may: documents, jobs, and with the clock."""
        active = [
            (job.id, job.status, job.progress.done, job.progress.message)
            for job in self._scheduler.list_jobs()
            if job.status not in TERMINAL_JOB_STATUSES and job.is_work
        ]
        facts = (self._stores.documents.generation, int(time.time() / VERSION_AGE_S), tuple(sorted(active)))
        return f"{hash(facts) & 0xFFFF_FFFF_FFFF_FFFF:016x}"

    def get_extent(self, project_id: str) -> ProjectExtent:
        """Return what a project holds; raises NotFoundError."""
        project = self._projects.get_project(project_id)
        return ProjectExtent(
            project=self._describe(project, self._jobs_by_project()),
            task=self._tasks.find_task(project.task),
            num_splits=len(self._stores.datasets.list_split_names(project_id)),
            num_exports=len(self._stores.exports.read_all(project_id)),
            copy_name=self._free_copy_name(project.name),
        )

    def get_steps(self, project_id: str) -> ProjectSteps:
        """Return how far a project is; raises NotFoundError."""
        return self._find_steps(self._describe(self._projects.get_project(project_id), self._jobs_by_project()))

    def _with_next_step(self, project: ProjectSummary, jobs_by_project: Mapping[str, list[JobRecord]]) -> ListedProject:
        described = self._describe(project, jobs_by_project)
        return described.model_copy(update={"next_step": self._find_steps(described).next_step})

    def _find_steps(self, project: ListedProject) -> ProjectSteps:
        experiment, is_evaluated = self._furthest_experiment(project.id)
        steps = ProjectSteps(
            project=project,
            next_step="import",
            split_name=next(iter(self._stores.datasets.list_split_names(project.id)), None),
            experiment=None
            if experiment is None
            else FirstExperiment(id=experiment.id, name=experiment.name, status=experiment.status),
            has_evaluation=is_evaluated,
            num_exports=len(self._stores.exports.read_all(project.id)),
        )
        return steps.model_copy(update={"next_step": _next_step(steps)})

    def _jobs_by_project(self) -> Mapping[str, list[JobRecord]]:
        """Return the jobs of each project, oldest first."""
        found: dict[str, list[JobRecord]] = {}
        for job in reversed(self._scheduler.list_jobs()):
            if job.is_work:
                found.setdefault(job.project_id, []).append(job)
        return found

    def _describe(self, project: ProjectSummary, jobs_by_project: Mapping[str, list[JobRecord]]) -> ListedProject:
        jobs = jobs_by_project.get(project.id, [])
        imports = [job for job in jobs if job.kind == "import" and job.status in TERMINAL_JOB_STATUSES]
        work = self._work([job for job in jobs if job.status not in TERMINAL_JOB_STATUSES])
        has_failed = project.num_images == 0 and work is None and bool(imports)
        return ListedProject(
            **project.model_dump(),
            changed_at=_changed_at(project, jobs),
            work=work,
            failed_import=imports[-1].error if has_failed else None,
        )

    def _work(self, active: list[JobRecord]) -> ProjectWork | None:
        if not active:
            return None
        job = next((job for job in active if job.status == "running"), active[0])
        return ProjectWork(
            job_id=job.id,
            kind=job.kind,
            is_running=job.status == "running",
            progress=self._epochs(job) if "run_id" in job.subject else job.progress,
            num_more=len(active) - 1,
        )

    def _epochs(self, job: JobRecord) -> JobProgress:
        """Return how far a run is. What its job reports is how far its preparation is."""
        experiment_id, run_id = job.subject.get("experiment_id", ""), job.subject["run_id"]
        try:
            record = self._stores.experiments.read(job.project_id, experiment_id)
            done = len(self._stores.experiments.read_metrics(job.project_id, experiment_id, run_id).epochs)
        except (FileNotFoundError, CorruptDocumentError, UnsafePathError):
            return JobProgress()
        total = int(record.hyperparameters.get("max_epochs", 0))
        return JobProgress(done=done, total=total, message="Epochs" if done else "Preparing")

    def _free_copy_name(self, name: str) -> str:
        taken = {fold_name(project.name) for project in self._projects.list_projects().projects}
        number, suffix = 1, " copy"
        while fold_name(free := add_suffix(name, suffix)) in taken:
            number += 1
            suffix = f" copy {number}"
        return free

    def _furthest_experiment(self, project_id: str) -> tuple[ExperimentRecord | None, bool]:
        """Return the one that has come furthest, and whether it is evaluated."""
        records = self._stores.experiments.read_all(project_id)
        for record in records:
            if record.status == "completed" and self._is_evaluated(project_id, record.id):
                return record, True
        return min(records, key=lambda record: _RANK.get(record.status, len(_RANK)), default=None), False

    def _is_evaluated(self, project_id: str, experiment_id: str) -> bool:
        record = self._stores.evaluations.read_completed(project_id, experiment_id)
        return record is not None and record.status == "completed"


def _holds(project: ProjectSummary, needle: str) -> bool:
    texts = (project.name, project.description or "", project.id)
    return not needle or any(needle in fold_name(text) for text in texts)


def _sort_key(sort_by: ProjectSort, jobs: Mapping[str, list[JobRecord]]) -> Callable[[ProjectSummary], Any]:
    keys: dict[ProjectSort, Callable[[ProjectSummary], Any]] = {
        "changed": lambda project: _changed_at(project, jobs.get(project.id, [])),
        "name": lambda project: (project.name.casefold(), project.id),
        "created": lambda project: project.created_at,
        "images": lambda project: project.num_images,
    }
    return keys[sort_by]


def _changed_at(project: ProjectSummary, jobs: list[JobRecord]) -> str:
    return max([project.updated_at, *(job.completed_at or job.started_at or job.created_at for job in jobs)])


def _next_step(steps: ProjectSteps) -> NextStep:
    """Return the first step that has not been made; `wait` while a job makes it."""
    experiment = steps.experiment
    done: list[tuple[NextStep, bool]] = [
        ("import", steps.project.num_images > 0),
        ("split", steps.split_name is not None),
        ("experiment", experiment is not None),
        ("train", experiment is not None and experiment.status == "completed"),
        ("evaluate", steps.has_evaluation),
        ("export", steps.num_exports > 0),
    ]
    step: NextStep = next((name for name, is_done in done if not is_done), "done")
    return "wait" if steps.project.work is not None and step != "done" else step
