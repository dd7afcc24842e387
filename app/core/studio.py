"""The composition root of the web process: makes every service once, takes and gives back the workspace."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from app.config import Settings
from app.core.augmentation_previews import AugmentationPreviewService
from app.core.checksums import Checksums
from app.core.collaborators import gather
from app.core.comparison.comparisons import ComparisonService
from app.core.datasets import DatasetService
from app.core.evaluation_observer import EvaluationObserver
from app.core.evaluation_results import EvaluationResultService
from app.core.evaluations import EvaluationService
from app.core.events import EventBus
from app.core.experiment_building import ExperimentBuilder
from app.core.experiments import ExperimentService
from app.core.export_observer import ExportObserver
from app.core.exports import ExportService
from app.core.forecast.forecasts import ForecastService
from app.core.forecast.probe_observer import ProbeObserver
from app.core.importing.checks import ImportCheckService
from app.core.importing.folders import FolderService
from app.core.importing.import_observer import ImportObserver
from app.core.importing.imports import ImportService
from app.core.importing.samples import SampleService
from app.core.jobs.scheduler import JobScheduler
from app.core.leftovers import LeftoverService
from app.core.predictions import PredictionService
from app.core.projects import ProjectService
from app.core.retrying import Retry
from app.core.runs.checks import RunChecker
from app.core.runs.experiment_checks import ExperimentCheckService
from app.core.runs.logs import RunLogService
from app.core.runs.more_epochs import MoreEpochsService
from app.core.runs.observer import RunObserver
from app.core.runs.queue import RunQueueService
from app.core.runs.training import TrainingService
from app.core.splits import SplitService
from app.core.stores import open_stores
from app.core.system import SystemService, explain_problem
from app.core.tasks import TaskService
from app.core.views.dataset_pages import DatasetPageService
from app.core.views.evaluation_pages import EvaluationPageService
from app.core.views.export_pages import ExportPageService
from app.core.views.job_views import JobService
from app.core.views.page_views import PageService
from app.core.views.project_list import ProjectListService
from app.core.views.settings_views import SettingsViews
from app.core.views.states import StateService
from app.core.views.training_results import TrainingResultsService
from app.core.views.training_views import TrainingViewService
from app.core.weights import WeightStore
from app.open_files import cap_streams, read_limit
from app.storage.event_log import ProjectEventLog, open_event_log
from app.storage.locks import ServerLock, WorkspaceInUseError
from app.storage.paths import WorkspacePaths

logger = logging.getLogger(__name__)
STOP_TIMEOUT_S = 3.0


def check_workspace_is_free(settings: Settings) -> None:
    """Raise WorkspaceInUseError, naming the process, when another server holds the workspace."""
    lock = ServerLock(WorkspacePaths(settings.workspace_root))
    lock.acquire()
    lock.release()


class Studio:
    """Everything that the API can ask for."""

    def __init__(self, settings: Settings, worker_arguments: Sequence[str] = ()) -> None:
        """Make the services; nothing is read or written before `start`. `worker_arguments` go to every child."""
        self.settings = settings
        self._paths = WorkspacePaths(settings.workspace_root)
        self._lock = ServerLock(self._paths)
        self._stores = stores = open_stores(self._paths)
        self.bus = bus = EventBus(self._open_log, cap_streams(settings.max_streams, read_limit()))
        self.scheduler = scheduler = JobScheduler(self._paths, bus, settings, worker_arguments, stores.documents)
        shared = gather(settings, stores, bus, scheduler)
        self.source_names = shared.source_names
        self.projects = ProjectService(shared)
        self.datasets = DatasetService(shared)
        self.imports = ImportService(shared)
        self.import_observer = ImportObserver(shared)
        self.folders = FolderService(settings)
        self.import_checks = ImportCheckService(shared)
        self.splits = SplitService(shared)
        self.weights = WeightStore(settings)
        checker = RunChecker(shared.lookup, self.weights)
        builder = ExperimentBuilder(shared, self.weights)
        self.experiments = ExperimentService(shared, builder)
        self.experiment_checks = ExperimentCheckService(shared, builder, checker)
        self.samples = SampleService(shared, self.projects, self.imports, self.experiments)
        self.training = TrainingService(shared, checker)
        self.run_queue = RunQueueService(shared)
        self.run_logs = RunLogService(shared)
        self.run_observer = RunObserver(shared)
        self.more_epochs = MoreEpochsService(shared, self.experiments, self.training)
        self.training_results = TrainingResultsService(shared)
        self.forecasts = ForecastService(shared, checker)
        self.probe_observer = ProbeObserver(shared)
        self.evaluation_observer = EvaluationObserver(shared)
        self.evaluations = EvaluationService(shared, self.evaluation_observer)
        self.evaluation_results = EvaluationResultService(shared)
        self.evaluation_pages = EvaluationPageService(shared, self.evaluations, self.evaluation_results)
        checksums = Checksums()
        self.export_observer = ExportObserver(shared)
        self.exports = ExportService(shared, checksums)
        self.comparisons = ComparisonService(shared)
        self.predictions = PredictionService(shared)
        self.augmentations = AugmentationPreviewService(shared)
        self.states = StateService(shared, checksums)
        self.system = SystemService(shared)
        self.jobs = JobService(scheduler)
        self.tasks = TaskService()
        self.project_list = ProjectListService(shared, self.projects, self.tasks, self.samples)
        self.training_views = TrainingViewService(shared, SettingsViews(shared, self.tasks, checker))
        self.pages = PageService(shared, self.projects, self.tasks)
        self.dataset_pages = DatasetPageService(shared, self.datasets)
        self.export_pages = ExportPageService(shared, self.exports, self.export_observer)
        self._leftovers = LeftoverService(stores, scheduler, weights_dir=settings.resolved_weights_dir)
        self._beginning = threading.Lock()
        self._has_begun = False
        self._begin_later = Retry(lambda: not self.take_workspace(), "The start on a disk that was read-only")
        self.import_observer.on_imported(self.samples.prepare_experiment)
        self.projects.on_delete(self.predictions.stop_project)
        self.projects.on_delete(self.augmentations.stop_project)
        self.projects.on_delete(self.import_checks.stop_project)
        self.projects.on_delete(self.states.forget)

    def start(self) -> None:
        """Take the workspace, repair what a crash left, and begin to work; raises WorkspaceInUseError.

        On a read-only disk that waits until the disk can be written: nothing can be repaired, and no job can run.
        """
        if self.system.explain_read_only():
            self.scheduler.load()
            self._begin_later.need()
            return
        self._begin()

    @property
    def is_waiting(self) -> bool:
        """Whether the start waits for a disk that was read-only; nothing may be changed before `take_workspace`."""
        return not self._has_begun

    def take_workspace(self) -> str:
        """Begin to work if that had to wait for the disk; return why nothing can be changed, empty when it can be."""
        with self._beginning:
            problem = explain_problem(self._paths.root)
            if problem or self._has_begun:
                return problem
            try:
                self._begin()
            except (WorkspaceInUseError, OSError) as error:
                problem = f"{error} Until then you can view everything, but change nothing."
            self.system.note_problem(problem)
        if not problem:
            logger.warning("The workspace %s can be written again", self._paths.root)
        return problem

    def stop(self) -> None:
        """End children and streams, and give the workspace back."""
        self._begin_later.stop()
        self._leftovers.stop()
        self.scheduler.stop(STOP_TIMEOUT_S)
        self.bus.close()
        self._lock.release()

    def _begin(self) -> None:
        self._lock.acquire()
        try:
            self._leftovers.note_start()
            self._stores.projects.open_workspace()
            self._stores.projects.clean_up()
            self._stores.documents.reserve.fill()
            self.scheduler.start()
            self._leftovers.start()
        except BaseException:
            self._lock.release()
            raise
        self._has_begun = True

    def _open_log(self, project_id: str) -> ProjectEventLog:
        return open_event_log(self._stores.documents, project_id)
